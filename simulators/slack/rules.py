"""What Slack refuses, as far as it is known; written independently of what the worker sends.

Sources: https://docs.slack.dev/reference/block-kit/blocks; for the size of a whole message
https://github.com/slackapi/bolt-js/issues/2509, https://github.com/slackapi/bolt-js/issues/2867
(11,341 characters were refused) and https://github.com/openclaw/openclaw/pull/143882 (measured: the
limit counts bytes in UTF-8).
"""

from collections.abc import Mapping
from typing import Any

LARGEST_MESSAGE = 10_571
"""Bytes of all texts of the blocks: so many were accepted, and 10,821 were refused."""
LONGEST_TEXT = 40_000
_KEYS = {
    "header": {"type", "text", "block_id"},
    "divider": {"type", "block_id"},
    "section": {"type", "text", "fields", "block_id"},
    "context": {"type", "elements", "block_id"},
}


def refusal(payload: Any) -> str | None:  # noqa: PLR0911 a return for each reason
    """Return Slack's error code for a message; None: it is posted."""
    if not isinstance(payload, Mapping) or not _is_unicode(payload):
        return "invalid_payload"
    text, blocks = payload.get("text", ""), payload.get("blocks", [])
    if not isinstance(text, str) or not isinstance(blocks, list):
        return "invalid_payload"
    if not text and not blocks:
        return "no_text"
    if len(text) > LONGEST_TEXT:
        return "msg_too_long"
    if len(blocks) > 50 or not all(_is_block(block) for block in blocks):
        return "invalid_blocks"
    if sum(len(text.encode()) for text in _strings(blocks)) > LARGEST_MESSAGE:
        return "msg_blocks_too_long"
    return None


def _is_block(block: Any) -> bool:
    if not isinstance(block, dict) or not block.keys() <= _KEYS.get(block.get("type", ""), set()):
        return False
    match block["type"]:
        case "header":
            return _is_text(block.get("text"), 150, kinds={"plain_text"})
        case "section":
            return _is_section(block)
        case "context":
            return _are_texts(block.get("elements"), 3_000)
        case _:
            return True


def _is_section(block: dict[str, Any]) -> bool:
    return (
        ("text" in block or "fields" in block)
        and ("text" not in block or _is_text(block["text"], 3_000))
        and ("fields" not in block or _are_texts(block["fields"], 2_000))
    )


def _are_texts(found: Any, longest: int) -> bool:
    if not isinstance(found, list) or not 1 <= len(found) <= 10:
        return False
    return all(_is_text(text, longest) for text in found)


def _is_text(
    found: Any, longest: int, kinds: frozenset[str] | set[str] = frozenset({"plain_text", "mrkdwn"})
) -> bool:
    if not isinstance(found, dict) or found.get("type") not in kinds:
        return False
    option = "verbatim" if found["type"] == "mrkdwn" else "emoji"
    text = found.get("text")
    return (
        found.keys() <= {"type", "text", option}
        and isinstance(text, str)
        and 1 <= _units(text) <= longest
        and bool(text.strip())
    )


def _units(text: str) -> int:
    """Count UTF-16 units, as JavaScript does."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _is_unicode(payload: Any) -> bool:
    """Return whether it has no lone surrogates, which JSON can smuggle past UTF-8."""
    return not any("\ud800" <= c <= "\udfff" for text in _strings(payload) for c in text)


def _strings(value: Any) -> list[str]:
    """All texts in a payload, without the types of blocks."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [s for key, item in value.items() if key != "type" for s in _strings(item)]
    if isinstance(value, list):
        return [s for item in value for s in _strings(item)]
    return []
