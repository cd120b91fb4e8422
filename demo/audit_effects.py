"""Checks that each notice was posted once, and that SES got the right calls.

Read off the stand-ins, and worked out without the worker's own rules.
"""

import json
from collections import Counter
from collections.abc import Iterator

from demo import script
from demo.mail import Report
from demo.notices import about_removals, field, folded, singles
from demo.story import Findings
from simulators.slack import WEBHOOK
from worker.core.model import Outcome


def of_the_notices(findings: Findings) -> Iterator[str]:
    """Everybody who is not ignored is in a notice of its own, or counted in a digest."""
    observed = Counter(post["text"] for post in singles(findings.posts))
    missing: Counter[str] = Counter()
    for text, noun, count in _unfinished(findings):
        if observed[text]:
            observed[text] -= 1
        else:
            missing[noun] += count
    for text in observed.elements():
        yield f"Slack was notified of nothing that came: {text}"
    if missing != (counted := folded(findings.posts)):
        yield f"digests count {dict(counted)}, not {dict(missing)}"
    if script.IGNORED in json.dumps(findings.posts):
        yield f"Slack was told about {script.IGNORED}, who is ignored"
    for heard in findings.heard:
        if not heard.accepted:
            yield f"Slack refused a message: {heard.answer}"
    if WEBHOOK.rpartition("/")[2] in str(findings.log):
        yield "the log holds the webhook's secret"
    if left := {state: n for state, n in findings.effects.items() if state != "delivered"}:
        yield f"effects are not delivered: {left}"


def of_the_list(findings: Findings) -> Iterator[str]:
    """Who was listed for a bounce is off the list; who complained is on it; both have a notice."""
    expected = [address for address, reason in script.LISTED.items() if reason == "COMPLAINT"]
    if findings.listed != expected:
        yield f"on the suppression list are {findings.listed}, not {expected}"
    removals = about_removals(findings.posts)
    for address in script.LISTED:
        response = field(removals[address], "Response:") if address in removals else ""
        if not response.startswith("Kept:" if address in expected else "*Deleted!*"):
            yield f"Slack was notified of {address}: {response or 'nothing'}"


def ignored(findings: Findings) -> int:
    """How many recipients nobody is notified about."""
    reported = [entry.reported for report in _reports(findings) for entry in report.entries]
    return reported.count(script.IGNORED)


def _unfinished(findings: Findings) -> Iterator[tuple[str, str, int]]:
    """The fallback text of each expected notice, its noun, and how many."""
    for report in _reports(findings):
        names = [entry.reported for entry in report.entries if entry.reported != script.IGNORED]
        if names:
            subjects = ", ".join(_escaped(name) if name else "(no address)" for name in names)
            yield f"{report.kind.upper()}: {subjects}", report.kind.lower(), len(names)
    for message in findings.messages:
        if message.outcome is Outcome.DEAD_LETTERED:
            yield f"DEAD LETTER: {message.reason} (1)", "dead letter", 1
    for address, reason in script.LISTED.items():
        word = "DELETE" if reason == "BOUNCE" else "NOT DELETED"
        yield f"{word}: {address}", "removal outcome", 1


def _reports(findings: Findings) -> list[Report]:
    return [
        message.report
        for message in findings.messages
        if message.report and message.outcome is Outcome.APPLIED
    ]


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
