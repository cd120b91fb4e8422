"""The lines about an event: what SES reported, what was decided, before and after. Pure."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from worker.cli.words import decision_of, mail_answer_of, moment
from worker.core.faults import IN_WORDS
from worker.core.model import FORGIVENESS, REINSTATEMENT
from worker.core.words import meaning_of_status, meaning_of_type, status_of

if TYPE_CHECKING:
    from worker.core.model import User
    from worker.core.retelling import Change

_MOST_TAGS = 10
"""Tags of a mail that are shown to people; `--json` prints all of them."""


def lines_of(event: Mapping[str, Any], change: "Change | None") -> Iterator[tuple[str, str]]:
    """Yield a label and a text for each line below the heading of an event, but its effects."""
    is_ours = event["kind"] in {REINSTATEMENT, FORGIVENESS}
    if not is_ours:
        yield from _explained(event)
    yield "Decision", decision_of(event)
    if change:
        yield from _states(event["occurred_at"], change)


def more_lines_of(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a label and a text for each line about the mail, which stand below the effects."""
    if event["kind"] in {REINSTATEMENT, FORGIVENESS}:
        return
    if mail := "; ".join(_mail(event)):
        yield "Mail", mail
    if tags := _tags(event["tags"]):
        yield "Tags", tags
    received = f"Received {moment(event['received_at'])}"
    id_ = event["ses_message_id"]
    yield "Message", f"{received}, SES message id {id_}" if id_ else received


def meaning_of(event: Mapping[str, Any]) -> dict[str, str]:
    """What SES and the mail server reported, in plain words, for JSON."""
    status = status_of(event["status"], event["diagnostic"])
    return {
        "type": meaning_of_type(event["kind"], event["type"], event["subtype"]),
        "status_code": status,
        "status": meaning_of_status(status),
    }


def _explained(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    meaning = meaning_of(event)
    if meaning["type"]:
        yield "SES says", meaning["type"]
    if answer := mail_answer_of(event):
        yield "Mail server", answer
    if meaning["status"]:
        yield "In words", f"{meaning['status']} ({meaning['status_code']})"
    if fault := IN_WORDS.get(event["fault"]):
        yield "Whose fault", fault


def _states(at: datetime, change: "Change") -> Iterator[tuple[str, str]]:
    before, after = state_at(change.before, at), state_at(change.after, at)
    if before == after:
        yield "Before, after", before
    else:
        yield "Before", before
        yield "After", after


def state_at(user: "User", at: datetime) -> str:
    """State whether an address was paused or blocked at a time."""
    states = ["blocked without an end (auto_block_spam)"] if user.auto_block_spam else []
    if user.paused_until and user.paused_until > at:
        states.append(f"paused until {moment(user.paused_until)} ({user.pause_reason})")
    return ", and ".join(states) or "neither paused nor blocked"


def _mail(event: Mapping[str, Any]) -> Iterator[str]:
    if event["sent_at"] or event["sender"]:
        at = f" {moment(event['sent_at'])}" if event["sent_at"] else ""
        by = f" by {event['sender']}" if event["sender"] else ""
        yield f"sent{at}{by}"
    for name in ("configuration_set", "tenant"):
        if value := event[name]:
            yield f"{name.replace('_', ' ')} {value}"


def _tags(text: str) -> str:
    try:
        tags = json.loads(text)
    except ValueError:  # written by somebody else
        return text
    if not isinstance(tags, dict):
        return text
    named = [
        f"{name}={','.join(map(str, values)) if isinstance(values, list) else values}"
        for name, values in tags.items()
    ]
    more = [f"and {len(named) - _MOST_TAGS} more"] if len(named) > _MOST_TAGS else []
    return "; ".join([*named[:_MOST_TAGS], *more])
