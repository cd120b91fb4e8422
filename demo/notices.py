"""What Slack was told, read off the messages themselves."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Post = Mapping[str, Any]
DIGEST = "DIGEST: "
REMOVALS = ("DELETE: ", "NOT DELETED: ")


def singles(posts: Iterable[Post]) -> list[Post]:
    """The messages about one thing each."""
    return [post for post in posts if not _is_digest(post)]


def digests(posts: Iterable[Post]) -> list[Post]:
    """The messages in which many are folded."""
    return [post for post in posts if _is_digest(post)]


def folded(posts: Iterable[Post]) -> Counter[str]:
    """What the digests count, by noun: `bounce`, `dead letter`."""
    counts: Counter[str] = Counter()
    for post in digests(posts):
        for total in post["text"].removeprefix(DIGEST).split(", "):
            count, _, noun = total.partition(" ")
            counts[noun.removesuffix("s")] += int(count.replace(",", ""))
    return counts


def about_removals(posts: Iterable[Post]) -> dict[str, Post]:
    """The messages on what became of an address on the suppression list, by address."""
    return {
        post["text"].partition(": ")[2]: post for post in posts if post["text"].startswith(REMOVALS)
    }


def field(post: Post, label: str) -> str:
    """The mrkdwn beside a label; empty where there is none."""
    for block in post["blocks"]:
        texts: Sequence[str] = [text["text"] for text in block.get("fields", ())]
        if f"*{label}*" in texts[::2]:
            return texts[texts.index(f"*{label}*") + 1]
    return ""


def _is_digest(post: Post) -> bool:
    return str(post["text"]).startswith(DIGEST)
