"""The effects of a message, a removal or a dead letter: entries of the outbox. Pure.

Decided for each recipient on its own: an address that matches `notify.ignore` is neither shown nor
taken off the suppression list, and the others in the same message are.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from worker.core.effects import (
    DeadLetterNotice,
    Effect,
    EffectKind,
    Notice,
    NoticeRecipient,
    OutboxEntry,
    ParkedNotice,
    Removal,
    RemovalNotice,
    Summary,
)
from worker.core.limits import LONGEST_MESSAGE
from worker.core.masking import mask_addresses
from worker.core.model import Address, DeadLetter, Decision, Kind, Received, Recipient
from worker.core.parsing import clip
from worker.core.policy import Policy

_NOTICES = {Kind.BOUNCE: EffectKind.BOUNCE_NOTICE, Kind.COMPLAINT: EffectKind.COMPLAINT_NOTICE}
MOST_DOMAINS = 20
"""Of one notice that a digest tells apart: it folds thousands of notices, all in memory at once."""


def entries_for(
    decisions: Sequence[Decision], policy: Policy, *, whole: bool = True
) -> Iterator[OutboxEntry]:
    """Entries for new decisions on a message: a notice, and a removal for each match.

    The notice holds SES's JSON where it is to be `whole`: 3 KB, which in a burst weigh more than
    all else that is written.
    """
    if not (policy.notify or policy.remove):
        return
    notified = [decision for decision in decisions if not _is_ignored(decision, policy)]
    if notified and policy.notify:
        yield _notice(notified, whole=whole)
    for decision in notified:
        address = decision.feedback.address
        if address and _bounced(decision) and policy.remove.match(address):
            yield _removal(decision, address)


def entries_for_removal(
    removal: Effect, notice: RemovalNotice, policy: Policy
) -> Iterator[OutboxEntry]:
    """The notice about the outcome of a removal; none for an address ignored by now."""
    if policy.ignore.match(Address(key=removal.recipient, mailed=notice.address)):
        return
    yield OutboxEntry(
        kind=EffectKind.REMOVAL_NOTICE,
        payload=notice,
        summary=_summary(notice.outcome.value, notice.domain, notice.address, notice.occurred_at),
        feedback_id=removal.feedback_id,
        ses_message_id=removal.ses_message_id,
        recipient=removal.recipient,
        created_at=notice.occurred_at,
    )


def entries_for_dead_letters(
    set_aside: Sequence[tuple[Received, DeadLetter, str]],
) -> Sequence[OutboxEntry]:
    """A notice for each reason and place of dead letters."""
    alike: dict[tuple[str, str], list[tuple[Received, DeadLetter]]] = {}
    for received, why, where in set_aside:
        alike.setdefault((why.reason.value, where), []).append((received, why))
    return [
        _upkeep(
            EffectKind.DEAD_LETTER_NOTICE,
            DeadLetterNotice(
                reason=reason,
                count=len(messages),
                where=where,
                detail=clip(messages[0][1].detail, 300),
                message_id=messages[0][0].message_id,
                occurred_at=messages[0][0].received_at,
            ),
            reason,
        )
        for (reason, where), messages in alike.items()
    ]


def entries_for_parked(
    effects: Sequence[Effect], error: str, now: datetime
) -> Sequence[OutboxEntry]:
    """A notice for each kind of parked effect."""
    alike: dict[EffectKind, list[Effect]] = {}
    for effect in effects:
        if effect.kind is not EffectKind.PARKED_NOTICE:  # or notices of notices would never end
            alike.setdefault(effect.kind, []).append(effect)
    return [
        _upkeep(
            EffectKind.PARKED_NOTICE,
            ParkedNotice(
                what=kind,
                effect_id=some[0].id,
                count=len(some),
                error=error,
                attempts=some[0].attempts,
                occurred_at=now,
            ),
            kind.value,
        )
        for kind, some in alike.items()
    ]


def _upkeep(kind: EffectKind, notice: DeadLetterNotice | ParkedNotice, sort: str) -> OutboxEntry:
    """A notice about our own work, which is about nobody's address."""
    at = notice.occurred_at
    summary = Summary(sort=sort, domains={"": notice.count}, occurred_at=at)
    return OutboxEntry(kind=kind, payload=notice, summary=summary, created_at=at)


def _is_ignored(decision: Decision, policy: Policy) -> bool:
    address = decision.feedback.address
    return address is not None and policy.ignore.match(address)


def _bounced(decision: Decision) -> bool:
    return decision.feedback.notification.kind is Kind.BOUNCE


def _notice(decisions: Sequence[Decision], *, whole: bool) -> OutboxEntry:
    first = decisions[0]
    notification = first.feedback.notification
    recipients = tuple(map(_notice_recipient, decisions))
    domains: dict[str, int] = {}
    for recipient in recipients:
        domains[recipient.domain] = domains.get(recipient.domain, 0) + 1
    if len(domains) > MOST_DOMAINS:
        domains = _most_frequent(domains)
    return OutboxEntry(
        kind=_NOTICES[notification.kind],
        payload=Notice(
            kind=notification.kind,
            type=notification.type,
            subtype=notification.subtype,
            occurred_at=first.occurred_at,
            feedback_id=notification.feedback_id,
            ses_message_id=notification.ses_message_id,
            recipients=recipients,
            message=clip(notification.text, LONGEST_MESSAGE) if whole else "",
        ),
        summary=Summary(
            sort=sort_of(notification.type, notification.subtype),
            domains=domains,
            sample=_sample(first.feedback.recipient),
            occurred_at=first.occurred_at,
        ),
        feedback_id=notification.feedback_id,
        ses_message_id=notification.ses_message_id,
        created_at=first.received_at,
    )


def _most_frequent(domains: Mapping[str, int]) -> dict[str, int]:
    """Keep the most frequent, and count all others together, with those without a domain."""
    ordered = sorted(domains, key=lambda name: (not name, -domains[name]))
    kept = {name: domains[name] for name in ordered[: MOST_DOMAINS - 1]}
    return kept | {"": sum(domains[name] for name in ordered[MOST_DOMAINS - 1 :])}


def _notice_recipient(decision: Decision) -> NoticeRecipient:
    recipient, user = decision.feedback.recipient, decision.user
    return NoticeRecipient(
        reported=recipient.reported,
        domain=recipient.address.domain if recipient.address else "",
        dsn_action=recipient.action,
        status=recipient.status,
        diagnostic=recipient.diagnostic,
        match=decision.match,
        action=decision.action,
        reason=decision.reason,
        paused_until=user.paused_until if user else None,
        blocked=user.auto_block_spam if user else False,
    )


def _removal(decision: Decision, address: Address) -> OutboxEntry:
    notification = decision.feedback.notification
    return OutboxEntry(
        kind=EffectKind.REMOVAL,
        payload=Removal(
            reported=decision.feedback.recipient.reported,
            mailed=address.mailed,
            key=address.key,
            type=notification.type,
            subtype=notification.subtype,
            occurred_at=decision.occurred_at,
        ),
        summary=_summary(
            sort_of(notification.type, notification.subtype),
            address.domain,
            address.key,
            decision.occurred_at,
        ),
        feedback_id=notification.feedback_id,
        ses_message_id=notification.ses_message_id,
        recipient=address.key,
        created_at=decision.received_at,
    )


@lru_cache(maxsize=256)  # nearly all are one of a dozen
def sort_of(kind: str | None, subtype: str | None) -> str:
    """`Permanent/General`; one of the two where the other is missing; `-` for neither."""
    return "/".join(name[:60] for name in (kind, subtype) if name) or "-"


def _summary(sort: str, domain: str, address: str, occurred_at: datetime) -> Summary:
    return Summary(sort=sort, domains={domain: 1}, sample=_masked(address), occurred_at=occurred_at)


def _sample(recipient: Recipient) -> str:
    if recipient.address:  # nearly always, and cheaper than to look for it in what was reported
        return f"***@{recipient.address.domain}"
    return _masked(recipient.reported)


def _masked(address: str) -> str:
    return mask_addresses(address[:400])[:200]
