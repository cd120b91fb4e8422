"""Sentences about events, users and effects, from the words that the database has. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from worker.cli.common import counted
from worker.core.model import FORGIVENESS, OFF_LIST, REINSTATEMENT, Action, Kind
from worker.core.pausing import FORGIVEN, REPEATED, rule_and_note

if TYPE_CHECKING:
    from worker.store.answers import Verdict

_BECAUSE = {
    (Kind.BOUNCE, "unsubscribed"): "the person had opted out of a list",
    (Kind.BOUNCE, "out_of_office"): "it is an automatic reply, and the mail has arrived",
    (Kind.BOUNCE, "spam_diagnostic"): "the mail server's answer says spam",
    (Kind.BOUNCE, "refused_by_ses"): "SES itself refused to send to this address",
    (Kind.BOUNCE, "permanent"): "SES reports a permanent bounce",
    (Kind.BOUNCE, "permanent_status"): "SES calls it transient, and the status says permanent",
    (Kind.BOUNCE, "transient"): "SES reports a transient bounce",
    (Kind.BOUNCE, "other_bounce"): "SES does not report whether the bounce is permanent",
    (Kind.COMPLAINT, "refused_by_ses"): "SES itself refused to send, and nobody complained",
    (Kind.COMPLAINT, "not_spam"): "the person says that the mail is not spam",
    (Kind.COMPLAINT, "timed_complaint"): "the person complained, which blocks for a time",
    (Kind.COMPLAINT, "blocked_already"): "the user was blocked already",
    (Kind.COMPLAINT, "complaint"): "the person complained",
}
_ALWAYS = {
    "unknown_recipient": "the address is not among the users; may-send goes by its events",
    "before_reinstatement": "it happened before the user was reinstated, and only counts",
}
OF_ACCOUNT = "SES's suppression list"
_DONE = {
    Action.HARD_BOUNCE.value: "Mail pauses",
    Action.SOFT_BOUNCE.value: "Mail pauses",
    Action.AUTO_BLOCK_SPAM.value: "The user is blocked",
    Action.NO_ACTION.value: "Nothing changes",
}


def verdict_figures(verdict: "Verdict") -> dict[str, Any]:
    """A verdict for JSON."""
    return {
        "may_send": verdict.may_send,
        "known": verdict.is_known,
        "user": verdict.is_user,
        "reason": verdict.reason,
        "until": verdict.until.isoformat() if verdict.until else None,
        "forgotten_at": verdict.forgotten_at.isoformat() if verdict.forgotten_at else None,
    }


def feedback_counts(user: Mapping[str, Any]) -> str:
    """`1 hard bounce, 2 complaints`, without what there is none of."""
    kinds = ("hard bounce", "soft bounce", "complaint")
    counts = ((user[f"{kind.replace(' ', '_')}_count"] or 0, kind) for kind in kinds)
    found = ", ".join(counted(count, kind) for count, kind in counts if count)
    return found or "no counted bounce or complaint"


def state_of(user: Mapping[str, Any], now: datetime) -> str:
    """State whether a user may be mailed now, and until when not."""
    states = ["blocked (auto_block_spam), which no date ends"] if user["auto_block_spam"] else []
    if until := user["paused_until"]:
        verb = "paused" if until > now else "no longer paused: it was"
        states.append(f"{verb} until {moment(until)} UTC ({user['pause_reason']})")
    return ", and ".join(states) or "neither paused nor blocked"


def decision_of(event: Mapping[str, Any]) -> str:
    """State what was done about an event, and because of which rule."""
    if event["kind"] == REINSTATEMENT:
        return f"{event['type']} lifted pause and block{_off_list(event)}: {event['diagnostic']}"
    if event["kind"] == FORGIVENESS:
        return "Soft bounces before it are forgiven: a mail was delivered."
    action, reason = str(event["action"]), str(event["reason"])
    rule, note = rule_and_note(reason)
    done = _DONE.get(action, "")
    if rule == "timed_complaint":
        done = "Mail pauses"
    elif note and note != REPEATED:
        done = "Mail goes on"
    done = f"{done} ({action})" if done else action
    because = _BECAUSE.get((event["kind"], rule)) or _ALWAYS.get(rule) or _by_settings(rule)
    more = _of_note(note)
    because = f"{because}, {more}" if because and more else because or more
    sentence = f"{done}: {because} (rule {reason})." if because else f"{done}: rule {reason}."
    is_new = event["user_match"] == "missing" and rule not in _ALWAYS
    return f"{sentence} The address was not among the users before." if is_new else sentence


def _of_note(note: str) -> str:
    if note == FORGIVEN:
        return "and a later delivery has forgiven it"
    if note == REPEATED:
        return "in the third pause within 90 days, or a later pause"
    count, _, most = note.partition("_of_")
    return f"number {count} of the {most} that pause" if most else ""


def _off_list(event: Mapping[str, Any]) -> str:
    """Name the suppression lists of SES that a reinstatement has requested to take it off."""
    if event["subtype"] != OFF_LIST:
        return ""
    whose = f"the suppression list of tenant {event['tenant']}" if event["tenant"] else OF_ACCOUNT
    return f", and requested to take the address off {whose}"


def _by_settings(rule: str) -> str:
    key, separator, value = rule.partition(":")
    if separator and key == "bounce_actions":
        return f"policy.{key} has {value}"
    if separator and key == "spared":
        return f"policy.spare_faults has {value}, and the fault was not the recipient's"
    return ""


def label_of_event(event: Mapping[str, Any]) -> str:
    """`bounce Permanent/General`."""
    if event["kind"] in {REINSTATEMENT, FORGIVENESS}:
        return str(event["kind"])
    types = "/".join(filter(None, (event["type"], event["subtype"])))
    return f"{event['kind']} {types}".strip()


def mail_answer_of(event: Mapping[str, Any]) -> str:
    """Return the status and the answer of the mail server; the answer may begin with the status."""
    status, diagnostic = event["status"] or "", event["diagnostic"] or ""
    return diagnostic if status in diagnostic else f"{status} {diagnostic}".strip()


def effect_head(effect: Mapping[str, Any]) -> str:
    """`bounce_notice: parked after 2 tries, 2026-11-30 07:24:11`."""
    tries = effect["attempts"]
    tried = f" after {counted(tries, 'try', 'tries')}" if tries else ""
    return f"{effect['kind']}: {effect['state']}{tried}{_when(effect)}"


def _when(effect: Mapping[str, Any]) -> str:
    if effect["state"] in {"waiting", "claimed"}:
        return f", due {moment(effect['due_at'])}"
    return f", {moment(effect['finished_at'])}" if effect["finished_at"] else ""


def moment(value: datetime) -> str:
    """Write a time, to the second."""
    return f"{value:%Y-%m-%d %H:%M:%S}"
