"""The demo in figures, for programs: what `python -m demo --json` prints."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from demo import script
from demo.audit_effects import ignored
from demo.database import Row, moment
from demo.notices import digests, folded
from demo.story import Findings


def figures(findings: Findings, wrong: Sequence[str], elapsed_seconds: float) -> dict[str, Any]:
    """Put everything that can be counted into one object."""
    events, users = findings.database.events, findings.database.users
    return {
        "ok": not wrong,
        "faults": list(wrong),
        "published": len(findings.messages),
        "kinds": Counter(message.kind for message in findings.messages),
        "shapes": Counter(message.shape.value for message in findings.messages),
        **findings.totals,
        "remaining": findings.remaining,
        "events": len(events),
        "actions": Counter(row["action"] for row in events),
        "rules": Counter(row["reason"] for row in events),
        "user_matches": Counter(row["user_match"] for row in events),
        "events_added_by_repeats": len(events) - len(findings.before_the_last.events),
        "users": len(users),
        "users_paused": sum(is_paused(user, findings.now) for user in users),
        "users_blocked": sum(bool(user["auto_block_spam"]) for user in users),
        "dead_letters": Counter(dead_letter.reason for dead_letter in findings.dead_letters),
        "effects": findings.effects,
        "recipients_ignored": ignored(findings),
        "slack_messages": len(findings.posts),
        "slack_digests": len(digests(findings.posts)),
        "folded": folded(findings.posts),
        "suppression_listed_before": list(script.LISTED),
        "suppression_listed": findings.listed,
        "elapsed_s": round(elapsed_seconds, 3),
    }


def is_paused(user: Row, now: datetime) -> bool:
    """Whether mail to a user is paused."""
    return bool(user["paused_until"]) and moment(user["paused_until"]) > now
