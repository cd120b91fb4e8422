"""Decides which entries a message, a removal or a dead letter adds to the outbox. Pure.

Each recipient is decided separately: an address that matches `notify.ignore` is neither shown nor
taken off the suppression list; the message's other recipients are.

A notice goes to every channel of `Policy.notify`: an entry for each.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from msgspec.structs import replace

from worker.core.claims import says_sending_stopped
from worker.core.effects import (
    ASKED_REMOVALS,
    SUPPRESSION,
    AccountNotice,
    DeadLetterNotice,
    Effect,
    EffectKind,
    Lane,
    Notice,
    NoticeRecipient,
    OutboxEntry,
    OwnFaultsNotice,
    ParkedNotice,
    Removal,
    RemovalNotice,
    Summary,
    is_on_tenants_list,
)
from worker.core.faults import Fault
from worker.core.limits import LONGEST_MESSAGE
from worker.core.masking import mask_addresses
from worker.core.model import (
    REINSTATEMENT,
    Action,
    Address,
    DeadLetter,
    Decision,
    Kind,
    NewAccountEvent,
    Received,
    Recipient,
    User,
    UserMatch,
)
from worker.core.parsing import clip
from worker.core.policy import Policy, rule_for

_NOTICES = {Kind.BOUNCE: EffectKind.BOUNCE_NOTICE, Kind.COMPLAINT: EffectKind.COMPLAINT_NOTICE}
_LONGEST_DETAIL = 400
MOST_DOMAINS = 20
"""Mail providers per notice that a digest shows separately. A digest holds thousands of notices in
memory at once."""


def entries_for(
    decisions: Sequence[Decision], policy: Policy, *, with_json: bool = True
) -> Iterator[OutboxEntry]:
    """Entries for new decisions on a message: notices, and a removal for each matching address.

    A notice `with_json` holds SES's JSON: some 3 KB, in a burst more than everything else that is
    written.
    """
    notified = [decision for decision in decisions if not _is_ignored(decision, policy)]
    if notified and policy.notify:
        yield from _for_each(policy.notify, _notice(notified, policy, with_json=with_json))
    for decision in notified:
        address = decision.feedback.address
        if address and _bounced(decision) and policy.remove.match(address):
            yield _removal(decision, address)


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
    yield from _for_each(policy.notify, entry)


def entry_for_asked_removal(
    address: Address, removal: Removal, *, name: str, created_at: datetime
) -> OutboxEntry:
    """A removal that a person asked for; `name` is that of the reinstatement in the history."""
    return OutboxEntry(
        kind=EffectKind.REMOVAL,
        lane=ASKED_REMOVALS,
        payload=removal,
        summary=_summary(REINSTATEMENT, address.domain, address.key, removal.occurred_at),
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
        summary=_summary(notice.outcome.value, notice.domain, notice.address, notice.occurred_at),
        feedback_id=removal.feedback_id,
        ses_message_id=removal.ses_message_id,
        recipient=removal.recipient,
        created_at=notice.occurred_at,
    )
    yield from _for_each(policy.notify, entry)


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


def _for_each(channels: Sequence[Lane], entry: OutboxEntry) -> Iterator[OutboxEntry]:
    """Copy an entry, which names the first channel, for the others."""
    yield entry
    for lane in channels[1:]:
        yield replace(entry, lane=lane)


def _internal(
    kind: EffectKind, lane: Lane, notice: DeadLetterNotice | ParkedNotice, label: str
) -> OutboxEntry:
    """A notice about the worker or the sending as a whole, which concerns no single address."""
    at = notice.occurred_at
    summary = Summary(label=label, domains={"": notice.count}, occurred_at=at)
    return OutboxEntry(kind=kind, lane=lane, payload=notice, summary=summary, created_at=at)


def _is_ignored(decision: Decision, policy: Policy) -> bool:
    address = decision.feedback.address
    return address is not None and policy.ignore.match(address)


def _bounced(decision: Decision) -> bool:
    return decision.feedback.notification.kind is Kind.BOUNCE


def _notice(decisions: Sequence[Decision], policy: Policy, *, with_json: bool) -> OutboxEntry:
    first = decisions[0]
    notification = first.feedback.notification
    recipients = tuple(_notice_recipient(decision, policy) for decision in decisions)
    domains: dict[str, int] = {}
    faults: dict[str, int] = {}
    for recipient in recipients:
        domains[recipient.domain] = domains.get(recipient.domain, 0) + 1
        if recipient.fault:
            faults[recipient.fault] = faults.get(recipient.fault, 0) + 1
    if len(domains) > MOST_DOMAINS:
        domains = _most_frequent(domains)
    return OutboxEntry(
        kind=_NOTICES[notification.kind],
        lane=policy.notify[0],
        payload=Notice(
            kind=notification.kind,
            type=notification.type,
            subtype=notification.subtype,
            occurred_at=first.occurred_at,
            feedback_id=notification.feedback_id,
            ses_message_id=notification.ses_message_id,
            recipients=recipients,
            message=clip(notification.text, LONGEST_MESSAGE) if with_json else "",
        ),
        summary=Summary(
            label=label_of_type(notification.type, notification.subtype),
            domains=domains,
            faults=faults,
            sample=_sample(first.feedback.recipient),
            occurred_at=first.occurred_at,
        ),
        feedback_id=notification.feedback_id,
        ses_message_id=notification.ses_message_id,
        created_at=first.received_at,
    )


def _most_frequent(domains: Mapping[str, int]) -> dict[str, int]:
    """Keep the most frequent domains; count the others together, with those without a domain."""
    ordered = sorted(domains, key=lambda name: (not name, -domains[name]))
    kept = {name: domains[name] for name in ordered[: MOST_DOMAINS - 1]}
    return kept | {"": sum(domains[name] for name in ordered[MOST_DOMAINS - 1 :])}


def _barred(decision: Decision, policy: Policy) -> Action | None:
    """Return the action by which `do_not_mail` bars a stranger, after this event alone."""
    address = decision.feedback.address
    if decision.user or decision.match is not UserMatch.MISSING or address is None:
        return None
    nobody = User(email=address.mailed, email_key=address.key)
    action = rule_for(decision.feedback, nobody, policy).action
    ends_at = decision.occurred_at + policy.hard_bounce_pause
    lasts = action is Action.HARD_BOUNCE and ends_at > decision.received_at
    return action if action is Action.AUTO_BLOCK_SPAM or lasts else None


def _notice_recipient(decision: Decision, policy: Policy) -> NoticeRecipient:
    recipient, user = decision.feedback.recipient, decision.user
    return NoticeRecipient(
        reported=recipient.reported,
        domain=recipient.address.domain if recipient.address else "",
        dsn_action=recipient.action,
        status=recipient.status,
        diagnostic=recipient.diagnostic,
        fault=decision.feedback.fault,
        match=decision.match,
        action=decision.action,
        reason=decision.reason,
        paused_until=user.paused_until if user else None,
        blocked=user.auto_block_spam if user else False,
        barred=_barred(decision, policy),
    )


def _removal(decision: Decision, address: Address) -> OutboxEntry:
    notification = decision.feedback.notification
    of_tenant = is_on_tenants_list(notification.subtype)
    return OutboxEntry(
        kind=EffectKind.REMOVAL,
        lane=SUPPRESSION,
        payload=Removal(
            reported=decision.feedback.recipient.reported,
            mailed=address.mailed,
            key=address.key,
            type=notification.type,
            subtype=notification.subtype,
            occurred_at=decision.occurred_at,
            tenant=notification.mail.tenant if of_tenant else "",
        ),
        summary=_summary(
            label_of_type(notification.type, notification.subtype),
            address.domain,
            address.key,
            decision.occurred_at,
        ),
        feedback_id=notification.feedback_id,
        ses_message_id=notification.ses_message_id,
        recipient=address.key,
        created_at=decision.received_at,
    )


@lru_cache(maxsize=256)  # nearly all events have the same dozen types
def label_of_type(kind: str | None, subtype: str | None) -> str:
    """`Permanent/General`; only the type or the sub-type where the other is missing; else `-`."""
    return "/".join(name[:60] for name in (kind, subtype) if name) or "-"


def _summary(label: str, domain: str, address: str, occurred_at: datetime) -> Summary:
    return Summary(
        label=label, domains={domain: 1}, sample=_masked(address), occurred_at=occurred_at
    )


def _sample(recipient: Recipient) -> str:
    if recipient.address:  # nearly always; cheaper than masking the reported text
        return f"***@{recipient.address.domain}"
    return _masked(recipient.reported)


def _masked(address: str) -> str:
    return mask_addresses(address[:400])[:200]
