"""Many effects in a single message: groups with counts, dates and a masked sample. Pure.

The counts are recipients (for dead letters: messages; for parked effects: effects), and they add
up: groups that have no room are counted together.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from worker.core.effects import Effect
from worker.core.faults import OWNERS
from worker.core.payloads import EffectKind
from worker.notifiers.slack import blocks
from worker.notifiers.slack.blocks import BUDGET, LONGEST_SECTION, Block, Post
from worker.notifiers.slack.text import code, plain, size
from worker.notifiers.slack.words import DEAD_LETTERS, DELIVERED, moment

_NOUNS = {
    EffectKind.BOUNCE_NOTICE: ("bounce", "bounces"),
    EffectKind.COMPLAINT_NOTICE: ("complaint", "complaints"),
    EffectKind.REMOVAL_NOTICE: ("removal outcome", "removal outcomes"),
    EffectKind.DEAD_LETTER_NOTICE: ("dead letter", "dead letters"),
    EffectKind.PARKED_NOTICE: ("parked effect", "parked effects"),
    EffectKind.OWN_FAULTS_NOTICE: ("own fault", "own faults"),
    EffectKind.REMOVAL: ("pending removal", "pending removals"),
    EffectKind.ACCOUNT_NOTICE: ("account notice", "account notices"),
}
_LONGEST_NAME = 80
_LONGEST_SAMPLE = 100
_ROOM_FOR_THE_REST = 1_000
"""Characters of the budget for header, context and titles."""
_ROOM_FOR_THE_TAIL = 60
_LONGEST_SIMPLE = 2_500


class Group(Struct):
    """Effects of the same kind and label, for the same mail provider."""

    kind: EffectKind
    label: str
    domain: str
    first: datetime
    last: datetime
    count: int = 0
    sample: str = ""

    def add(self, count: int, effect: Effect) -> None:
        """Count an effect's recipients."""
        self.first = min(self.first, effect.summary.occurred_at)
        self.last = max(self.last, effect.summary.occurred_at)
        self.sample = self.sample or effect.summary.sample
        self.count += count


def digest(effects: Sequence[Effect], *, budget: int = BUDGET) -> Post:
    """Fold effects into a message within Slack's limits."""
    counted, faults = _by_kind(effects), _by_fault(effects)
    longest = (LONGEST_SECTION - 100) * budget // BUDGET
    limit = min(longest, (budget - _ROOM_FOR_THE_REST) // len(counted))
    sections = [
        _section(kind, groups, faults.get(kind, {}), limit) for kind, groups in counted.items()
    ]
    title = f"SES feedback: {_totals(counted)}"
    drawn = [blocks.header(title), blocks.divider(), *sections, blocks.context(*_notes(effects))]
    return Post(f"DIGEST: {_totals(counted)}", drawn)


def simplified_digest(effects: Sequence[Effect]) -> Post:
    """The totals as plain text."""
    counted = _by_kind(effects)
    lines = [f"SES feedback: {_totals(counted)}"]
    lines += [f"{_noun(kind, 2)} {_period(groups)}" for kind, groups in counted.items()]
    lines += [note.replace("`", "") for note in _notes(effects)]
    paragraph = plain("\n".join(lines), _LONGEST_SIMPLE)
    return Post(f"DIGEST: {_totals(counted)}", [blocks.plain_section(paragraph)])


def _by_kind(effects: Iterable[Effect]) -> dict[EffectKind, list[Group]]:
    """Group the effects; kinds in the order of `_NOUNS`, the biggest groups first."""
    groups: dict[tuple[EffectKind, str, str], Group] = {}
    for effect in effects:
        summary, at = effect.summary, effect.summary.occurred_at
        for domain, count in (summary.domains or {"": 1}).items():
            key = (effect.kind, summary.label, domain)
            groups.setdefault(key, Group(*key, first=at, last=at)).add(count, effect)
    ordered = sorted(groups.values(), key=lambda group: (-group.count, group.label, group.domain))
    found: dict[EffectKind, list[Group]] = {kind: [] for kind in _NOUNS}
    for group in ordered:
        found[group.kind].append(group)
    return {kind: groups for kind, groups in found.items() if groups}


def _by_fault(effects: Iterable[Effect]) -> dict[EffectKind, Counter[str]]:
    """Count recipients by whose fault a bounce was. Bounces of an older worker do not have it."""
    found: dict[EffectKind, Counter[str]] = {}
    for effect in effects:
        if effect.summary.faults:
            found.setdefault(effect.kind, Counter()).update(effect.summary.faults)
    return found


def _section(
    kind: EffectKind, groups: Sequence[Group], faults: Mapping[str, int], limit: int
) -> Block:
    count = _count(groups)
    lines = [f"*{count:,} {_noun(kind, count)}*"]
    if whose := [
        f"{owner} {faults[fault]:,}" for fault, owner in OWNERS.items() if fault in faults
    ]:
        lines[0] += f"\nWhose fault: {', '.join(whose)}"
    room = limit - size(lines[0]) - _ROOM_FOR_THE_TAIL
    for shown, group in enumerate(groups):
        line = _line(group)
        room -= size(line) + 1
        if room < 0:
            rest = groups[shown:]
            lines.append(f"and {_count(rest):,} more in {_so_many(len(rest), 'group')}")
            break
        lines.append(line)
    return blocks.section("\n".join(lines))


def _line(group: Group) -> str:
    named = code(group.label or "none", _LONGEST_NAME, masked=True)
    if group.domain:
        named += f" at {code(group.domain, _LONGEST_NAME, masked=True)}"
    line = f"• *{group.count:,}* {named}, {_period([group])}"
    if group.sample:
        line += f", such as {code(group.sample, _LONGEST_SAMPLE, masked=True)}"
    return line


def _period(groups: Sequence[Group]) -> str:
    """First and last time, to the second, in UTC."""
    first = moment(min(group.first for group in groups))[:-5]
    last = moment(max(group.last for group in groups))[:-5]
    return f"{first}Z" if first == last else f"{first}Z to {last}Z"


def _notes(effects: Sequence[Effect]) -> list[str]:
    ids = [effect.id for effect in effects]
    numbers = f"outbox #{min(ids)}"
    if len(ids) > 1:
        numbers += f" to #{max(ids)}, {_so_many(len(ids), 'effect')}"
    of_dead_letters = any(effect.kind is EffectKind.DEAD_LETTER_NOTICE for effect in effects)
    return [numbers, DELIVERED, *([DEAD_LETTERS] if of_dead_letters else [])]


def _totals(counted: dict[EffectKind, list[Group]]) -> str:
    counts = {kind: _count(groups) for kind, groups in counted.items()}
    return ", ".join(f"{count:,} {_noun(kind, count)}" for kind, count in counts.items())


def _count(groups: Iterable[Group]) -> int:
    return sum(group.count for group in groups)


def _noun(kind: EffectKind, count: int) -> str:
    singular, many = _NOUNS[kind]
    return singular if count == 1 else many


def _so_many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
