"""One effect, told in full: what seed 2 told, and what it lacked. Pure.

Labels, with their colons and spaces, are the seed's; people and their searches know them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from worker.effects import (
    DeadLetterNotice,
    Effect,
    Notice,
    ParkedNotice,
    RemovalNotice,
    Told,
)
from worker.model import Kind
from worker.slack.blocks import LONGEST_SECTION, Post
from worker.slack.consequences import of_a_removal, of_dead_letters, of_parked
from worker.slack.pretty import pretty
from worker.slack.sketch import Lines, Pairs, Part, Remark, Sketch, Whole, draw, simplify
from worker.slack.text import bounded, code, escape, width
from worker.slack.words import DELIVERED, LONGEST_POINTER, moment, why, with_messages

DETAILED = 4
"""Recipients that are told of in detail; with the longest of texts there is room for no more."""
_LONGEST_ONLY_FENCE = LONGEST_SECTION - 100
_LONGEST_OF_SEVERAL = 700
_LONGEST_LISTING = 1_400
_LONGEST_LISTED = 100


def notice(effect: Effect, *, masked: bool = False) -> Post:
    """Tell an effect.

    Raises:
        ValueError: its payload cannot be read, or is nothing that people are told.

    """
    return draw(_sketch(effect, masked=masked), masked=masked)


def simplified(effect: Effect, *, masked: bool = False) -> Post:
    """Tell it plainly, without the JSON; it raises what `notice` does."""
    return simplify(_sketch(effect, masked=masked), masked=masked)


def _sketch(effect: Effect, *, masked: bool) -> Sketch:
    number = f"outbox #{effect.id}"
    match effect.read():
        case Notice() as said:
            return _of_feedback(said, number, masked=masked)
        case RemovalNotice() as said:
            return of_a_removal(said, number, masked=masked)
        case DeadLetterNotice() as said:
            return of_dead_letters(said, number)
        case ParkedNotice() as said:
            return of_parked(said, number)
        case other:
            raise ValueError(f"a {type(other).__name__} is nothing to tell")


def _of_feedback(said: Notice, number: str, *, masked: bool) -> Sketch:
    title = "Bounce" if said.kind is Kind.BOUNCE else "Complaint"
    pointers = _pointers(said, masked=masked)
    addresses = [_address(told, masked=masked) for told in said.recipients]
    parts: list[Part] = [Pairs([("Timestamp (UTC): ", moment(said.occurred_at)), _type(said)])]
    for told, address in zip(said.recipients[:DETAILED], addresses, strict=False):
        parts += _of_one(told, address, only=len(addresses) == 1)
    if len(addresses) > DETAILED:
        parts.append(_of_the_others(said.recipients[DETAILED:], addresses[DETAILED:]))
    label = "Bounced message json: " if said.kind is Kind.BOUNCE else "Complained message json: "
    if said.message:
        parts.append(Whole(label, pretty(said.message, masked=masked), with_messages(pointers[0])))
    else:
        parts.append(Remark(label, "not kept: it came with many others at once"))
    return Sketch(
        title=f"{title} notification",
        word=title.upper(),
        subjects=addresses or ["(no recipients)"],
        parts=parts,
        context=[number, *pointers],
    )


def _type(said: Notice) -> tuple[str, str]:
    return "Type: ", "/".join(filter(None, (said.type or "none", said.subtype)))


def _of_one(told: Told, address: str, *, only: bool) -> Iterator[Part]:
    pairs = [
        ("Mail: ", address),
        ("Decision: ", f"{told.action}, by rule {bounded(told.reason, 100)}"),
        ("User: ", told.match.value),
    ]
    if told.paused_until:
        pairs.append(("Paused until (UTC): ", moment(told.paused_until)))
    if told.blocked:
        pairs.append(("Blocked: ", "yes"))
    yield Pairs(pairs)
    reported = {
        "action": told.dsn_action,
        "status": told.status,
        "diagnostic_code": told.diagnostic,
    }
    lines = [f"{name}: {text}" for name, text in reported.items() if text]
    if lines:
        limit = _LONGEST_ONLY_FENCE if only else _LONGEST_OF_SEVERAL
        yield Lines("Bounced information: ", "\n".join(lines), limit)


def _of_the_others(others: Sequence[Told], addresses: Sequence[str]) -> Lines:
    """Count them by what was decided, and name as many as there is room for."""
    counts = Counter(told.action.value for told in others)
    lines = [", ".join(f"{count:,} {action}" for action, count in sorted(counts.items()))]
    room = _LONGEST_LISTING - 200
    for told, address in zip(others, addresses, strict=True):
        line = f"{bounded(address, _LONGEST_LISTED)} {told.action}"
        room -= width(escape(line)) + 1
        if room < 0:
            lines.append(f"+{len(others) + 1 - len(lines):,} more")
            break
        lines.append(line)
    return Lines(f"And {len(others):,} more: ", "\n".join(lines), _LONGEST_LISTING)


def _address(told: Told, *, masked: bool) -> str:
    if masked and told.domain:
        return f"***@{told.domain}"
    return " ".join(told.reported.split()) or "(no address)"


def _pointers(said: Notice, *, masked: bool) -> list[str]:
    """Where to read on; a masked notice must not name the address that `why` wants."""
    if not masked and said.recipients and (command := why(said.recipients[0].reported)):
        return [command]
    return [DELIVERED, f"SES message {code(said.ses_message_id, LONGEST_POINTER, masked=masked)}"]
