"""Figures of mail that nobody sent: as a worker would have counted it over many days."""

import json
import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from worker.core.counting import Fact, figures_of
from worker.core.times import time_text

DOMAINS = (
    "gmail.com", "outlook.com", "yahoo.com", "hotmail.com", "icloud.com", "gmx.de", "web.de",
    "example.com", "example.net", "example.org", "qq.com", "mail.ru", "aol.com", "orange.fr",
    *(f"firm{number}.example" for number in range(400)),
)  # fmt: skip
_WEIGHTS = list(accumulate(1 / (at + 1.5) for at in range(len(DOMAINS))))
SETS = ("transactional", "newsletter", "invitations", "receipts")
TENANTS = ("north", "south", "west", "")
_BOUNCES = (
    ("Permanent", "General", "recipient", "5.1.1", 46),
    ("Permanent", "NoEmail", "recipient", "5.1.1", 9),
    ("Permanent", "OnAccountSuppressionList", "recipient", "", 7),
    ("Permanent", "Suppressed", "recipient", "", 4),
    ("Transient", "General", "receiver", "4.4.7", 14),
    ("Transient", "MailboxFull", "recipient", "5.2.2", 11),
    ("Transient", "ContentRejected", "message", "5.7.1", 4),
    ("Transient", "MessageTooLarge", "message", "5.3.4", 2),
    ("Undetermined", "Undetermined", "unknown", "", 3),
)
_OF_BOUNCES = list(accumulate(bounce[-1] for bounce in _BOUNCES))
_COMPLAINTS = (("abuse", ""), ("abuse", ""), ("abuse", ""), ("fraud", ""), ("", ""))


def facts_of_day(
    rng: random.Random, day: datetime, mails: int, share: float, *, is_today: bool = False
) -> dict[Fact, int]:
    """Invent a day: so many mails, of which a share bounces."""
    facts: dict[Fact, int] = {}
    last_hour = day.hour if is_today else 23

    def count(*fact: str, times: int = 1) -> None:
        key: Fact = (f"{day:%Y-%m-%d}T{rng.randint(0, last_hour):02}", *fact)  # type: ignore[assignment]
        facts[key] = facts.get(key, 0) + times

    for _ in range(60):
        domain, configuration_set, tenant = _to(rng)
        times = max(1, round(mails / 60))
        for what in ("send", "delivery"):
            count(what, "", "", domain, configuration_set, tenant, "", "", "", times=times)
    for _ in range(round(mails * share)):
        domain, configuration_set, tenant = _to(rng, bad=True)
        type_, subtype, fault, status, _ = rng.choices(_BOUNCES, cum_weights=_OF_BOUNCES)[0]
        became = rng.choice(("p", "p", "p", "rp", "u"))
        count("bounce", type_, subtype, domain, configuration_set, tenant, fault, status, became)
    for _ in range(round(mails * rng.uniform(0.0002, 0.0009))):
        domain, _, tenant = _to(rng)
        type_, subtype = rng.choice(_COMPLAINTS)
        count("complaint", type_, subtype, domain, "newsletter", tenant, "", "", "b")
    return facts


def _to(rng: random.Random, *, bad: bool = False) -> tuple[str, str, str]:
    domain = rng.choices(DOMAINS, cum_weights=_WEIGHTS)[0]
    weights = (1, 6, 3, 1) if bad else (5, 4, 1, 3)
    return domain, rng.choices(SETS, weights)[0], rng.choices(TENANTS, (4, 3, 2, 1))[0]


def invent(path: object, days: int, until: datetime, *, seed: int = 7, mails: int = 9_000) -> None:
    """Write the figures of so many days before `until` into a SQLite file with our schema."""
    rng = random.Random(seed)
    with sqlite3.connect(str(path)) as connection:
        for number in range(days + 1):
            day = until.astimezone(UTC) - timedelta(days=days - number)
            season = mails * (0.35 if day.weekday() > 4 else 1) * (0.8 + 0.5 * number / days)
            old_list = 0.055 if 0.55 * days < number < 0.6 * days else 0
            share = rng.uniform(0.009, 0.019) + old_list
            facts = facts_of_day(rng, day, round(season), share, is_today=number == days)
            write_facts(connection, facts)
        _invent_events(rng, connection, until)
    connection.close()


def write_facts(connection: sqlite3.Connection, facts: dict[Fact, int]) -> None:
    """Add figures up as a worker does in the background."""
    for table, step in (("hourly_counts", "hour"), ("daily_counts", "day")):
        connection.executemany(
            f"INSERT INTO {table} (dimension, {step}, measure, value, count)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
            _rows(facts, in_days=step == "day"),
        )


def _rows(facts: dict[Fact, int], *, in_days: bool) -> Iterator[tuple[str, str, str, str, int]]:
    for (dimension, hour, measure, value), count in figures_of(facts).items():
        at = datetime.fromisoformat(f"{hour}:00:00+00:00")
        yield dimension, time_text(at.replace(hour=0) if in_days else at), measure, value, count


def _invent_events(rng: random.Random, connection: sqlite3.Connection, until: datetime) -> None:
    for number in range(30):
        at = time_text(until.astimezone(UTC) - timedelta(minutes=37 * number + 5))
        type_, subtype, fault, status, _ = rng.choices(_BOUNCES, cum_weights=_OF_BOUNCES)[0]
        action = {"Permanent": "hard_bounce", "Transient": "soft_bounce"}.get(type_, "no_action")
        event(connection, f"{number}", at=at, type=type_, subtype=subtype, fault=fault,
              status=status, action=action,
              recipient=f"person{number}@{rng.choices(DOMAINS, cum_weights=_WEIGHTS)[0]}",
              tags={"campaign": [rng.choice(("spring", "welcome", "reminder"))]})  # fmt: skip


def event(connection: sqlite3.Connection, key: str, *, tags: object = None, **columns: str) -> None:
    """Write an event."""
    given = {
        "dedupe_key": key, "route_key": key, "kind": "bounce", "type": "Permanent",
        "subtype": "General", "recipient": "jane@example.com", "user_match": "found",
        "action": "hard_bounce", "reason": "permanent", "feedback_id": key, "ses_message_id": key,
        "diagnostic": "", "status": "", "tags": json.dumps(tags or {}),
        "at": "2026-11-30 09:00:00.000000",
    } | columns  # fmt: skip
    at = given.pop("at")
    given |= {"occurred_at": at, "received_at": at, "recipient_as_reported": given["recipient"]}
    names = ", ".join(given)
    marks = ", ".join("?" * len(given))
    connection.execute(f"INSERT INTO events ({names}) VALUES ({marks})", tuple(given.values()))


def counted(url: str, facts: dict[Fact, int]) -> None:
    """Write facts as a commit of the worker does, into either database; they are added up later."""
    from worker.core.counting import encode_facts
    from worker.store import ensure_schema, open_store
    from worker.store.schema import new_counts

    store = open_store(url)
    ensure_schema(store, migrate=True)
    with store.write_transaction() as connection:
        connection.execute(new_counts.insert().values(counts=encode_facts(facts)))
    store.close()


def fact(
    what: str, type_: str = "", subtype: str = "", *, at: datetime | None = None, **more: str
) -> Fact:
    """Name what happened once, by default today; `more` are the other fields by their names."""
    hour = f"{at or datetime.now(UTC):%Y-%m-%dT%H}"
    fields = ("domain", "configuration_set", "tenant", "fault", "status", "became")
    return (hour, what, type_, subtype, *(more.get(name, "") for name in fields))  # type: ignore[return-value]
