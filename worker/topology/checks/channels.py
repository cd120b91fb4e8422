"""Notice channels, as far as they can be checked without sending a notice."""

from collections.abc import Sequence

from worker.core.effects import Blocked, Delivery, Lane, Later, NotYet, Sent, Unfit
from worker.topology.checks.findings import Check, Finding

_SEND = "ses-worker check --send posts a test notice"


def judge_channel(
    lane: Lane, answer: Delivery, *, service: str, destination: str, sent: bool
) -> Finding:
    """Judge a service's answer: to a question, or to a test notice that was `sent`."""
    check = Check(lane)
    match answer:
        case Sent() if sent:
            return check.ok(f"{destination}: a test notice was accepted")
        case Sent(result=result):
            return check.ok(f"{destination}: {result}; {_SEND}")
        case Blocked(error=error):
            message, separator, fix = error.rpartition(": ")
            if not separator:
                message, fix = error, f"see {lane.partition('.')[0]}.* in the settings"
            return check.wrong(f"{destination}: {message}", fix)
        case Later(error=error, busy=True):
            return check.note(f"{destination}: {error}", "try again later")
        case Unfit(error=error) | NotYet(error=error) | Later(error=error):
            fix = f"see that {service} can be reached, and try again"
            return check.wrong(f"{destination}: {error}", fix)


def judge_no_channel(section: str, enabled_by: Sequence[str]) -> Finding:
    """Judge a section that configures no channel."""
    keys = " or ".join(f"{section}.{key}" for key in enabled_by)
    return Check(section).ok(f"no notices go to {section}: {keys} enables them")
