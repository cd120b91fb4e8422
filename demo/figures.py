"""The demo in figures: `python -m demo --json`, and what `expected` compares."""

from collections import Counter
from datetime import datetime
from typing import Any

from demo import script
from demo.database import Row, moment
from demo.run import Result
from simulators.sqs import MessageState

DIGEST = "DIGEST: "


def figures(result: Result) -> dict[str, Any]:
    """Count everything that can be counted."""
    events, users = result.database.events, result.database.users
    return {
        "published": len(result.messages),
        "kinds": Counter(message.kind for message in result.messages),
        "shapes": Counter(message.shape.value for message in result.messages),
        **result.totals,
        "remaining": result.remaining,
        "events": len(events),
        "actions": Counter(row["action"] for row in events),
        "rules": Counter(row["reason"] for row in events),
        "user_matches": Counter(row["user_match"] for row in events),
        "events_added_by_repeats": len(events) - len(result.before_the_last.events),
        "users": len(users),
        "users_paused": sum(is_paused(user, result.now) for user in users),
        "users_blocked": sum(bool(user["auto_block_spam"]) for user in users),
        "dead_letters": Counter(
            attribute(message, "ses_worker_reason") for message in result.dead_letters
        ),
        "effects": result.effects,
        "slack_messages": len(result.posts),
        "slack_digests": sum(post["text"].startswith(DIGEST) for post in result.posts),
        "folded": folded(result),
        "suppression_listed_before": list(script.LISTED),
        "suppression_listed": result.listed,
    }


def attribute(message: MessageState, name: str) -> str:
    """Return an attribute that the worker added to a dead letter."""
    return str(message.attributes[name]["StringValue"]) if name in message.attributes else ""


def is_paused(user: Row, now: datetime) -> bool:
    """Return whether mail to a user is paused."""
    return bool(user["paused_until"]) and moment(user["paused_until"]) > now


def folded(result: Result) -> Counter[str]:
    """Count the notices in digests by noun: `DIGEST: 25 bounces, 1 dead letter`."""
    counts: Counter[str] = Counter()
    for post in result.posts:
        if post["text"].startswith(DIGEST):
            for total in post["text"].removeprefix(DIGEST).split(", "):
                count, _, noun = total.partition(" ")
                counts[noun.removesuffix("s")] += int(count)
    return counts
