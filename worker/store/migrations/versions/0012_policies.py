"""Keeps what other policies ask of a bounce, and judges strangers by these policies.

Two columns of `events`: whether a bounce is an automatic reply, and whether a Transient bounce has
the status of a permanent failure. They have no default, so neither database rewrites the rows; in
older rows they are NULL, and the texts decide.

The view `do_not_mail` follows all settings of the policy, as the table `policy` has them; a setting
that is not there has its default. Where soft bounces are counted, or repeated pauses are longer
(`worker.core.pausing`), the view collects the bounces of an address and looks at them in a query of
its own: a condition on `email_key` still reaches the index of the events. Without such a setting it
collects nothing. Strangers have no deliveries; the rows of kind `forgiveness` are from when an
address was a user. `tests/integration/test_do_not_mail.py` compares the view with the core.

What 0008 and 0009 say about the view still holds. A migration that changes a column that it names
must replace it.

Revision: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_COLUMNS = ("out_of_office", "permanent_status")
_COMPLAINT = ("complaint", "complaint_block")

_DEFAULT_SECONDS = {"hard_bounce": 2_592_000, "soft_bounce": 86_400}
"""The settings' defaults, 30 days and a day, until a worker starts and keeps its own values."""
_REPEATED_WITHIN = 7_776_000
"""90 days."""

_SETTING = "(SELECT value FROM policy WHERE name = '{name}')"
_NUMBER = "coalesce((SELECT CAST(value AS bigint) FROM policy WHERE name = '{name}'), {default})"
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
            WHEN kind = 'forgiveness' THEN 'forgiveness'
            WHEN kind = 'complaint' AND {subtype} LIKE '%suppressionlist' THEN 'no_action'
            WHEN kind = 'complaint' AND {type} = 'not-spam' THEN 'no_action'
            WHEN kind = 'complaint' AND {complaint_block} > 0 THEN 'complaint'
            WHEN kind = 'complaint' THEN 'auto_block_spam'
            WHEN exact.value IS NOT NULL THEN exact.value
            WHEN whole_type.value IS NOT NULL THEN whole_type.value
            WHEN {subtype} = 'unsubscribedrecipient' THEN 'no_action'
            WHEN {ignore_out_of_office} = 'true' AND coalesce(
                out_of_office,
                {type} = 'transient' AND {subtype} = 'general' AND status = '' AND diagnostic = ''
            ) THEN 'no_action'
            WHEN spared.value IS NOT NULL AND NOT ({refused}) THEN 'no_action'
            WHEN coalesce(mentions_spam, {diagnostic} LIKE '%spam%') THEN 'auto_block_spam'
            WHEN {type} = 'permanent' THEN 'hard_bounce'
            WHEN {type} = 'transient' AND {trust_status} = 'true'
                AND coalesce(permanent_status, status LIKE '5.%') THEN 'hard_bounce'
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
        AND kind IN ('bounce', 'complaint', 'forgiveness')
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
        {soft_bounce} AS last_soft_bounce,
        max(CASE WHEN action = 'complaint' THEN occurred_at END) AS last_complaint,
        max(CASE WHEN action = 'forgiveness' THEN {moment} END) AS forgiven_at,
        {collected}
    FROM ({judged}) AS judged
    GROUP BY recipient
"""
_NEEDS_PAST = "({soft_bounces_to_pause} > 1 OR {repeat_pause} > 0)"
_BOUNCES = "FILTER (WHERE action IN ('hard_bounce', 'soft_bounce') AND {needs_past})"
# As worker.core.pausing does it. `lag` looks back to the first of as many soft bounces as pause;
# of several bounces at once, the last decides.
_LATEST = """(
    WITH counted AS (
        SELECT at, action, refused FROM {past}
        WHERE action = 'hard_bounce' OR {soft_bounces_to_pause} <= 1
            OR forgiven_at IS NULL OR at >= forgiven_at
    ),
    dated AS (
        SELECT at, action FROM counted WHERE refused = 0
        UNION ALL
        SELECT min(at), action FROM counted AS refusal
        WHERE NOT EXISTS (
            SELECT 1 FROM counted WHERE counted.action = refusal.action AND counted.refused = 0
        )
        GROUP BY action
    ),
    looked_back AS (
        SELECT
            at,
            action,
            CASE action WHEN 'hard_bounce' THEN {hard_bounce} ELSE {soft_bounce} END AS seconds,
            lag(at, CAST({soft_bounces_to_pause} - 1 AS integer))
                OVER (PARTITION BY action ORDER BY at) AS first_at
        FROM dated
    ),
    pausing AS (
        SELECT
            at,
            action,
            seconds,
            max({until_ordinary}) OVER (
                ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS paused_before
        FROM looked_back
        WHERE seconds > 0
            AND (action = 'hard_bounce' OR {since_first} <= {window})
    ),
    repeated AS (
        SELECT
            at,
            action,
            seconds,
            count(CASE WHEN paused_before IS NULL OR at >= paused_before THEN 1 END) OVER (
                ORDER BY at RANGE BETWEEN {repeated_within} PRECEDING AND CURRENT ROW
            ) AS pauses
        FROM pausing
    ),
    lasting AS (
        SELECT
            at,
            action,
            CASE
                WHEN {repeat_pause} > seconds AND pauses >= 3 THEN {repeat_pause} ELSE seconds
            END AS seconds
        FROM repeated
    )
    SELECT {until_lasting} FROM lasting WHERE action = '{action}'
)"""
_PAUSED = """
    SELECT
        recipient,
        blocked,
        CASE WHEN {needs_past} THEN {latest_hard_bounce} ELSE {hard_bounce} END AS hard_until,
        CASE WHEN {needs_past} THEN {latest_soft_bounce} ELSE {soft_bounce} END AS soft_until,
        {complaint} AS complaint_until
    FROM ({dated}) AS dated
"""
_IS_COMPLAINT = """
    complaint_until IS NOT NULL
    AND (hard_until IS NULL OR complaint_until >= hard_until)
    AND (soft_until IS NULL OR complaint_until >= soft_until)
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
            WHEN {is_complaint} THEN 'complaint'
            WHEN soft_until IS NULL OR hard_until >= soft_until THEN 'hard_bounce'
            ELSE 'soft_bounce'
        END,
        CASE
            WHEN blocked = 1 THEN NULL
            WHEN {is_complaint} THEN complaint_until
            WHEN soft_until IS NULL OR hard_until >= soft_until THEN hard_until
            ELSE soft_until
        END
    FROM ({paused}) AS paused
    WHERE blocked = 1 OR hard_until > {now} OR soft_until > {now} OR complaint_until > {now}
"""

_END_OF_TIME = "'9999-12-31 23:59:59.999999'"
_SQLITE = {
    "create": "CREATE VIEW",
    "lower": "lower(coalesce({column}, '{missing}'))",
    "now": "strftime('%Y-%m-%d %H:%M:%f', 'now')",
    # SQLite's functions know no microseconds, and no year after 9999.
    "until": (
        "CASE WHEN {date} IS NOT NULL THEN coalesce("
        "datetime(substr({date}, 1, 19), '+' || {seconds} || ' seconds') || substr({date}, 20),"
        f" {_END_OF_TIME}) END"
    ),
    # Within the query about the past, times are microseconds.
    "moment": (
        "CAST(strftime('%s', substr(occurred_at, 1, 19)) AS INTEGER) * 1000000"
        " + CAST(substr(substr(occurred_at, 21) || '000000', 1, 6) AS INTEGER)"
    ),
    "collected": "json_group_array(json_array({moment}, action, refused)) {bounces} AS past",
    "past": (
        "(SELECT json_extract(value, '$[0]') AS at, json_extract(value, '$[1]') AS action,"
        " json_extract(value, '$[2]') AS refused FROM json_each(past))"
    ),
    "until_ordinary": "at + seconds * 1000000",
    "since_first": "at - first_at",
    "window": "{window} * 1000000",
    "repeated_within": f"{_REPEATED_WITHIN}000000",
    "until_lasting": (
        "CASE WHEN count(*) > 0 THEN coalesce("
        "datetime(max(at + seconds * 1000000) / 1000000, 'unixepoch')"
        " || printf('.%06d', max(at + seconds * 1000000) % 1000000),"
        f" {_END_OF_TIME}) END"
    ),
}
_POSTGRESQL = {
    "create": "CREATE OR REPLACE VIEW",
    "lower": "lower(coalesce({column}, '{missing}') COLLATE \"C\")",
    "now": "now()",
    "until": (
        "CASE WHEN {date} IS NOT NULL THEN least("
        "{date} + {seconds} * interval '1 second',"
        f" timestamptz {_END_OF_TIME[:-1]}+00') END"
    ),
    "moment": "occurred_at",
    "collected": (
        "array_agg({moment}) {bounces} AS past_at, array_agg(action) {bounces} AS past_action,"
        " array_agg(refused) {bounces} AS past_refused"
    ),
    "past": "unnest(past_at, past_action, past_refused) AS past (at, action, refused)",
    "until_ordinary": "at + seconds * interval '1 second'",
    "since_first": "at - first_at",
    "window": "{window} * interval '1 second'",
    "repeated_within": f"interval '{_REPEATED_WITHIN} seconds'",
    "until_lasting": (
        "least(max(at + seconds * interval '1 second'),"
        f" CASE WHEN count(*) > 0 THEN timestamptz {_END_OF_TIME[:-1]}+00' END)"
    ),
}


def upgrade() -> None:
    """Add the columns, unless the database went back to 0011, and replace the views."""
    is_sqlite = op.get_context().dialect.name == "sqlite"
    if is_sqlite:
        op.execute("DROP VIEW do_not_mail")
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("events")}
    for name in _COLUMNS:
        if name not in there:
            op.add_column("events", sa.Column(name, sa.Boolean))
    if not is_sqlite:  # SQLite's view has the columns of the table
        op.execute("CREATE OR REPLACE VIEW events_by_recipient AS TABLE events")
    op.execute(_view(_SQLITE if is_sqlite else _POSTGRESQL))


def _view(sql: dict[str, str]) -> str:
    settings = _settings()
    until = {
        name: sql["until"].format(date=f"last_{name}", seconds=settings[seconds])
        for name, seconds in (*((action, action) for action in _DEFAULT_SECONDS), _COMPLAINT)
    }
    latest = {f"latest_{action}": _latest(sql, settings, action) for action in _DEFAULT_SECONDS}
    needs_past = settings["needs_past"]
    paused = _PAUSED.format(dated=_dated(sql, settings), needs_past=needs_past, **until, **latest)
    return _VIEW.format(
        create=sql["create"], paused=paused, now=sql["now"], is_complaint=_IS_COMPLAINT
    )


def _settings() -> dict[str, str]:
    """Return how SQL reads each setting; pauses in seconds, by action."""
    settings = {
        action: _NUMBER.format(name=f"{action}_pause_seconds", default=default)
        for action, default in _DEFAULT_SECONDS.items()
    }
    for name in ("repeat_pause", "complaint_block", "soft_bounce_window"):
        settings[name] = _NUMBER.format(name=f"{name}_seconds", default=0)
    many = "soft_bounces_to_pause"
    settings[many] = _NUMBER.format(name=many, default=1)
    for name in ("ignore_out_of_office", "trust_status"):
        settings[name] = _SETTING.format(name=name)
    return settings | {"needs_past": _NEEDS_PAST.format(**settings)}


def _dated(sql: dict[str, str], settings: dict[str, str]) -> str:
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
    refused = _REFUSED.format(**lowered)
    judged = _JUDGED.format(refused=refused, **lowered, **names, **settings)
    bounces = _BOUNCES.format(**settings)
    return _DATED.format(
        judged=judged,
        moment=sql["moment"],
        collected=sql["collected"].format(moment=sql["moment"], bounces=bounces),
        **{action: _DATE.format(action=action) for action in _DEFAULT_SECONDS},
    )


def _latest(sql: dict[str, str], settings: dict[str, str], action: str) -> str:
    ours = ("past", "until_ordinary", "since_first", "repeated_within", "until_lasting")
    return _LATEST.format(
        action=action,
        window=sql["window"].format(window=settings["soft_bounce_window"]),
        **{name: sql[name] for name in ours},
        **settings,
    )
