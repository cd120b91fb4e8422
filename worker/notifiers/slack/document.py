"""A notice's content as a document, and the two ways to draw it as Slack blocks.

The full form has columns, code blocks and the JSON. The simplified form is for a notice whose full
form Slack has rejected: a plain paragraph, in which nothing can be invalid.
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from worker.notifiers.slack import blocks
from worker.notifiers.slack.blocks import BUDGET, LONGEST_SECTION, Block, Post, total
from worker.notifiers.slack.text import (
    bounded,
    clean,
    code,
    escape,
    fence,
    fenced,
    fit,
    plain,
    size,
    split,
    width,
)

LONGEST_VALUE = 300
"""Characters of a value in the second column; an address has at most 254 (RFC 5321)."""
LONGEST_SUBJECTS = 300
_LONGEST_JSON_SECTION = LONGEST_SECTION - 100
_MOST_JSON_SECTIONS = 5
_LEAST_ROOM = 200
_SHRINKS = (1, 2, 4, 8)
"""The texts are cut to these parts of their limits, until all of them fit into the budget: a limit
counts characters, and the budget bytes."""
_LONGEST_SIMPLE = 2_500
"""Characters, and bytes, of the simplified form."""
_LONGEST_SIMPLE_LINE = 600


class Pairs(Struct, frozen=True):
    """At most five labels, with their values beside them."""

    pairs: Sequence[tuple[str, str]]


class Remark(Struct, frozen=True):
    """A label, with trusted mrkdwn beside it."""

    label: str
    mrkdwn: str


class Lines(Struct, frozen=True):
    """A label, with a text in a code block below it."""

    label: str
    text: str
    limit: int


class Whole(Struct, frozen=True):
    """A label, with a long text in code blocks below it, as far as there is room."""

    label: str
    text: str
    pointer: str
    """Mrkdwn that says where to read the rest."""


Part = Pairs | Remark | Lines | Whole


class Document(Struct, frozen=True, kw_only=True):
    """A notice. All texts are untrusted, except labels, titles and mrkdwn."""

    title: str
    word: str
    """The first word of the fallback text: `BOUNCE`."""
    subjects: Sequence[str]
    """The addresses or reasons that the notice is about."""
    parts: Sequence[Part]
    context: Sequence[str]
    """Mrkdwn of the small print."""


def draw(document: Document, *, masked: bool, budget: int = BUDGET) -> Post:
    """Draw the full form, within every limit of Slack's."""
    notes = list(document.context)
    before: list[Block] = []
    for shrink in _SHRINKS:
        before = [blocks.header(document.title), blocks.divider()]
        for part in document.parts:
            if not isinstance(part, Whole):
                before.append(_drawn(part, shrink, masked=masked))
        if total([*before, blocks.context(*notes)]) <= budget - _LEAST_ROOM:
            break
    for part in document.parts:
        if not isinstance(part, Whole):
            continue
        spent = total([*before, blocks.context(*notes, f"json cut: {part.pointer}")])
        drawn, cut = _in_sections(part, budget - spent)
        before += drawn
        if cut:
            notes.append(f"json cut: {part.pointer}")
    return Post(fallback(document, masked=masked), [*before, blocks.context(*notes)])


def simplify(document: Document, *, masked: bool) -> Post:
    """Draw the simplified form: a plain paragraph without the JSON."""
    lines = [document.title, *map(_bare, document.context)]  # the outbox id must not be cut off
    for part in document.parts:
        lines += [bounded(line, _LONGEST_SIMPLE_LINE) for line in _simple(part)]
    paragraph = "\n".join(plain(line, _LONGEST_SIMPLE_LINE, masked=masked) for line in lines)
    drawn = blocks.plain_section(fit(paragraph, _LONGEST_SIMPLE, _LONGEST_SIMPLE))
    return Post(fallback(document, masked=masked), [drawn])


def fallback(document: Document, *, masked: bool) -> str:
    """Make the fallback text: as many subjects as fit, and the number of the others."""
    shown: list[str] = []
    room = LONGEST_SUBJECTS
    for subject in document.subjects:
        line = plain(subject.replace("\n", " "), LONGEST_SUBJECTS, masked=masked)
        room -= width(line) + 2
        if shown and room < 0:
            break
        shown.append(line)
    more = len(document.subjects) - len(shown)
    return f"{document.word}: {', '.join(shown)}" + (f" +{more:,} more" if more else "")


def _drawn(part: Pairs | Remark | Lines, shrink: int, *, masked: bool) -> Block:
    match part:
        case Pairs(pairs):
            return blocks.fields(*_columns(pairs, shrink, masked=masked))
        case Remark(label, mrkdwn):
            return blocks.fields(f"*{label}*", mrkdwn)
        case Lines(label, text, limit):
            return blocks.section(f"*{label}*\n{fence(text, limit // shrink, masked=masked)}")


def _columns(pairs: Iterable[tuple[str, str]], shrink: int, *, masked: bool) -> Iterator[str]:
    for label, value in pairs:
        yield f"*{label}*"
        yield code(value, LONGEST_VALUE // shrink, masked=masked)


def _in_sections(part: Whole, room: int) -> tuple[list[Block], bool]:
    """Split a text into sections, with `room` for their bytes; return whether it was cut."""
    rest = escape(clean(part.text).strip("\n"))
    label = f"*{part.label}*\n"
    pieces: list[str] = []
    while rest and len(pieces) < _MOST_JSON_SECTIONS:
        extra = size(f"{label}``````…")
        if room - extra < _LEAST_ROOM:
            break
        piece, rest = _at_a_line(rest, _LONGEST_JSON_SECTION - extra, room - extra)
        pieces.append(piece)
        room -= extra + size(piece)
        label = ""
    if rest and pieces:
        pieces[-1] += "…"
    fences = [fenced(piece) for piece in pieces]
    fences[:1] = [f"*{part.label}*\n{first}" for first in fences[:1]]
    return [blocks.section(text) for text in fences], bool(rest) or part.text.endswith("…")


def _at_a_line(escaped: str, limit: int, room: int) -> tuple[str, str]:
    head, rest = split(escaped, limit, room)
    line = head.rfind("\n")
    if rest and line > len(head) // 2:
        return escaped[:line], escaped[line + 1 :]
    return head, rest


def _simple(part: Part) -> Iterator[str]:
    match part:
        case Pairs(pairs):
            yield from (f"{label.strip()} {value}" for label, value in pairs)
        case Remark(label, mrkdwn):
            yield f"{label} {_bare(mrkdwn)}"
        case Lines(label, text):
            yield f"{label.strip()} {text}"
        case Whole():
            return


def _bare(mrkdwn: str) -> str:
    """Turn trusted mrkdwn into plain text."""
    bare = mrkdwn.replace("*", "").replace("`", "")
    return bare.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
