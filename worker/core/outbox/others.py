"""Entries for what is not feedback: account events, dead letters, parked effects, removals."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from worker.core.account_events import NewAccountEvent
from worker.core.claims import says_sending_stopped
from worker.core.effects import ASKED_REMOVALS, Effect, Lane, OutboxEntry, Summary
from worker.core.faults import Fault
from worker.core.messages import DeadLetter, Received
from worker.core.model import (
    REINSTATEMENT,
    Address,
)
from worker.core.outbox.entries import for_each, label_of_type, summary_of
from worker.core.parsing import clip
from worker.core.payloads import (
    AccountNotice,
    DeadLetterNotice,
    EffectKind,
    OwnFaultsNotice,
    ParkedNotice,
    Removal,
    RemovalNotice,
)
from worker.core.policy import Policy

_LONGEST_DETAIL = 400


def entries_for_account_event(new: NewAccountEvent, policy: Policy) -> Iterator[OutboxEntry]:
    """Notices that SES stopped or resumed sending, or has a finding: for every channel."""
    if not policy.notify:
        return
    event = new.event
    notice = AccountNotice(
        kind=event.kind,
        status=event.status,
        scope=event.scope,
        resource=event.resource,
        tenant=event.tenant,
        cause=event.cause,
        finding=event.finding,
        impact=event.impact,
        account_id=event.account_id,
        region=event.region,
        occurred_at=new.occurred_at,
        dedupe_key=event.dedupe_key,
    )
    summary = Summary(
        label=label_of_type(event.kind.value, event.status.value),
        domains={"": 1},
        occurred_at=new.occurred_at,
    )
    entry = OutboxEntry(
        kind=EffectKind.ACCOUNT_NOTICE,
        lane=policy.notify[0],
        payload=notice,
        summary=summary,
        created_at=new.received_at,
    )
    yield from for_each(policy.notify, entry)


def entry_for_requested_removal(
    address: Address, removal: Removal, *, name: str, created_at: datetime
) -> OutboxEntry:
    """A removal that a person requested; `name` is that of the reinstatement in the history."""
    return OutboxEntry(
        kind=EffectKind.REMOVAL,
        lane=ASKED_REMOVALS,
        payload=removal,
        summary=summary_of(REINSTATEMENT, address.domain, address.key, removal.occurred_at),
        feedback_id=name,
        ses_message_id=name,
        recipient=address.key,
        created_at=created_at,
    )


def entries_for_removal(
    removal: Effect, notice: RemovalNotice, policy: Policy
) -> Iterator[OutboxEntry]:
    """Notices about the outcome of a removal; none for an address that is ignored by now."""
    ignored = policy.ignore.match(Address(key=removal.recipient, mailed=notice.address))
    if ignored or not policy.notify:
        return
    entry = OutboxEntry(
        kind=EffectKind.REMOVAL_NOTICE,
        lane=policy.notify[0],
        payload=notice,
        summary=summary_of(notice.outcome.value, notice.domain, notice.address, notice.occurred_at),
        feedback_id=removal.feedback_id,
        ses_message_id=removal.ses_message_id,
        recipient=removal.recipient,
        created_at=notice.occurred_at,
    )
    yield from for_each(policy.notify, entry)


def entries_for_dead_letters(
    dead_letters: Sequence[tuple[Received, DeadLetter, str]], channels: Sequence[Lane]
) -> Sequence[OutboxEntry]:
    """Notices for each reason and place of dead letters."""
    alike: dict[tuple[str, str], list[tuple[Received, DeadLetter]]] = {}
    for received, why, where in dead_letters:
        alike.setdefault((why.reason.value, where), []).append((received, why))
    return [
        _internal(
            EffectKind.DEAD_LETTER_NOTICE,
            lane,
            DeadLetterNotice(
                reason=reason,
                count=len(messages),
                where=where,
                detail=clip(first[1].detail, _LONGEST_DETAIL),
                message_id=first[0].message_id,
                occurred_at=messages[0][0].received_at,
            ),
            reason,
        )
        for (reason, where), messages in alike.items()
        for first in [_worst(messages)]
        for lane in channels
    ]


def _worst(messages: Sequence[tuple[Received, DeadLetter]]) -> tuple[Received, DeadLetter]:
    """Return the message that a notice names: the first which claims that SES stopped sending."""
    claims = (each for each in messages if says_sending_stopped(each[1].detail))
    return next(claims, messages[0])


def entries_for_parked(
    effects: Sequence[Effect], error: str, now: datetime, channels: Sequence[Lane]
) -> Sequence[OutboxEntry]:
    """Notices for each kind of parked effect."""
    alike: dict[EffectKind, list[Effect]] = {}
    for effect in effects:
        if effect.kind is not EffectKind.PARKED_NOTICE:  # else each notice could cause another
            alike.setdefault(effect.kind, []).append(effect)
    return [
        _internal(
            EffectKind.PARKED_NOTICE,
            lane,
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
        for lane in channels
    ]


def entries_for_own_faults(
    notice: OwnFaultsNotice, received_at: datetime, channels: Sequence[Lane]
) -> Sequence[OutboxEntry]:
    """Notices about bounces by faults of our own; the last was received at this time."""
    summary = Summary(
        label=" ".join(notice.senders) or Fault.SENDER.value,
        domains={"": notice.count},
        sample=notice.diagnostic,
        occurred_at=notice.occurred_at,
    )
    return [
        OutboxEntry(
            kind=EffectKind.OWN_FAULTS_NOTICE,
            lane=lane,
            payload=notice,
            summary=summary,
            created_at=received_at,
        )
        for lane in channels
    ]


def _internal(
    kind: EffectKind, lane: Lane, notice: DeadLetterNotice | ParkedNotice, label: str
) -> OutboxEntry:
    """A notice about the worker or the sending as a whole, which concerns no single address."""
    at = notice.occurred_at
    summary = Summary(label=label, domains={"": notice.count}, occurred_at=at)
    return OutboxEntry(kind=kind, lane=lane, payload=notice, summary=summary, created_at=at)
