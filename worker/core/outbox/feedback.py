"""Entries for bounces and complaints: notices, and removals from the suppression list.

Each recipient is decided separately: an address that matches `notify.ignore` is neither shown nor
taken off the suppression list; the message's other recipients are.
"""

from collections.abc import Iterator, Mapping, Sequence

from worker.core.effects import SUPPRESSION, OutboxEntry, Summary
from worker.core.limits import LONGEST_MESSAGE
from worker.core.model import (
    Action,
    Address,
    Decision,
    Kind,
    Recipient,
    User,
    UserMatch,
)
from worker.core.outbox.entries import for_each, label_of_type, masked, summary_of
from worker.core.parsing import clip
from worker.core.payloads import (
    EffectKind,
    Notice,
    NoticeRecipient,
    Removal,
    is_on_tenants_list,
)
from worker.core.policy import Policy, rule_for

_NOTICES = {Kind.BOUNCE: EffectKind.BOUNCE_NOTICE, Kind.COMPLAINT: EffectKind.COMPLAINT_NOTICE}
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
        yield from for_each(policy.notify, _notice(notified, policy, with_json=with_json))
    for decision in notified:
        address = decision.feedback.address
        if address and _bounced(decision) and policy.remove.match(address):
            yield _removal(decision, address)


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
    """Return the action by which `do_not_mail` bars an address, no user, after this event alone."""
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
        summary=summary_of(
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


def _sample(recipient: Recipient) -> str:
    if recipient.address:  # nearly always; cheaper than masking the reported text
        return f"***@{recipient.address.domain}"
    return masked(recipient.reported)
