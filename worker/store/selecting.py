"""Lists of people: users by filters, and everybody whom `do_not_mail` names."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    column,
    exists,
    func,
    or_,
    select,
    table,
)

from worker.core.model import Kind
from worker.store import Store
from worker.store.needs import Needs, to_read
from worker.store.rows import USER_COLUMNS
from worker.store.schema import Moment, events, users

Row = Mapping[str, Any]
PERSON_COLUMNS = ("email", "email_key", "user", "reason", "until")
"""Of `barred_people`."""

BLOCKED = "auto_block_spam"
"""The reason of a block; all others are reasons of pauses."""

_FEEDBACK = tuple(kind.value for kind in Kind)
_ROWS_AT_ONCE = 1_000
_USER_COLUMNS = [users.c[name] for name in USER_COLUMNS]
_DO_NOT_MAIL = table(
    "do_not_mail",
    column("email_key"),
    column("email"),
    column("reason"),
    column("until", Moment),
)


class UserFilter(Struct, frozen=True, kw_only=True):
    """Selects people; without conditions, all. All conditions must be true."""

    paused_at: datetime | None = None
    """Only those to whom mail is paused at this time."""
    blocked: bool = False
    """Only those who are blocked (`auto_block_spam`)."""
    since: datetime | None = None
    """Only those about whom a bounce or complaint occurred then, or later."""
    domain: str = ""
    """Only those of this domain; `.example.com`: and of its subdomains."""
    reason: str = ""
    """Only those to whom no mail may go for this reason, as in `do_not_mail`; for a pause, together
    with `paused_at`."""

    @property
    def is_any(self) -> bool:
        """Whether there is any condition."""
        return self != UserFilter()


def needs_of(filter_: UserFilter, *, everybody: bool = False) -> Needs:
    """Return what is read for a list: of users, or of everybody in `do_not_mail`."""
    names = ["users", *(["do_not_mail"] if everybody else [])]
    return to_read(*names, *(["events"] if filter_.since else []))


def all_users(store: Store, filter_: UserFilter, limit: int | None = None) -> Iterator[Row]:
    """Stream the selected users in the order of `email_key`, for as long as it takes."""
    with store.snapshot() as connection:
        query = _users(connection, filter_, select(*_USER_COLUMNS))
        yield from _stream(connection, query.order_by(users.c.email_key).limit(limit))


def count_users(store: Store, filter_: UserFilter) -> int:
    """Count the selected users."""
    with store.snapshot() as connection:
        query = _users(connection, filter_, select(func.count()).select_from(users))
        return int(connection.execute(query).scalar_one())


def barred_people(store: Store, filter_: UserFilter, limit: int | None = None) -> Iterator[Row]:
    """Stream those of `do_not_mail`, users or not, in the order of `email_key`."""
    view = _DO_NOT_MAIL
    is_user = exists().where(users.c.email_key == view.c.email_key).label("user")
    columns = (view.c.email, view.c.email_key, is_user, view.c.reason, view.c.until)
    with store.snapshot() as connection:
        query = _barred(connection, filter_, select(*columns).select_from(view))
        for row in _stream(connection, query.order_by(view.c.email_key).limit(limit)):
            yield row | {"user": bool(row["user"])}


def count_barred(store: Store, filter_: UserFilter) -> int:
    """Count those of `do_not_mail`."""
    with store.snapshot() as connection:
        query = _barred(connection, filter_, select(func.count()).select_from(_DO_NOT_MAIL))
        return int(connection.execute(query).scalar_one())


def _stream(connection: Connection, query: Select[Any]) -> Iterator[dict[str, Any]]:
    streaming = connection.execution_options(yield_per=_ROWS_AT_ONCE)
    yield from map(dict, streaming.execute(query).mappings())


def _users(connection: Connection, filter_: UserFilter, query: Select[Any]) -> Select[Any]:
    if filter_.paused_at:
        query = query.where(users.c.paused_until > filter_.paused_at)
    if filter_.blocked:
        query = query.where(users.c.auto_block_spam)
    if filter_.reason == BLOCKED:
        query = query.where(users.c.auto_block_spam)
    elif filter_.reason:
        is_reason = func.coalesce(users.c.pause_reason, "paused") == filter_.reason
        query = query.where(~users.c.auto_block_spam, is_reason)
    return _common(connection, filter_, query, users.c.email_key)


def _barred(connection: Connection, filter_: UserFilter, query: Select[Any]) -> Select[Any]:
    if filter_.paused_at:
        query = query.where(_DO_NOT_MAIL.c.until > filter_.paused_at)
    if filter_.blocked:
        query = query.where(_DO_NOT_MAIL.c.until.is_(None))
    if filter_.reason:
        query = query.where(_DO_NOT_MAIL.c.reason == filter_.reason)
    return _common(connection, filter_, query, _DO_NOT_MAIL.c.email_key)


def _common(
    connection: Connection, filter_: UserFilter, query: Select[Any], key: ColumnElement[str]
) -> Select[Any]:
    if filter_.domain:
        query = query.where(of_domain(key, filter_.domain))
    if filter_.since:
        query = query.where(_has_feedback(connection, key, filter_.since))
    return query


def of_domain(key: ColumnElement[str], domain: str) -> ColumnElement[bool]:
    """Select normalised addresses of a domain; with a dot before it, of its subdomains, too."""
    name = domain.removeprefix(".")
    exactly = key.endswith(f"@{name}", autoescape=True)
    return or_(exactly, key.endswith(domain, autoescape=True)) if name != domain else exactly


def _has_feedback(
    connection: Connection, key: ColumnElement[str], since: datetime
) -> ColumnElement[bool]:
    """Select those with a bounce or complaint from then on, found by the index of times.

    PostgreSQL would search its list of recipients for each user, where that is too long to hash.
    """
    recent = and_(events.c.occurred_at >= since, events.c.kind.in_(_FEEDBACK))
    if connection.dialect.name == "sqlite":
        return key.in_(select(events.c.recipient).where(recent))
    return exists().where(recent, events.c.recipient == key)
