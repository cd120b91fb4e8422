"""Log lines and counters about a message, after its commit and never before."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import structlog

from worker.core.account_events import AccountStatus, NewAccountEvent
from worker.core.disguise import hide
from worker.core.errors import Unavailable
from worker.core.limits import LONGEST_CELL, LONGEST_TOPIC, MOST_ADDRESSES_SHOWN
from worker.core.messages import Delete, Handled
from worker.core.model import Decision, Ignored, Kind, UserMatch
from worker.observability.metrics import Metrics

HASH_BYTES = 16
"""No two of 10,000,000,000 addresses have the same."""
MOST_KINDS_WARNED_ABOUT = 100
"""Limit of warnings about unknown types, which senders can invent."""

# On Python 3.11 to look up a member of an enumeration takes longer than a call.
_BOUNCE, _FOUND, _NO_RECIPIENTS = Kind.BOUNCE, UserMatch.FOUND, UserMatch.NO_RECIPIENTS
NAMES = {Kind.BOUNCE: "bounce_notification", Kind.COMPLAINT: "complaint_notification"}

WHO_HOLDS_ROWS = (
    "These messages are tried again, after a longer wait each time. To see who holds the rows: "
    "SELECT pid, usename, xact_start, query FROM pg_stat_activity WHERE xact_start IS NOT NULL "
    "ORDER BY xact_start"
)


class Telemetry:
    """Counts and logs the results of `process`."""

    def __init__(self, metrics: Metrics, key: Callable[[], bytes | None] = lambda: None) -> None:
        """`key` returns that of hashed addresses; None: no line has a hash."""
        self._metrics = metrics
        self._key = key
        self._warned: set[str] = set()
        self._log = structlog.get_logger().bind()
        """Bound in advance: else structlog would bind it for each line."""

    def report(self, batch: Sequence[Handled]) -> None:
        """Log and count what was decided for each recipient."""
        self._metrics.count([decision for handled in batch for decision in handled.decisions])
        for handled in batch:
            self._report(handled)
        if locked_out := [item for item in batch if item.error and item.is_locked_out]:
            self._log.warning(
                "users.locked",
                messages=len(locked_out),
                error=str(locked_out[0].error),
                hint=WHO_HOLDS_ROWS,
            )

    def _report(self, handled: Handled) -> None:
        message_id = handled.received.message_id
        hidden = people = _people(handled.decisions)
        key = self._key()
        are_many = len(people) > MOST_ADDRESSES_SHOWN  # only the first of them are looked for
        for decision in handled.decisions:
            if are_many:
                hidden = [*_people([decision]), *people[:MOST_ADDRESSES_SHOWN]]
            name = NAMES[decision.feedback.notification.kind]
            found = fields(decision, hidden)
            if key and (address := decision.feedback.address):
                found["address_hash"] = hashed(key, address.key)
            self._log.info(name, message_id=message_id, **found)
        for event in handled.account_events:
            self._report_account_event(event, message_id)
        if isinstance(handled.disposition, Delete):
            outcome = str(handled.disposition.outcome)
            self._log.debug("message.handled", message_id=message_id, outcome=outcome)
        # An unavailable store is logged once, by the writer.
        if handled.error and not isinstance(handled.error, Unavailable):
            self._metrics.failed()
            self._log.error("message.failed", message_id=message_id, exc_info=handled.error)
        if handled.ignored:
            self._metrics.ignored(handled.ignored.kind)
            if handled.ignored.noteworthy:
                self._warn_once(handled.ignored, message_id)

    def _report_account_event(self, new: NewAccountEvent, message_id: str) -> None:
        event = new.event
        account_log = self._log.bind(
            message_id=message_id,
            scope=event.scope.value,
            tenant=event.tenant,
            resource=event.resource[:LONGEST_TOPIC],
            cause=event.cause[:LONGEST_CELL],
            account_id=event.account_id,
            region=event.region,
            occurred_at=new.occurred_at.isoformat(),
        )
        finding, impact = event.finding[:LONGEST_CELL], event.impact[:LONGEST_CELL]
        match event.status:
            case AccountStatus.DISABLED:
                account_log.warning("account.sending_disabled")
            case AccountStatus.ENABLED:
                account_log.info("account.sending_enabled")
            case AccountStatus.OPEN:
                account_log.warning("account.recommendation_opened", finding=finding, impact=impact)
            case AccountStatus.RESOLVED:
                account_log.info("account.recommendation_resolved", finding=finding, impact=impact)

    def _warn_once(self, ignored: Ignored, message_id: str) -> None:
        if ignored.kind not in self._warned and len(self._warned) < MOST_KINDS_WARNED_ABOUT:
            self._warned.add(ignored.kind)
            self._log.warning("message.ignored", kind=ignored.kind, message_id=message_id)


def hashed(key: bytes, email_key: str) -> str:
    """Return what all lines about a person have in common, and nobody can guess without the key."""
    digest = hmac.digest(key, email_key.encode("utf-8", "replace"), sha256)
    return digest[:HASH_BYTES].hex()


def _people(decisions: Sequence[Decision]) -> Sequence[str]:
    """The addresses that a message names."""
    addresses = (decision.feedback.address for decision in decisions)
    return [address.key for address in addresses if address]


def fields(decision: Decision, people: Sequence[str]) -> dict[str, Any]:
    """The fields of `bounce_notification` and `complaint_notification`, and the rule.

    No text shows the address of any of the `people`, however it is spelled.

    Dashboards exist on these names, which come from this worker's ancestor: `relay_action` is the
    action (nothing to do with `worker.relay`), `fxa_id` the user's `account_id`, and
    `bounce_action` the receiving server's own word.
    """
    notification, recipient = decision.feedback.notification, decision.feedback.recipient
    outcome = {"user_match": str(decision.match), "relay_action": str(decision.action)}
    if decision.match is _NO_RECIPIENTS:
        return outcome
    if notification.kind is _BOUNCE:
        found: dict[str, Any] = {
            "bounce_type": notification.type or "none",
            "bounce_subtype": notification.subtype or "none",
            "bounce_action": recipient.action,
            "bounce_status": recipient.status,
            "bounce_diagnostic": hide(recipient.diagnostic, people),
            "bounce_fault": decision.feedback.fault,
        }
    else:
        found = {
            "complaint_subtype": notification.subtype or "none",
            "complaint_user_agent": hide(notification.user_agent, people),
            "complaint_feedback": notification.type or "none",
        }
    found |= outcome
    found["reason"] = decision.reason
    if recipient.extra:
        found[f"{notification.kind}_extra"] = _hidden(recipient.extra, people)
    if recipient.address:
        found["domain"] = recipient.address.domain
    if decision.match is _FOUND and decision.user:
        shown = decision.user.account_id if decision.user.metrics_enabled else None
        found["fxa_id"] = shown or ""
    return found


def _hidden(value: Any, people: Sequence[str]) -> Any:
    """Hide the addresses in a JSON value, which is small and not deep."""
    if isinstance(value, str):
        return hide(value, people)
    if isinstance(value, Mapping):
        return {hide(name, people): _hidden(item, people) for name, item in value.items()}
    return [_hidden(item, people) for item in value] if isinstance(value, list) else value
