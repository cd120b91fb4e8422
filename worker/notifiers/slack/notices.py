"""The notice of a single effect. Pure.

Labels keep their colons and spaces: people's searches depend on them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from worker.core.address import parse_address
from worker.core.disguise import hide
from worker.core.effects import Effect
from worker.core.faults import IN_WORDS
from worker.core.limits import MOST_ADDRESSES_SHOWN
from worker.core.model import Action, Kind
from worker.core.payloads import (
    AccountNotice,
    DeadLetterNotice,
    Notice,
    NoticeRecipient,
    OwnFaultsNotice,
    ParkedNotice,
    RemovalNotice,
)
from worker.notifiers.slack.account import of_the_account
from worker.notifiers.slack.blocks import BUDGET, LONGEST_SECTION, Post
from worker.notifiers.slack.consequences import (
    of_a_removal,
    of_dead_letters,
    of_own_faults,
    of_parked,
)
from worker.notifiers.slack.document import (
    Document,
    Lines,
    Pairs,
    Part,
    Remark,
    Whole,
    draw,
    simplify,
)
from worker.notifiers.slack.pretty import pretty
from worker.notifiers.slack.sparing import spareable, sparing
from worker.notifiers.slack.text import bounded, code, escape, width
from worker.notifiers.slack.words import DELIVERED, LONGEST_POINTER, moment, why, with_messages

_BARRED = {
    Action.AUTO_BLOCK_SPAM: "the address is no user, and do_not_mail blocks it all the same",
    Action.HARD_BOUNCE: "the address is no user, and do_not_mail pauses it all the same",
}
DETAILED = 4
"""Recipients shown in detail; there is no room for more with the longest texts."""
_LONGEST_ONLY_FENCE = LONGEST_SECTION - 100
_LONGEST_OF_SEVERAL = 700
_LONGEST_LISTING = 1_400
_LONGEST_LISTED = 100


def notice(
    effect: Effect, *, masked: bool = False, explain: bool = False, budget: int = BUDGET
) -> Post:
    """Make the notice of an effect; `explain` what `policy.spare_faults` would have changed.

    Raises:
        ValueError: its payload cannot be read, or needs no notice.

    """
    document = _document(effect, masked=masked, explain=explain)
    return draw(document, masked=masked, budget=budget)


def simplified(effect: Effect, *, masked: bool = False, explain: bool = False) -> Post:
    """Make the simplified notice, without the JSON. Raises as `notice` does."""
    return simplify(_document(effect, masked=masked, explain=explain), masked=masked)


def is_explainable(effect: Effect) -> bool:
    """Return whether `explain` adds something to the notice. Raises as `notice` does."""
    payload = effect.read()
    return isinstance(payload, Notice) and spareable(payload) is not None


def _document(effect: Effect, *, masked: bool, explain: bool) -> Document:
    number = f"outbox #{effect.id}"
    match effect.read():
        case Notice() as notice:
            return _of_feedback(notice, number, masked=masked, explain=explain)
        case RemovalNotice() as notice:
            return of_a_removal(notice, number, masked=masked)
        case DeadLetterNotice() as notice:
            return of_dead_letters(notice, number)
        case ParkedNotice() as notice:
            return of_parked(notice, number)
        case OwnFaultsNotice() as notice:
            return of_own_faults(notice, number)
        case AccountNotice() as notice:
            return of_the_account(notice, number, masked=masked)
        case other:
            raise ValueError(f"a {type(other).__name__} has no notice")


def _of_feedback(notice: Notice, number: str, *, masked: bool, explain: bool) -> Document:
    title = "Bounce" if notice.kind is Kind.BOUNCE else "Complaint"
    pointers = _pointers(notice, masked=masked)
    addresses = [_address(recipient, masked=masked) for recipient in notice.recipients]
    people = _people(notice) if masked else ()
    parts: list[Part] = [Pairs([("Timestamp (UTC): ", moment(notice.occurred_at)), _type(notice)])]
    if explain and (spared := spareable(notice)):
        parts.append(Remark("Setting: ", sparing(spared)))
    for recipient, address in zip(notice.recipients[:DETAILED], addresses, strict=False):
        parts += _of_recipient(recipient, address, people, only=len(addresses) == 1)
    if len(addresses) > DETAILED:
        parts.append(_of_the_others(notice.recipients[DETAILED:], addresses[DETAILED:]))
    label = "Bounced message json: " if notice.kind is Kind.BOUNCE else "Complained message json: "
    if notice.message:
        parts.append(
            Whole(
                label,
                pretty(notice.message, masked=masked, people=people),
                with_messages(pointers[0]),
            )
        )
    else:
        parts.append(Remark(label, "not kept: it came with many others at once"))
    return Document(
        title=f"{title} notification",
        word=title.upper(),
        subjects=addresses or ["(no recipients)"],
        parts=parts,
        context=[number, *pointers],
    )


def _type(notice: Notice) -> tuple[str, str]:
    return "Type: ", "/".join(filter(None, (notice.type or "none", notice.subtype)))


def _people(notice: Notice) -> Sequence[str]:
    """The addresses that no text of a masked notice may show, however they are spelled there."""
    named = notice.recipients[:MOST_ADDRESSES_SHOWN]
    addresses = (parse_address(recipient.reported) for recipient in named)
    return [address.key for address in addresses if address]


def _of_recipient(
    recipient: NoticeRecipient, address: str, people: Sequence[str], *, only: bool
) -> Iterator[Part]:
    pairs = [
        ("Mail: ", address),
        ("Decision: ", f"{recipient.action}, by rule {bounded(recipient.reason, 100)}"),
        ("User: ", recipient.match.value),
    ]
    if recipient.paused_until:
        pairs.append(("Paused until (UTC): ", moment(recipient.paused_until)))
    if recipient.blocked:
        pairs.append(("Blocked: ", "yes"))
    if recipient.barred:
        pairs.append(("Do not mail: ", _BARRED[recipient.barred]))
    yield Pairs(pairs)
    if fault := IN_WORDS.get(recipient.fault):
        yield Remark("Whose fault: ", fault)
    reported = {
        "action": recipient.dsn_action,
        "status": recipient.status,
        "diagnostic_code": recipient.diagnostic,
    }
    lines = [f"{name}: {text}" for name, text in reported.items() if text]
    if lines:
        limit = _LONGEST_ONLY_FENCE if only else _LONGEST_OF_SEVERAL
        yield Lines("Bounced information: ", hide("\n".join(lines), people), limit)


def _of_the_others(others: Sequence[NoticeRecipient], addresses: Sequence[str]) -> Lines:
    """Count recipients by action, and list as many as there is room for."""
    counts = Counter(recipient.action.value for recipient in others)
    lines = [", ".join(f"{count:,} {action}" for action, count in sorted(counts.items()))]
    room = _LONGEST_LISTING - 200
    for recipient, address in zip(others, addresses, strict=True):
        line = f"{bounded(address, _LONGEST_LISTED)} {recipient.action}"
        room -= width(escape(line)) + 1
        if room < 0:
            lines.append(f"+{len(others) + 1 - len(lines):,} more")
            break
        lines.append(line)
    return Lines(f"And {len(others):,} more: ", "\n".join(lines), _LONGEST_LISTING)


def _address(recipient: NoticeRecipient, *, masked: bool) -> str:
    if masked and recipient.domain:
        return f"***@{recipient.domain}"
    return " ".join(recipient.reported.split()) or "(no address)"


def _pointers(notice: Notice, *, masked: bool) -> list[str]:
    """Name where more is to be read. A masked notice must not show the address that `why` takes."""
    if not masked and notice.recipients and (command := why(notice.recipients[0].reported)):
        return [command]
    return [DELIVERED, f"SES message {code(notice.ses_message_id, LONGEST_POINTER, masked=masked)}"]
