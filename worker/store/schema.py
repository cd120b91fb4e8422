"""The tables, as the migrations create them and as applications read them.

Times are UTC: `timestamptz` in PostgreSQL. SQLite has no type for times; they are TEXT without a
zone, in a format that compares with `strftime('%Y-%m-%d %H:%M:%f', 'now')`.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    func,
    literal_column,
    text,
    true,
)


class Moment(TypeDecorator[datetime]):
    """A point in time; in Python an aware `datetime` in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True
    python_type = datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert for the database: aware for PostgreSQL, without zone for SQLite."""
        if value is None or dialect.name == "postgresql":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert what the database returns to UTC."""
        if value is None or dialect.name == "postgresql":
            return value
        return value.replace(tzinfo=UTC)


metadata = MetaData()


def _row_id() -> Column[int]:
    # SQLite numbers rows itself only if the type is exactly INTEGER.
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


def _added_text(name: str) -> Column[str]:
    """A text that rows from before the column do not have."""
    return Column(name, Text, nullable=False, server_default="")


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default="0")


def _feedback() -> list[Column[Any]]:
    """The columns of a user that feedback may change."""
    return [
        Column("auto_block_spam", Boolean, nullable=False, server_default=false()),
        Column("last_hard_bounce", Moment),
        Column("last_soft_bounce", Moment),
        Column("last_complaint", Moment),
        _count("hard_bounce_count"),
        _count("soft_bounce_count"),
        _count("complaint_count"),
        Column("paused_until", Moment),
        Column("pause_reason", Text),
        Column("hard_bounce_refused", Boolean, nullable=False, server_default=false()),
        Column("soft_bounce_refused", Boolean, nullable=False, server_default=false()),
        Column("reinstated_at", Moment),
        Column("last_delivery", Moment),
    ]


users = Table(
    "users",
    metadata,
    _row_id(),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False, unique=True),
    Column("account_id", Text),
    Column("metrics_enabled", Boolean, nullable=False, server_default=true()),
    *_feedback(),
)

events = Table(
    "events",
    metadata,
    _row_id(),
    Column("dedupe_key", Text, nullable=False, unique=True),
    Column("route_key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("type", Text),
    Column("subtype", Text),
    Column("recipient", Text, nullable=False),
    Column("recipient_as_reported", Text, nullable=False),
    Column("user_match", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("feedback_id", Text, nullable=False),
    Column("ses_message_id", Text, nullable=False),
    Column("diagnostic", Text, nullable=False),
    Column("status", Text, nullable=False),
    _added_text("configuration_set"),
    _added_text("tenant"),
    _added_text("sender"),
    Column("sent_at", Moment),
    _added_text("account_id"),
    _added_text("region"),
    _added_text("route"),
    Column("tags", Text, nullable=False, server_default="{}"),
    _added_text("fault"),
    Column("mentions_spam", Boolean),
    Column("out_of_office", Boolean),
    Column("permanent_status", Boolean),
    Column("claimed_at", Moment),
)
"""`mentions_spam`, `out_of_office`, `permanent_status`: NULL for events from before the column;
their texts decide (`worker.store.rows.OF_OLDER_EVENTS`). `claimed_at`: the time that SES wrote,
where it lies after receipt."""

account_events = Table(
    "account_events",
    metadata,
    _row_id(),
    Column("dedupe_key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("finding", Text, nullable=False),
    Column("impact", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("verification", Text, nullable=False, server_default="reported"),
    Column("verified_at", Moment),
)
"""What SES says about the account and its tenants: sending stopped or resumed, findings opened and
closed. `verification`: `reported`, until SES's own API says the same (`confirmed`) or something
else (`contradicted`)."""

quarantine = Table(
    "quarantine",
    metadata,
    _row_id(),
    Column("queue", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("sent_at", Moment),
    Column("received_at", Moment, nullable=False),
    Column("worker_version", Text, nullable=False),
    Column("verified", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("queue", "message_id"),
)
"""Messages that no dead-letter queue could take. The body is binary, for PostgreSQL's text cannot
hold every message. `verified`: SNS's signature held before a person was taken out of it."""

outbox = Table(
    "outbox",
    metadata,
    _row_id(),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    _count("attempts"),
    Column("due_at", Moment, nullable=False),
    Column("last_error", Text),
    Column("created_at", Moment, nullable=False),
    Column("payload", Text, nullable=False),
    # Entries name their lane; the default is that of the migration. SQLite drops a default only by
    # copying the table.
    Column("lane", Text, nullable=False, server_default="slack"),
    Column("summary", Text, nullable=False, server_default="{}"),
    Column("feedback_id", Text, nullable=False, server_default=""),
    Column("ses_message_id", Text, nullable=False, server_default=""),
    Column("recipient", Text, nullable=False, server_default=""),
    Column("claim", Text),
    Column("parked_by", Text),
    Column("finished_at", Moment),
    Column("result", Text),
    Column("parked_reason", Text),
)
"""`parked_reason` says why an entry is parked. `parked_by` names the rate limit whose destination
is blocked, where that is the reason."""
OPEN = text("state IN ('waiting', 'claimed')")
"""Effects that are yet to be delivered; `due_at` of a claimed effect is the end of its lease."""
PARKED = text("state = 'parked'")
# Literals: no planner uses a partial index for a condition with a parameter.
Index("outbox_open", outbox.c.lane, outbox.c.due_at, sqlite_where=OPEN, postgresql_where=OPEN)
Index("outbox_parked", outbox.c.lane, sqlite_where=PARKED, postgresql_where=PARKED)
CLAIMED = text("claim IS NOT NULL")
Index("outbox_claim", outbox.c.claim, sqlite_where=CLAIMED, postgresql_where=CLAIMED)
INDEXED = 200
"""Characters of SES's message id that PostgreSQL's index holds: it refuses entries of more than
2,704 bytes, and with them the row (https://www.postgresql.org/docs/current/btree.html). A hash
would not sort new ids behind old ids, and md5 is not available everywhere."""
MAIL_START = func.left(outbox.c.ses_message_id, literal_column(str(INDEXED)))
"""A literal: no planner uses an index on an expression with a parameter."""
Index("outbox_message", outbox.c.ses_message_id).ddl_if(dialect="sqlite")
Index("outbox_mail", MAIL_START).ddl_if(dialect="postgresql")
Index("events_occurred", events.c.occurred_at)
Index("events_recipient", events.c.recipient).ddl_if(dialect="postgresql")
# With an index on the recipient alone each new event would change another page of the index, and
# SQLite writes whole pages, twice. New events fall into the last bucket. Queries use the view
# `events_by_recipient`, which contains the expression of the index.
Index("events_bucket", text("id / 4096"), events.c.recipient).ddl_if(dialect="sqlite")

limits = Table(
    "limits",
    metadata,
    Column("name", Text, primary_key=True),
    Column("next_at", Moment, nullable=False),
    Column("next_slot", Moment, nullable=False),
    Column("tokens", Float, nullable=False),
    Column("refilled_at", Moment, nullable=False),
    Column("folded_at", Moment),
    _count("failures"),
    Column("blocked", Text),
)
"""Rate limits shared by all processes: a row for each lane and destination."""

removals = Table(
    "removals",
    metadata,
    _row_id(),
    Column("outbox_id", BigInteger, nullable=False, unique=True),
    Column("email_key", Text, nullable=False, index=True),
    Column("address", Text, nullable=False),
    Column("entry", Text, nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("outcome", Text),
    Column("restored_at", Moment),
    _added_text("tenant"),
)
"""Entries of the suppression list as they were before they were deleted."""

policy = Table(
    "policy",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""The policy in force, for the view `do_not_mail`: the pauses in seconds, an action for each entry
of `policy.bounce_actions`, in lower case, a row for each of `policy.spare_faults`, and a row for
each other setting of the policy that is not the default."""


def _counts(name: str, step: str) -> Table:
    return Table(
        name,
        metadata,
        Column("dimension", Text, primary_key=True),
        Column(step, Moment, primary_key=True),
        Column("measure", Text, primary_key=True),
        Column("value", Text, primary_key=True),
        Column("count", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


hourly_counts = _counts("hourly_counts", "hour")
"""How often something happened within an hour: `measure`, such as `send`, for a `value` of a
`dimension`, such as `provider`. `new_counts` has what was not added yet."""

daily_counts = _counts("daily_counts", "day")
"""The same by days in UTC, so that a report of months reads few rows."""

new_counts = Table(
    "new_counts",
    metadata,
    _row_id(),
    Column("counts", Text, nullable=False),
)
"""What single commits have counted, as JSON (`worker.core.counting.facts`), until it is added to
`hourly_counts` and `daily_counts`."""

progress = Table(
    "progress",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""How far work has come that is done in small bites."""


def _record() -> list[Column[Any]]:
    """What feedback has made of a user, under the user's address."""
    return [Column("email_key", Text, primary_key=True), *_feedback()]


shadow_users = Table("shadow_users", metadata, *_record())
"""What a second policy (`policy.shadow`) would have made of the users that feedback named since it
was set."""

imported_users = Table(
    "imported_users",
    metadata,
    *_record(),
    Column("after_event", BigInteger, nullable=False),
)
"""The records of users that did not begin empty, as they were imported. `policy rebuild` begins
with them, and folds the events with larger ids than `after_event`."""

kept_keys = Table(
    "kept_keys",
    metadata,
    Column("key", Text, primary_key=True),
    Column("until_day", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Both keys of events that were purged, shortened (`worker.core.keys.kept_key`), and the day until
which they are kept, counted from 1970-01-01."""

forgotten = Table(
    "forgotten",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("blocked", Boolean, nullable=False),
    Column("paused_until", Moment),
    Column("reinstated_at", Moment),
    Column("forgotten_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
"""What is kept of people who were forgotten: a digest of `email_key` that `privacy.key` keys, and
whether mail may go there. `key_id` is a fingerprint of that key."""
