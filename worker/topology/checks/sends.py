"""Whether `report --ses` may ask SES how much was sent. Pure."""

from worker.core.reporting.sends import FromSes, Source
from worker.topology.checks.findings import Check, Finding

SENDS = Check("sends")
_IN_WORDS = {
    Source.VDM: "by the metrics of its Virtual Deliverability Manager",
    Source.STATISTICS: "by its statistics of the last two weeks",
}
_DENIED = "is not permitted"


def judge_sends(found: FromSes) -> Finding:
    """Judge SES's answer. The permission is optional: without it rates may be unknown."""
    if found.by_day:
        return SENDS.ok(f"SES says how much was sent, {_IN_WORDS[found.source]}")
    refusals = found.problem.split("; ")
    if any(_DENIED in problem for problem in refusals):
        message = f"report --ses cannot ask SES how much was sent: {found.problem}"
        fix = "allow one of the two calls of config/iam-report.json, if you use report --ses"
        return SENDS.note(message, fix)
    return SENDS.note(f"report --ses learns nothing from SES: {found.problem}")
