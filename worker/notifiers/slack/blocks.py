"""The kinds of Slack blocks that notices use, and their limits.

Source: https://docs.slack.dev/reference/block-kit/blocks
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from worker.notifiers.slack.text import fit, size

MOST_BLOCKS = 50
LONGEST_HEADER = 150
LONGEST_SECTION = 3_000
MOST_FIELDS = 10
LONGEST_FIELD = 2_000
MOST_ELEMENTS = 10
LONGEST_TEXT = 4_000
"""Characters of the fallback text; Slack cuts it far above that."""
BUDGET = 9_000
"""Bytes in UTF-8 of all texts in all blocks. Slack documents no limit, and has refused messages of
10,821 bytes and more (`msg_blocks_too_long`): https://github.com/slackapi/bolt-js/issues/2867,
https://github.com/openclaw/openclaw/pull/143882."""

PROGRAM = "ses-worker"
"""How commands begin in the texts of this package."""
LONGEST_COMMAND = 200
"""Characters; a longer path is not shown. The budget has room for a few of them."""
_UNMARKED = frozenset("`<>&")
"""Characters that Slack would read as markup."""

Block = dict[str, Any]


class Post(Struct, frozen=True):
    """A message for Slack: the blocks that Slack shows, the text of its notifications."""

    text: str
    blocks: Sequence[Block]


def header(text: str) -> Block:
    """A title, without untrusted text; cut to its limit."""
    return {"type": "header", "text": _plain(fit(text, LONGEST_HEADER))}


def divider() -> Block:
    """A horizontal line."""
    return {"type": "divider"}


def section(mrkdwn: str) -> Block:
    """A paragraph."""
    return {"type": "section", "text": _mrkdwn(mrkdwn)}


def plain_section(text: str) -> Block:
    """A paragraph without any markup."""
    return {"type": "section", "text": _plain(text)}


def fields(*mrkdwn: str) -> Block:
    """Two columns, filled from left to right."""
    return {"type": "section", "fields": [_mrkdwn(text) for text in mrkdwn]}


def context(*mrkdwn: str) -> Block:
    """Small print below the notice."""
    return {"type": "context", "elements": [_mrkdwn(text) for text in mrkdwn]}


def as_called(post: Post, command: str) -> Post:
    """Have the small print name commands as the worker was called.

    It holds no `ses-worker ` that is untrusted: an address there has no space.
    """
    if command == PROGRAM or len(command) > LONGEST_COMMAND or not _UNMARKED.isdisjoint(command):
        return post
    return Post(post.text, [_as_called(block, command) for block in post.blocks])


def _as_called(block: Block, command: str) -> Block:
    if block["type"] != "context":
        return block
    named = (
        {**element, "text": element["text"].replace(f"`{PROGRAM} ", f"`{command} ")}
        for element in block["elements"]
    )
    return {**block, "elements": list(named)}


def texts(blocks: Sequence[Block]) -> list[str]:
    """Return all texts in the blocks, in order."""
    found = []
    for block in blocks:
        holders = [block.get("text"), *block.get("fields", ()), *block.get("elements", ())]
        found += [holder["text"] for holder in holders if holder]
    return found


def total(blocks: Sequence[Block]) -> int:
    """Count the bytes of the blocks' texts, towards `BUDGET`."""
    return sum(map(size, texts(blocks)))


def _mrkdwn(text: str) -> Block:
    # verbatim: Slack turns no bare words into links, channels or mentions.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}
