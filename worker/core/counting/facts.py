"""Facts: what a commit has counted, as the table `new_counts` keeps it until it is added up."""

from collections.abc import Iterator, Mapping
from itertools import islice

import msgspec

Fact = tuple[str, str, str, str, str, str, str, str, str, str]
"""What happened, and to which mail:

- the hour in UTC, as `2026-11-30T09`;
- `bounce`, `complaint`, or a measure that is counted alone, such as `send`;
- type and sub-type, as in `events`; of a delay its type;
- the recipient's domain, configuration set and tenant;
- the fault and the enhanced status code of a bounce;
- what became of the recipient's record: `u` no user, `r` had bounced (or complained) before,
  `p` paused, `b` blocked.

A commit writes facts and not figures, because each of them becomes up to thirty figures.
"""
Facts = Mapping[Fact, int]
"""How often each fact was counted."""

FACTS_IN_A_ROW = 200
"""Facts in a row of `new_counts`. A usual commit has fewer. Hostile messages can have 200,000 in a
commit: as a single row it would be read and written again and again until it is added up."""
HOUR = len("2026-11-30T09")
"""Characters of an hour."""
UNKNOWN, REPEATED, PAUSED, BLOCKED = "u", "r", "p", "b"

_decode = msgspec.json.Decoder(list[tuple[str, str, str, str, str, str, str, str, str, str, int]])


def encode_facts(facts: Facts) -> str:
    """Write facts as JSON: a list of facts, each with its count as the last entry."""
    return msgspec.json.encode([(*fact, count) for fact, count in facts.items()]).decode()


def encode_rows(facts: Facts) -> Iterator[str]:
    """Write facts as the rows of a commit: nearly always one."""
    if len(facts) <= FACTS_IN_A_ROW:
        if facts:
            yield encode_facts(facts)
        return
    remaining = iter(facts.items())
    while some := dict(islice(remaining, FACTS_IN_A_ROW)):
        yield encode_facts(some)


def read_facts(written: str, into: dict[Fact, int]) -> None:
    """Add the facts of a JSON text to others.

    Raises:
        ValueError: the text is no list of facts.

    """
    for *fact, count in _decode.decode(written):
        key: Fact = tuple(fact)  # type: ignore[assignment]
        into[key] = into.get(key, 0) + count
