"""Drops removals from SES's suppression list of people who are forgotten."""

from collections.abc import Sequence

from sqlalchemy import and_, delete, func, or_, select

from worker.core.payloads import EffectKind
from worker.store import Store
from worker.store.levels import moment
from worker.store.schema import outbox, removals
from worker.store.traces import Fate, Trace


def drop_removals(store: Store, keys: Sequence[str]) -> tuple[list[Trace], int]:
    """Delete removals from SES's list that no worker carries out now; count the others.

    What stays cannot be begun by another worker meanwhile, which would write about the person.
    """
    with store.write_transaction() as connection:
        now = moment(connection)
        theirs = and_(outbox.c.kind == EffectKind.REMOVAL.value, outbox.c.recipient.in_(keys))
        is_free = or_(outbox.c.claim.is_(None), outbox.c.due_at <= now)
        free = select(outbox.c.id).where(theirs, is_free).with_for_update()
        ids = list(connection.execute(free).scalars())
        connection.execute(delete(outbox).where(outbox.c.id.in_(ids)))
        rest = select(func.count()).select_from(outbox).where(theirs)
        under_way = int(connection.execute(rest).scalar_one())
    return [Trace(place=outbox.name, id=each, fate=Fate.DELETED) for each in ids], under_way


def delete_removals(store: Store, keys: Sequence[str]) -> None:
    """Delete what is kept of removals; the effects are gone, so nobody writes it again."""
    with store.write_transaction() as connection:
        connection.execute(delete(removals).where(removals.c.email_key.in_(keys)))
