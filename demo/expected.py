"""The expected outcomes of the demo, written down by hand, and the comparison with them."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from demo import script
from demo.database import moment
from demo.people import everybody
from demo.run import Result
from simulators.slack import WEBHOOK
from worker.core.model import Outcome

FIGURES: Mapping[str, Any] = {
    "received": 54,
    "applied": 34,
    "duplicate": 5,
    "ignored": 11,
    "deferred": 0,
    "dead_lettered": 4,
    "remaining": 0,
    "users": 42,
    "events_added_by_repeats": 0,
    "dead_letters": {
        "subscription_confirmation": 1, "foreign_event": 1, "no_object": 1, "not_json": 1,
    },
    "effects": {"delivered": 41},
    "suppression_listed": [script.KEPT_ON],
}  # fmt: skip
"""By the name in `--json`."""

HARD, SOFT = 30 * 24, 24
"""Hours of a pause after a hard and a soft bounce."""

PAUSED_HOURS = {
    "dev.patel@example.com": HARD - 1.2, "leon.maas@example.com": HARD - 0.9,
    "yara.haddad@example.com": HARD - 0.8, "probe@example.org": HARD - 0.7,
    "ada.ferro@example.com": HARD - 749, "otto.weiss@example.net": HARD - 1080,
    "nora.field@example.org": HARD - 49, "h.sato@example.com": HARD - 75,
    "lee.tran@example.org": HARD - 26, "ana.costa@example.com": HARD - 20,
    "ben.adler@example.net": HARD - 20, "jane.okeke@example.com": HARD - 12,
    "mia.berg@example.org": HARD - 11, "pia.lund@example.org": HARD - 40,
    "zoe.lavoie@example.com": HARD - 18, "m.adeyemi@example.net": SOFT - 7,
    "ines.prado@example.net": SOFT - 16, "sara.blom@example.net": SOFT - 70,
    "yuki.mori@example.org": SOFT - 3, "lena.voss@example.org": SOFT - 2,
    "pavel.maly@example.com": HARD - 144,  # a later refusal by SES does not prolong it
    "kim.dahl@example.com": HARD - 26,  # a later soft bounce does not shorten it
}  # fmt: skip
"""Users with a pause, by address: hours until it ends; below 0: it has ended."""

BLOCKED = {
    "raj.mehta@example.net", "cho.park@example.org", "grace.lim@example.com",
    "finn.moran@example.org", "rosa.vidal@example.com", "sol.reyes@example.com",
    "tam.nguyen@example.com", "ruth.stone@example.net",
}  # fmt: skip


def faults(result: Result, figures: Mapping[str, Any]) -> list[str]:
    """Return what is not as expected, a sentence each."""
    return [
        *_figures(figures),
        *_decisions(result),
        *_users(result),
        *_messages(result),
        *_log(result),
    ]


def _figures(figures: Mapping[str, Any]) -> Iterator[str]:
    for name, expected in FIGURES.items():
        if figures.get(name) != expected:
            yield f"{name} is {_plain(figures.get(name))}, not {_plain(expected)}"


def _decisions(result: Result) -> Iterator[str]:
    """Compare the rows of `events` with the decisions in the script."""
    expected = Counter(
        (entry.key, entry.match, entry.action, entry.rule)
        for message in result.messages
        if message.report and message.outcome is Outcome.APPLIED
        for entry in message.report.entries
    )
    actual = Counter(
        (row["recipient"], row["user_match"], row["action"], row["reason"])
        for row in result.database.events
    )
    for decision in expected - actual:
        yield f"no such decision: {' '.join(decision)}"
    for decision in actual - expected:
        yield f"an unexpected decision: {' '.join(decision)}"


def _users(result: Result) -> Iterator[str]:
    for user in result.database.users:
        address, until = user["email_key"], user["paused_until"]
        hours = PAUSED_HOURS.get(address)
        expected = None if hours is None else result.now + timedelta(hours=hours)
        if (actual := moment(until) if until else None) != expected:
            yield f"{address} is paused until {actual}, not {expected}"
        if bool(user["auto_block_spam"]) != (address in BLOCKED):
            yield f"{address} should {'' if address in BLOCKED else 'not '}be blocked"
    if result.database != result.before_the_last:
        yield "duplicates have changed the database"


def _messages(result: Result) -> Iterator[str]:
    """Check what was sent to the dead-letter queue and to Slack."""
    bodies = {dead_letter.body for dead_letter in result.dead_letters}
    published = bodies | {json.loads(body).get("Message") for body in bodies}
    for message in result.messages:
        if message.outcome is Outcome.DEAD_LETTERED and message.text not in published:
            yield f"{message.kind} is not in the dead-letter queue unchanged"
    if script.IGNORED in json.dumps(result.posts):
        yield f"a notice about {script.IGNORED}, whom notify.ignore names"
    for request in result.slack_requests:
        if not request.accepted:
            yield f"Slack refused a message: {request.answer}"


def _log(result: Result) -> Iterator[str]:
    if result.status != 0:
        yield f"the daemon's exit status is {result.status}, not 0"
    log_text = str(result.log).lower()
    for address in everybody():
        if address in log_text:
            yield f"the log holds a whole address: {address}"
    if WEBHOOK.rpartition("/")[2].lower() in log_text:
        yield "the log holds the webhook's secret"


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Counter) else value
