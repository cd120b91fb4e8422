"""Creates the view `do_not_mail`: a row for each person who must not be mailed now, user or not.

For a user, the row of `users` decides. For an address that is no user, the view does to its events
what `worker.core.decide` would do to a user's record, under the policy in force; the worker keeps
that policy in the table `policy`. The order of the events does not matter: of each action, a
mailbox's latest bounce dates the pause, else the earliest refusal by SES.
`tests/integration/test_do_not_mail.py` compares the view with the core.

In SQLite a condition on `email_key` reaches the index of `events_by_recipient` only as long as no
query between them groups what another has grouped, or has a LIMIT or a window function.
`COLLATE "C"` keeps PostgreSQL's `lower` to ASCII, whatever the locale of the database.

A migration that changes a column that the view names must replace the view.

Revision: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_DEFAULT_SECONDS = {"hard_bounce": 2_592_000, "soft_bounce": 86_400}
"""The settings' defaults, 30 days and a day, until a worker starts and keeps its own values."""

_REFUSED = """
    type = 'Permanent' AND {subtype} IN (
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
            WHEN {diagnostic} LIKE '%spam%' THEN 'auto_block_spam'
            WHEN type = 'Permanent' THEN 'hard_bounce'
            WHEN type = 'Transient' THEN 'soft_bounce'
            ELSE 'no_action'
        END AS action
    FROM events_by_recipient
    LEFT JOIN policy AS exact ON exact.name =
        'bounce_actions.' || coalesce(type, 'None') || '/' || coalesce(subtype, 'None')
    LEFT JOIN policy AS whole_type ON whole_type.name =
        'bounce_actions.' || coalesce(type, 'None') || '/*'
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
    CREATE VIEW do_not_mail AS
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
    "lower": "lower(coalesce({column}, ''))",
    "now": "strftime('%Y-%m-%d %H:%M:%f', 'now')",
    # SQLite's functions know no microseconds, and no year after 9999.
    "until": (
        "CASE WHEN {date} IS NOT NULL THEN coalesce("
        "datetime(substr({date}, 1, 19), '+' || {seconds} || ' seconds') || substr({date}, 20),"
        " '9999-12-31 23:59:59.999999') END"
    ),
}
_POSTGRESQL = {
    "lower": "lower(coalesce({column}, '') COLLATE \"C\")",
    "now": "now()",
    "until": (
        "CASE WHEN {date} IS NOT NULL THEN least("
        "{date} + {seconds} * interval '1 second',"
        " timestamptz '9999-12-31 23:59:59.999999+00') END"
    ),
}


def upgrade() -> None:
    """Create the table and the view."""
    op.create_table(
        "policy",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    is_sqlite = op.get_context().dialect.name == "sqlite"
    op.execute(_view(_SQLITE if is_sqlite else _POSTGRESQL))


def _view(sql: dict[str, str]) -> str:
    lowered = {name: sql["lower"].format(column=name) for name in ("type", "subtype", "diagnostic")}
    judged = _JUDGED.format(refused=_REFUSED.format(**lowered), **lowered)
    dates, until = {}, {}
    for action, default in _DEFAULT_SECONDS.items():
        seconds = _SECONDS.format(action=action, default=default)
        dates[action] = _DATE.format(action=action)
        until[action] = sql["until"].format(date=f"last_{action}", seconds=seconds)
    paused = _PAUSED.format(dated=_DATED.format(judged=judged, **dates), **until)
    return _VIEW.format(paused=paused, now=sql["now"])
