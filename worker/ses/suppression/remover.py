"""Removes an address from a suppression list: look it up, delete it, look it up again.

An entry for a complaint is left to a person, and so is an address that is listed repeatedly: each
removal that leads to another bounce harms the account's reputation. Where a person has requested
the removal, only an entry that is newer than that decision is left alone.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from worker.aws import AwsRefused
from worker.core.address import decoded_spelling
from worker.core.effects import Blocked, Delivery, Effect, Later, NotYet, Sent, Unfit
from worker.core.errors import Misconfigured, Raced, Unavailable
from worker.core.masking import sanitized
from worker.core.model import Address
from worker.core.payloads import Removal, RemovalNotice, RemovalOutcome
from worker.ses.suppression.listing import (
    BAD_REQUEST,
    BOUNCE,
    COMPLAINT,
    NOT_FOUND,
    Entry,
    SuppressionList,
    nameable,
)
from worker.ses.suppression.refusals import classify_refusal
from worker.ses.suppression.removal_policy import RemovalLog, RemovalPolicy

FIRST_DELAY_SECONDS = 30
"""SES may list an address only after it has reported the bounce; AWS documents no delay."""
LONGEST_DELAY_SECONDS = 900
TENANT_TAG = "ses:tenant-name"
"""SES's own tag of a tenant's mail."""


class Report(NamedTuple):
    """The delivery, and the notice about a finished removal."""

    delivery: Delivery
    notice: RemovalNotice | None = None


class Remover:
    """Delivers removals. As thread-safe as the list and the removal log."""

    def __init__(
        self,
        listing: SuppressionList,
        removal_log: RemovalLog,
        removal_policy: RemovalPolicy = RemovalPolicy(),
        *,
        still_removes: Callable[[Address], bool] = lambda _: True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._list = listing
        self._removal_log = removal_log
        self._removal_policy = removal_policy
        self._still_removes = still_removes
        self._now = now

    def deliver(self, effect: Effect) -> Report:
        """Remove an address from the list, or report why not. It may be repeated at any point.

        It raises only what the list's `await_slot` raises to stop the program.
        """
        try:
            removal = effect.read()
        except ValueError as error:
            return Report(Unfit(error=f"its payload cannot be read: {sanitized(str(error))}"))
        if not isinstance(removal, Removal):
            return Report(Unfit(error=f"not a removal: {type(removal).__name__}"))
        try:
            return self._remove(effect, removal)
        except (Unavailable, Raced) as unreachable:
            return Report(Later(error=sanitized(str(unreachable))))
        except Misconfigured as error:
            return Report(Blocked(error=sanitized(str(error))))
        except AwsRefused as refused:
            return Report(classify_refusal(refused))

    def _remove(self, effect: Effect, removal: Removal) -> Report:
        before = self._removal_log.begun(effect.id, removal.key)
        if against := self._reason_against(removal, begun=before is not None):
            return self._over(effect, removal, *against)
        try:
            found = self._find(removal)
            if found is None:
                return self._missing(effect, removal, before)
            spelling, entry = found
            before = entry.as_dict()
            if kept := self._guard(effect, removal, entry):
                return self._over(effect, removal, *kept, before)
            self._removal_log.begin(effect.id, removal, before)
            self._list.delete(spelling, removal.tenant)
            again = self._find(removal)
        except AwsRefused as refused:
            if refused.code != BAD_REQUEST:
                raise
            text = f"{BAD_REQUEST}: {refused.text}"
            return self._over(effect, removal, RemovalOutcome.NOT_POSSIBLE, text, before)
        return self._looked_again(effect, removal, spelling, again, before)

    def _reason_against(
        self, removal: Removal, *, begun: bool
    ) -> tuple[RemovalOutcome, str] | None:
        """Return why SES is not called, if so."""
        if not next(_spellings(removal), None):
            text = "SES's call cannot name this address: only a bulk import can remove it"
            return RemovalOutcome.NOT_POSSIBLE, text
        if removal.asked_by:
            return None
        if not (begun or self._still_removes(Address(key=removal.key, mailed=removal.mailed))):
            text = "suppression.remove and notify.ignore exclude it now"
            return RemovalOutcome.KEPT_UNWANTED, text
        if removal.of_tenant and not removal.tenant:
            return RemovalOutcome.UNKNOWN_TENANT, f"SES's message has no tag {TENANT_TAG}"
        return None

    def _looked_again(
        self,
        effect: Effect,
        removal: Removal,
        deleted: str,
        found: tuple[str, Entry] | None,
        before: Mapping[str, Any],
    ) -> Report:
        if found is None:
            return self._over(effect, removal, RemovalOutcome.REMOVED, NOT_FOUND, before)
        spelling, entry = found
        if spelling != deleted:  # the other spelling is subject to the policy, too
            return Report(NotYet(error="listed in another spelling too", seconds=1))
        return self._over(effect, removal, RemovalOutcome.STILL_LISTED, _shown(entry), before)

    def _find(self, removal: Removal) -> tuple[str, Entry] | None:
        """Look up each spelling; return the listed spelling and its entry.

        Sending ignores case, so an address is off the list when no spelling is listed.
        """
        for number, spelling in enumerate(_spellings(removal)):
            try:
                if entry := self._list.look_up(spelling, removal.tenant):
                    return spelling, entry
            except AwsRefused as refused:
                # SES has answered for the first spelling: a 400 is about this spelling.
                if number == 0 or refused.code != BAD_REQUEST:
                    raise
        return None

    def _missing(
        self, effect: Effect, removal: Removal, before: Mapping[str, Any] | None
    ) -> Report:
        if before:  # a former try ended between the delete and the look-up
            return self._over(effect, removal, RemovalOutcome.REMOVED, NOT_FOUND, before)
        if not removal.asked_by and effect.attempts < self._removal_policy.tries:
            error = "not on the suppression list yet"
            return Report(NotYet(error=error, seconds=_delay_seconds(effect.attempts)))
        return self._over(effect, removal, RemovalOutcome.NOT_LISTED, NOT_FOUND)

    def _guard(
        self, effect: Effect, removal: Removal, entry: Entry
    ) -> tuple[RemovalOutcome, str] | None:
        """Return why this entry must be left alone, if so."""
        if removal.asked_by:
            if entry.last_update_time <= removal.occurred_at:
                return None
            return RemovalOutcome.KEPT_NEWER, f"listed for {entry.reason} after the request"
        removal_policy = self._removal_policy
        removable = {BOUNCE, COMPLAINT} if removal_policy.remove_complaints else {BOUNCE}
        if entry.reason not in removable:
            return RemovalOutcome.KEPT_COMPLAINT, f"listed for {entry.reason}"
        within = timedelta(days=removal_policy.within_days)
        count = self._removal_log.removals(removal, within, effect.id)
        if count >= removal_policy.most_removals:
            text = f"taken off {count} times in {removal_policy.within_days:g} days"
            return RemovalOutcome.KEPT_REPEATED, text
        return None

    def _over(
        self,
        effect: Effect,
        removal: Removal,
        outcome: RemovalOutcome,
        response: str,
        entry: Mapping[str, Any] | None = None,
    ) -> Report:
        self._removal_log.finish(effect.id, outcome)
        notice = RemovalNotice(
            address=removal.mailed,
            domain=removal.key.rpartition("@")[2],
            outcome=outcome,
            response=response,
            entry=entry,
            occurred_at=self._now(),
            tenant=removal.tenant,
            asked_by=removal.asked_by,
            why=removal.why,
        )
        return Report(Sent(result=_result(removal, outcome, response, entry)), notice)


def _result(
    removal: Removal, outcome: RemovalOutcome, response: str, entry: Mapping[str, Any] | None
) -> str:
    """Return the outcome for the outbox, with the reason behind a colon."""
    requester = [f"requested by {removal.asked_by}"] if removal.asked_by else []
    if outcome is not RemovalOutcome.REMOVED:
        texts = [response, *requester]
    else:
        texts = [f"listed for {entry['Reason']}", *requester] if requester and entry else requester
    return sanitized(": ".join(filter(None, (outcome.value, ", ".join(texts)))))


def _spellings(removal: Removal) -> Iterator[str]:
    """The spellings under which the list may hold the address; domains are always lower case."""
    tried = set()
    decoded = decoded_spelling(removal.mailed)  # an encoded word, or what it means
    spellings = (removal.mailed, decoded, removal.key, removal.reported.strip(), *removal.also)
    for spelling in spellings:
        local, _, domain = spelling.rpartition("@")
        same = local, domain.lower()
        bare = not spelling.endswith(">") and spelling.isprintable()
        if same not in tried and bare and nameable(spelling):
            tried.add(same)
            yield spelling


def _delay_seconds(attempts: int) -> float:
    return min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(attempts - 1, 10))


def _shown(entry: Entry) -> str:
    return f"still listed as {entry.address} for {entry.reason}, since {entry.last_update_time}"
