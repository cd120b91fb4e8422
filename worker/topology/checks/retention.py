"""How long what is kept, and what the next purges remove."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from worker.topology.checks.findings import Check, Finding

RETENTION = Check("retention")


class Announcement(Struct, frozen=True):
    """What is announced, and goes later."""

    what: str
    """`events` or `messages`."""
    rows: int
    oldest: datetime | None
    begins_at: datetime


def judge_retention(kept: str, announcements: Sequence[Announcement]) -> Finding:
    """Describe what is kept how long, and what will go; `kept`: for people."""
    if not announcements:
        return RETENTION.ok(kept)
    lines = "; ".join(map(_in_words, announcements))
    names = " and ".join(f"retention.{each.what}_days" for each in announcements)
    return RETENTION.note(f"{kept}; {lines}", f"to keep them longer, raise {names}")


def _in_words(announcement: Announcement) -> str:
    oldest = f", the oldest of {announcement.oldest:%Y-%m-%d}" if announcement.oldest else ""
    return (
        f"{announcement.rows:,} {announcement.what} are older{oldest}, and those that serve no "
        f"more are removed from {announcement.begins_at:%Y-%m-%d %H:%M} UTC on"
    )
