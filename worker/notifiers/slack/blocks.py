"""Slack's blocks, as few of them as we need, and the limits that they have.

Source: https://docs.slack.dev/reference/block-kit/blocks
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from worker.notifiers.slack.text import fit, width

MOST_BLOCKS = 50
LONGEST_HEADER = 150
LONGEST_SECTION = 3_000
MOST_FIELDS = 10
LONGEST_FIELD = 2_000
MOST_ELEMENTS = 10
LONGEST_TEXT = 4_000
"""Of the fallback text; Slack cuts it far above."""
BUDGET = 12_000
"""Of all texts in all blocks. Slack refuses a message at about 13,200 (`msg_blocks_too_long`)."""

Block = dict[str, Any]


class Post(Struct, frozen=True):
    """A message for Slack: the blocks that are shown, the text for notifications."""

    text: str
    blocks: Sequence[Block]


def header(text: str) -> Block:
    """A title of our own words, cut if it has to be."""
    return {"type": "header", "text": _plain(fit(text, LONGEST_HEADER))}


def divider() -> Block:
    """A line."""
    return {"type": "divider"}


def section(mrkdwn: str) -> Block:
    """A paragraph."""
    return {"type": "section", "text": _mrkdwn(mrkdwn)}


def plain_section(text: str) -> Block:
    """A paragraph in which nothing is markup, not even ours."""
    return {"type": "section", "text": _plain(text)}


def fields(*mrkdwn: str) -> Block:
    """Two columns, filled from left to right."""
    return {"type": "section", "fields": [_mrkdwn(text) for text in mrkdwn]}


def context(*mrkdwn: str) -> Block:
    """Small print."""
    return {"type": "context", "elements": [_mrkdwn(text) for text in mrkdwn]}


def texts(blocks: Sequence[Block]) -> list[str]:
    """All texts in the blocks, in order."""
    found = []
    for block in blocks:
        holders = [block.get("text"), *block.get("fields", ()), *block.get("elements", ())]
        found += [holder["text"] for holder in holders if holder]
    return found


def total(blocks: Sequence[Block]) -> int:
    """How much of the budget the blocks take."""
    return sum(map(width, texts(blocks)))


def _mrkdwn(text: str) -> Block:
    # verbatim: Slack makes no links, channels or mentions of bare words.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}
