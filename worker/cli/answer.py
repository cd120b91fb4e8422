"""The answer about an address in one sentence, with its cause and how to undo it. Pure."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from worker.cli.words import moment
from worker.core.model import Action, Kind
from worker.core.tombstones import REASON
from worker.core.words import meaning_of_status, meaning_of_type, status_of

if TYPE_CHECKING:
    from worker.core.retelling import Change
    from worker.store.answers import Verdict

Event = Mapping[str, Any]
_BLOCK = Action.AUTO_BLOCK_SPAM.value
_OF_TENANT = "ontenantsuppressionlist"
_LISTED = ("onaccountsuppressionlist", _OF_TENANT)
_WITHOUT_EVENT = {
    _BLOCK: "somebody complained, or a mail server called the mail spam",
    Action.HARD_BOUNCE.value: "mail bounced for good",
    Action.SOFT_BOUNCE.value: "mail bounced",
    Kind.COMPLAINT.value: "somebody complained",
    REASON: "this person was forgotten, and was barred then",
}


def answer_of(key: str, verdict: "Verdict", cause: Event | None) -> str:
    """State whether mail may go to an address now, until when not, and why not."""
    if verdict.forgotten_at:
        return _of_forgotten(key, verdict)
    who = f"It is {'a' if verdict.is_user else 'no'} user"
    if verdict.may_send:
        return f"Mail may go to {key} now. {who}, and {_free(verdict)}."
    until = f"until {moment(verdict.until)} UTC" if verdict.until else "until somebody lifts it"
    why, status = reason_in_words(str(verdict.reason), cause)
    names = ", ".join(filter(None, (status, verdict.reason)))
    return f"No mail may go to {key} {until}, because {why} ({names}). {who}."


def _of_forgotten(key: str, verdict: "Verdict") -> str:
    on = f"This person was forgotten on {verdict.forgotten_at:%Y-%m-%d}"
    if verdict.may_send:
        return f"Mail may go to {key} now. {on}, and was neither paused nor blocked."
    if verdict.until:
        return f"No mail may go to {key} until {moment(verdict.until)} UTC. {on}, and was paused."
    return f"No mail may go to {key} until somebody lifts it. {on}, and was blocked."


def _free(verdict: "Verdict") -> str:
    if verdict.is_user:
        return "neither paused nor blocked"
    return "none of its events stops mail now" if verdict.is_known else "has no events on record"


def reason_in_words(reason: str, cause: Event | None) -> tuple[str, str]:
    """State why mail must not go to an address, from the event that is the cause, if known.

    Returns the words, and the status code that they explain.
    """
    if cause is None:
        return _WITHOUT_EVENT.get(reason, "the record says so"), ""
    day = f"{cause['occurred_at']:%Y-%m-%d}"
    if cause["kind"] == Kind.COMPLAINT:
        return f"of a complaint on {day}: {meaning_of_type(**_sort(cause))}", ""
    if reason == _BLOCK:
        return f"a mail server called the mail of {day} spam", ""
    meaning, status = _meaning_in_brief(cause)
    return f"mail bounced on {day}{f': {meaning}' if meaning else ''}", status


def _meaning_in_brief(event: Event) -> tuple[str, str]:
    """Explain a bounce by what says most: SES's own refusal, the status, or SES's sub-type."""
    by_ses = meaning_of_type(**_sort(event))
    status = status_of(event["status"], event["diagnostic"])
    says_little = not status or status.endswith(".0.0")
    if says_little or by_ses.startswith("SES did not send"):
        return by_ses, ""
    return meaning_of_status(status), status


def _sort(event: Event) -> dict[str, Any]:
    return {"kind": event["kind"], "type_": event["type"], "subtype": event["subtype"]}


def cause_of(
    verdict: "Verdict", events: Sequence[Event], changes: Mapping[int, "Change"]
) -> Event | None:
    """Find the event because of which mail must not go to an address.

    Of the events that have blocked, or have set the pause that ends as the verdict says, the last;
    failing that, the last event with the action that is the reason.
    """
    if verdict.may_send:
        return None
    found = list(_of_changes(verdict, events, changes)) or [
        event
        for event in events
        if event["action"] == (_BLOCK if verdict.reason == Kind.COMPLAINT else verdict.reason)
    ]
    return found[-1] if found else None


def _of_changes(
    verdict: "Verdict", events: Sequence[Event], changes: Mapping[int, "Change"]
) -> Iterator[Event]:
    for event in events:
        if change := changes.get(event["id"]):
            ends_then = change.pauses and change.after.paused_until == verdict.until
            if change.blocks if verdict.until is None else ends_then:
                yield event


def undo_of(
    key: str,
    verdict: "Verdict",
    events: Sequence[Event] = (),
    removals: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the command that lifts pause and block; empty if there is none.

    If SES refuses because the address is on a suppression list, or must have listed it again
    after it was taken off, the command takes it off, too.
    """
    if verdict.may_send:
        return ""
    last = events[-1] if events else None
    subtype = (last["subtype"] or "").lower() if last else ""
    if last is not None and subtype in _LISTED:
        tenant = str(last["tenant"]) if subtype == _OF_TENANT else ""
    elif removals and any(_lists(event, removals[-1]["begun_at"]) for event in events):
        tenant = removals[-1]["tenant"]
    else:
        return reinstating(key)
    return reinstating(key, also=f"--also-suppression-list{_option('--tenant', tenant)}")


def _lists(event: Event, after: datetime) -> bool:
    """Return whether SES lists an address for this event, and it occurred after this time."""
    is_reason = event["kind"] == Kind.COMPLAINT or event["type"] == "Permanent"
    return is_reason and bool(event["occurred_at"] > after)


def reinstating(key: str, *, also: str = "") -> str:
    """Return the command that lifts pause and block of an address; `also`: further options."""
    more = f" {also}" if also else ""
    return f'ses-worker users reinstate {shlex.quote(key)}{more} --reason "WHY"'


def _option(name: str, value: str) -> str:
    return f" {name} {shlex.quote(value)}" if value else ""
