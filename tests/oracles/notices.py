"""I4: each row of the outbox is posted to Slack at least once, and again only after a crash."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from oracles.database import Database
from oracles.findings import Finding

_FOOT = re.compile(r"outbox #(\d+)(?: to #(\d+), ([\d,]+) effects)?")


@dataclass(slots=True)
class Heard:
    """What was posted to the channel."""

    singly: Counter[int] = field(default_factory=Counter)
    """Posts by number of the outbox."""
    folded: list[int] = field(default_factory=list)
    """Sizes of the digests."""
    unsigned: int = 0

    @property
    def notices_sent(self) -> int:
        """How many rows were posted; those posted twice count twice."""
        return self.singly.total() + sum(self.folded)


def hear(posts: Iterable[Mapping[str, Any]]) -> Heard:
    """Read the numbers at the foot of what was posted."""
    heard = Heard()
    for post in posts:
        numbers = _FOOT.findall(_foot(post))
        if not numbers:
            heard.unsigned += 1
            continue
        first, last, count = numbers[-1]
        if last:
            heard.folded.append(int(count.replace(",", "")))
        else:
            heard.singly[int(first)] += 1
    return heard


def repeated(database: Database, heard: Heard, crashes: int) -> Iterator[Finding]:
    """Compare the channel with the outbox. `crashes`: kills, and lost answers of Slack's."""
    states = dict(database.rows("SELECT id, state FROM outbox WHERE lane = ?", ("slack",)))
    if heard.unsigned:
        yield Finding("I4", f"{heard.unsigned} posts have no number of the outbox")
    for number, times in heard.singly.items():
        if number not in states:
            yield Finding("I4", f"outbox #{number} was posted, and was never committed")
        if times > 1 + crashes:
            yield Finding("I4", f"outbox #{number} was posted {times} times in {crashes} crashes")
    delivered = {number for number, state in states.items() if state == "delivered"}
    if not heard.folded:
        for number in sorted(delivered - heard.singly.keys()):
            yield Finding("I4", f"outbox #{number} is marked as delivered, and was never posted")
    if (again := heard.singly.total() - len(heard.singly)) > crashes:
        yield Finding("I4", f"{again} single notices were repeated, in {crashes} crashes")
    if heard.notices_sent < len(delivered):
        yield Finding(
            "I4", f"{len(delivered)} rows are delivered, and {heard.notices_sent} were posted"
        )
    most = crashes * max(heard.folded, default=1)
    if (more := heard.notices_sent - len(states)) > most:
        yield Finding("I4", f"{more} were posted again, and {crashes} crashes explain {most}")


def _foot(post: Mapping[str, Any]) -> str:
    """The text of the last block."""
    texts: list[str] = []

    def collect(value: Any) -> None:
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, dict):
            for item in value.values():
                collect(item)
        elif isinstance(value, list):
            for item in value:
                collect(item)

    collect(post.get("blocks", [])[-1:])
    return " ".join(texts)
