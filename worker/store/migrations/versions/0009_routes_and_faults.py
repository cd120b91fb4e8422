"""Keeps more of what SES says, and whose fault a bounce was; a table of events of the account.

All columns have constant defaults, so that neither database rewrites or reads the rows. PostgreSQL
locks `events` for the moment in which its definition changes. The worker of the version before goes
on writing meanwhile, and until it is stopped: it leaves the new columns at their defaults.

The view `do_not_mail` now ignores the case of types and sub-types, spares the faults that the
policy in force names, and reads whether a diagnostic says spam from a column, where there is one.
The core decides that (`worker.core.decide`), and `tests/integration/test_do_not_mail.py` compares
the two.
What 0008 says about the view's queries still holds. In PostgreSQL the views are replaced, not
dropped, and so keep their privileges.

docs/backup.md shows how to go back to the version before, by setting the revision to 0008. So this
migration may find its columns and its table in place, and the view accepts names in the table
`policy` in any case, as the version before writes them.

A migration that changes a column that the views name must replace them.

Revision: 0009
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from worker.store.schema import Moment

revision = "0009"
down_revision = "0008"

_TEXTS = ("configuration_set", "tenant", "sender", "account_id", "region", "route", "fault")

_DEFAULT_SECONDS = {"hard_bounce": 2_592_000, "soft_bounce": 86_400}
"""The settings' defaults, 30 days and a day, until a worker starts and keeps its own values."""

_REFUSED = """
    {type} = 'permanent' AND {subtype} IN (
        'suppressed', 'onaccountsuppressionlist', 'ontenantsuppressionlist',
        'emailvalidationsuppressed'
    )
"""
_JUDGED = """
    SELECT
        recipient,
        occurred_at,
        CASE WHEN {refused} THEN 1 ELSE 0 END AS refused,
        CASE
            WHEN kind = 'complaint' AND {subtype} LIKE '%suppressionlist' THEN 'no_action'
            WHEN kind = 'complaint' AND {type} = 'not-spam' THEN 'no_action'
            WHEN kind = 'complaint' THEN 'auto_block_spam'
            WHEN exact.value IS NOT NULL THEN exact.value
            WHEN whole_type.value IS NOT NULL THEN whole_type.value
            WHEN {subtype} = 'unsubscribedrecipient' THEN 'no_action'
            WHEN spared.value IS NOT NULL AND NOT ({refused}) THEN 'no_action'
            WHEN coalesce(mentions_spam, {diagnostic} LIKE '%spam%') THEN 'auto_block_spam'
            WHEN {type} = 'permanent' THEN 'hard_bounce'
            WHEN {type} = 'transient' THEN 'soft_bounce'
            ELSE 'no_action'
        END AS action
    FROM events_by_recipient
    LEFT JOIN policy AS exact ON {exact_name} =
        'bounce_actions.' || {type_or_none} || '/' || {subtype_or_none}
    LEFT JOIN policy AS whole_type ON {whole_type_name} =
        'bounce_actions.' || {type_or_none} || '/*'
    LEFT JOIN policy AS spared ON spared.name = 'spare_faults.' || fault
    WHERE recipient <> ''
        AND kind IN ('bounce', 'complaint')
        AND NOT EXISTS (SELECT 1 FROM users WHERE users.email_key = recipient)
"""
_DATE = """
    coalesce(
        max(CASE WHEN action = '{action}' AND refused = 0 THEN occurred_at END),
        min(CASE WHEN action = '{action}' AND refused = 1 THEN occurred_at END)
    )
"""
_DATED = """
    SELECT
        recipient,
        max(CASE WHEN action = 'auto_block_spam' THEN 1 ELSE 0 END) AS blocked,
        {hard_bounce} AS last_hard_bounce,
        {soft_bounce} AS last_soft_bounce
    FROM ({judged}) AS judged
    GROUP BY recipient
"""
_PAUSED = """
    SELECT
        recipient,
        blocked,
        {hard_bounce} AS hard_until,
        {soft_bounce} AS soft_until
    FROM ({dated}) AS dated
"""
_VIEW = """
    {create} do_not_mail AS
    SELECT
        email_key,
        email,
        CASE WHEN auto_block_spam THEN 'auto_block_spam' ELSE coalesce(pause_reason, 'paused') END
            AS reason,
        CASE WHEN NOT auto_block_spam THEN paused_until END AS until
    FROM users
    WHERE auto_block_spam OR paused_until > {now}
    UNION ALL
    SELECT
        recipient,
        recipient,
        CASE
            WHEN blocked = 1 THEN 'auto_block_spam'
            WHEN soft_until IS NULL OR hard_until >= soft_until THEN 'hard_bounce'
            ELSE 'soft_bounce'
        END,
        CASE
            WHEN blocked = 1 THEN NULL
            WHEN soft_until IS NULL OR hard_until >= soft_until THEN hard_until
            ELSE soft_until
        END
    FROM ({paused}) AS paused
    WHERE blocked = 1 OR hard_until > {now} OR soft_until > {now}
"""

_SECONDS = """coalesce(
    (SELECT CAST(value AS bigint) FROM policy WHERE name = '{action}_pause_seconds'), {default}
)"""
_SQLITE = {
    "create": "CREATE VIEW",
    "lower": "lower(coalesce({column}, '{missing}'))",
    "now": "strftime('%Y-%m-%d %H:%M:%f', 'now')",
    # SQLite's functions know no microseconds, and no year after 9999.
    "until": (
        "CASE WHEN {date} IS NOT NULL THEN coalesce("
        "datetime(substr({date}, 1, 19), '+' || {seconds} || ' seconds') || substr({date}, 20),"
        " '9999-12-31 23:59:59.999999') END"
    ),
}
_POSTGRESQL = {
    "create": "CREATE OR REPLACE VIEW",
    "lower": "lower(coalesce({column}, '{missing}') COLLATE \"C\")",
    "now": "now()",
    "until": (
        "CASE WHEN {date} IS NOT NULL THEN least("
        "{date} + {seconds} * interval '1 second',"
        " timestamptz '9999-12-31 23:59:59.999999+00') END"
    ),
}


def upgrade() -> None:
    """Add the columns and the table, and replace the views."""
    is_sqlite = op.get_context().dialect.name == "sqlite"
    if is_sqlite:
        op.execute("DROP VIEW do_not_mail")
    _add_columns(
        "events",
        *(sa.Column(name, sa.Text, nullable=False, server_default="") for name in _TEXTS),
        sa.Column("tags", sa.Text, nullable=False, server_default="{}"),
        sa.Column("sent_at", Moment),
        sa.Column("mentions_spam", sa.Boolean),
    )
    _add_columns("removals", sa.Column("tenant", sa.Text, nullable=False, server_default=""))
    _create_account_events()
    if not is_sqlite:  # SQLite's view has the columns of the table
        op.execute("CREATE OR REPLACE VIEW events_by_recipient AS TABLE events")
    op.execute(_view(_SQLITE if is_sqlite else _POSTGRESQL))


def _add_columns(table: str, *columns: sa.Column[Any]) -> None:
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
    for column in columns:
        if column.name not in there:
            op.add_column(table, column)


def _create_account_events() -> None:
    texts = (
        "dedupe_key", "kind", "status", "scope", "tenant", "resource", "cause", "finding", "impact",
        "account_id", "region", "route",
    )  # fmt: skip
    op.create_table(
        "account_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False, unique=name == "dedupe_key") for name in texts),
        sa.Column("occurred_at", Moment, nullable=False),
        sa.Column("received_at", Moment, nullable=False),
        sa.Column("verification", sa.Text, nullable=False, server_default="reported"),
        sa.Column("verified_at", Moment),
        if_not_exists=True,
    )


def _view(sql: dict[str, str]) -> str:
    lowered = {
        name: sql["lower"].format(column=name, missing="")
        for name in ("type", "subtype", "diagnostic")
    }
    lowered |= {
        f"{name}_or_none": sql["lower"].format(column=name, missing="none")
        for name in ("type", "subtype")
    }
    names = {
        f"{alias}_name": sql["lower"].format(column=f"{alias}.name", missing="")
        for alias in ("exact", "whole_type")
    }
    judged = _JUDGED.format(refused=_REFUSED.format(**lowered), **lowered, **names)
    dates, until = {}, {}
    for action, default in _DEFAULT_SECONDS.items():
        seconds = _SECONDS.format(action=action, default=default)
        dates[action] = _DATE.format(action=action)
        until[action] = sql["until"].format(date=f"last_{action}", seconds=seconds)
    paused = _PAUSED.format(dated=_DATED.format(judged=judged, **dates), **until)
    return _VIEW.format(create=sql["create"], paused=paused, now=sql["now"])
