"""Slack, as far as it can be checked without posting."""

from worker.core.effects import Blocked, Delivery, Later, NotYet, Sent, Unfit
from worker.topology.checks.findings import Check, Finding

SLACK = Check("slack")
_SEND = "ses-worker check --send posts a test notice"


def judge_slack(answer: Delivery | None, *, way: str, sent: bool) -> Finding:
    """Judge Slack's answer; None: no notices. `way` is `webhook`, or token and channel."""
    match answer:
        case None:
            return SLACK.ok("no notices are configured: neither slack.webhook_url nor slack.token")
        case Sent() if sent:
            return SLACK.ok(f"{way}: a test notice is in the channel")
        case Sent(result=result):
            return SLACK.ok(f"{way}: {result}; {_SEND}")
        case Blocked(error=error):
            message, _, fix = error.rpartition(": ")
            return SLACK.wrong(f"{way}: {message or error}", fix or "see slack.* in the settings")
        case Unfit(error=error) | NotYet(error=error) | Later(error=error):
            return SLACK.wrong(f"{way}: {error}", "see that Slack can be reached, and try again")
