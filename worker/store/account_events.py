"""What SES has reported about the account and its tenants: the newest event, and if it is true.

Of two events of a time the worse event is the newer: `disabled`, `open`.
"""

from datetime import datetime

from sqlalchemy import select, update

from worker.core.account_events import AccountEventKind, AccountStatus, Verification
from worker.core.payloads import AccountNotice
from worker.store import Store, levels
from worker.store.schema import account_events


class AccountEvents:
    """Each method is a transaction, and raises `Unavailable` if the store is unavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def newer(self, notice: AccountNotice) -> tuple[AccountStatus, datetime] | None:
        """Return the newest event of the same kind and resource, if it is newer than this."""
        rows = account_events.c
        same = [
            rows.kind == notice.kind.value,
            rows.account_id == notice.account_id,
            rows.region == notice.region,
            rows.scope == notice.scope.value,
            rows.resource == notice.resource,
            rows.tenant == notice.tenant,
        ]
        if notice.kind is AccountEventKind.RECOMMENDATION:  # each type is a finding of its own
            same.append(rows.cause == notice.cause)
        query = select(rows.status, rows.occurred_at, rows.dedupe_key).where(*same)
        query = query.order_by(rows.occurred_at.desc(), rows.status).limit(1)
        with self._store.read_transaction() as connection:
            found = connection.execute(query).first()
        # An equal status reported twice, with two times, is no news either: the newer row has it.
        if found is None or found.dedupe_key == notice.dedupe_key:
            return None
        if found.occurred_at < notice.occurred_at:  # the row of the notice is gone
            return None
        return AccountStatus(found.status), found.occurred_at

    def is_confirmed(self, dedupe_key: str) -> bool:
        """Return whether SES's API has confirmed the event before."""
        query = select(account_events.c.verification)
        with self._store.read_transaction() as connection:
            found = connection.execute(query.where(account_events.c.dedupe_key == dedupe_key))
            return found.scalar() == Verification.CONFIRMED.value

    def verified(self, dedupe_key: str, verification: Verification) -> None:
        """Record what SES's API says about the event."""
        with self._store.write_transaction() as connection:
            now = levels.moment(connection)
            row = update(account_events).where(account_events.c.dedupe_key == dedupe_key)
            connection.execute(row.values(verification=verification.value, verified_at=now))
