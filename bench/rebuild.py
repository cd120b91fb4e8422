"""Whether a rebuild of many records gives what live processing gave, and how long it takes.

    python -m bench.rebuild --events 100000 --seed 1 [--store postgresql]

Random mail is processed by a random policy, in random order. Then all records are emptied, as the
worst that can happen to them, and rebuilt; each row must be as it was. Then `policy diff` compares
the policy with another random policy. The result becomes a line of a section of bench/RESULTS.md.
"""

import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec

from bench.findings import Rebuilt
from bench.parts import keep
from bench.places import BENCH, OUT, claimed
from bench.postgresql import running_server
from bench.rebuild_report import write_rebuilds
from worker.core.messages import Received
from worker.core.model import Action, Address
from worker.core.policy import SPAREABLE, Policy
from worker.process import process
from worker.store import Store, ensure_schema, open_store
from worker.store.policy_diff import Comparison
from worker.store.rebuilding import Survey, rebuild
from worker.store.reinstating import Lifting, reinstate
from worker.store.rows import FEEDBACK_COLUMNS
from worker.store.selecting import UserFilter, all_users
from worker.store.users import import_users

DAY = timedelta(days=1)
NOW = datetime.now(UTC)
COMPLAINED, DELIVERED = 0.05, 0.2
"""Shares of the mail; all other mail bounces."""
BATCH = 200
ROWS_SHOWN = 5
_SORTS = (
    ("Permanent", "General"), ("Permanent", "NoEmail"), ("Permanent", "Suppressed"),
    ("Transient", "General"), ("Transient", "MailboxFull"), ("Undetermined", "Undetermined"),
)  # fmt: skip
_DIAGNOSTICS = (
    ("5.1.1", "smtp; 550 5.1.1 user unknown"), ("4.2.2", "smtp; 452 4.2.2 mailbox full"),
    ("5.7.1", "smtp; 550 5.7.1 message content rejected as spam"),
    ("5.7.26", "smtp; 550 5.7.26 this mail is unauthenticated"),
)  # fmt: skip


def random_policy(chance: random.Random) -> Policy:
    """Choose a policy."""
    choices: dict[str, tuple[Any, Any]] = {
        "ignore_out_of_office": (True, False),
        "trust_status": (True, False),
        "complaint_block": (timedelta(0), 30 * DAY),
        "repeat_pause": (timedelta(0), 90 * DAY),
        "soft_bounces_to_pause": (1, 2),
    }
    extra = {name: chance.choice(values) for name, values in choices.items()}
    extra["track_deliveries"] = extra["soft_bounces_to_pause"] > 1  # as the settings ask for
    return Policy(
        hard_bounce_pause=chance.choice([DAY, 7 * DAY, 30 * DAY, 400 * DAY]),
        soft_bounce_pause=chance.choice([DAY / 2, DAY, 3 * DAY, 40 * DAY]),
        bounce_actions={
            "Transient/MailboxFull": chance.choice([*Action]),
            "Undetermined/*": chance.choice([*Action]),
        },
        spare_faults=frozenset(chance.sample(SPAREABLE, chance.randrange(3))),
        **extra,
    )


def bodies(chance: random.Random, events: int, people: int) -> Iterator[str]:
    """Invent notifications of the last 80 days, in no order."""
    for number in range(events):
        at = (NOW - chance.random() * 80 * DAY).isoformat()
        who = f"person{chance.randrange(people)}@example.com"
        mail: dict[str, Any] = {
            "messageId": f"0100-{number:08}",
            "timestamp": at,
            "source": "shop@example.org",
        }
        drawn = chance.random()
        if drawn > 1 - DELIVERED:
            delivery = {"timestamp": at, "recipients": [who]}
            mail["destination"] = [who]
            body = {"notificationType": "Delivery", "delivery": delivery, "mail": mail}
        elif drawn < COMPLAINED:
            complaint = {
                "complainedRecipients": [{"emailAddress": who}],
                "complaintFeedbackType": chance.choice(["abuse", "not-spam"]),
                "timestamp": at,
                "feedbackId": f"f-{number:08}",
            }
            body = {"notificationType": "Complaint", "complaint": complaint, "mail": mail}
        else:
            type_, subtype = chance.choice(_SORTS)
            status, diagnostic = chance.choice(_DIAGNOSTICS)
            entry = {"emailAddress": who, "status": status, "diagnosticCode": diagnostic}
            bounce = {
                "bounceType": type_,
                "bounceSubType": subtype,
                "bouncedRecipients": [entry],
                "timestamp": at,
                "feedbackId": f"f-{number:08}",
            }
            body = {"notificationType": "Bounce", "bounce": bounce, "mail": mail}
        yield msgspec.json.encode(body).decode()


def lived(store: Store, chance: random.Random, policy: Policy, events: int) -> None:
    """Process mail: a fifth of the people are imported last, some are reinstated."""
    people = max(10, events // 4)
    rows = [
        {"email": key, "email_key": key}
        for key in (f"person{number}@example.com" for number in range(people))
    ]
    late = people // 5
    for _ in import_users(store, rows[late:], policy):
        pass
    batch: list[Received] = []
    for number, body in enumerate(bodies(chance, events, people)):
        received_at = NOW - chance.choice([0, 0, 0, 5, 40]) * DAY
        batch.append(
            Received(
                message_id=str(number),
                body=body,
                receipt_handle="",
                receive_count=1,
                received_at=received_at,
                lease_until=float("inf"),
            )
        )
        if len(batch) == BATCH or number == events - 1:
            process(batch, store, policy)
            batch.clear()
        if number == events // 2:
            some = [rows[n]["email_key"] for n in chance.sample(range(people), people // 50 + 1)]
            reinstate(
                store,
                [Address(key, key) for key in some],
                Lifting(who="bench", why="bench", policy=policy),
            )
    for _ in import_users(store, rows[:late], policy):
        pass


def records(store: Store) -> dict[str, tuple[Any, ...]]:
    """Read all rows."""
    return {
        user["email_key"]: tuple(user[name] for name in FEEDBACK_COLUMNS)
        for user in all_users(store, UserFilter())
    }


def emptied(store: Store, policy: Policy) -> None:
    """Empty all records that can be rebuilt, but for reinstatements and deliveries.

    Where deliveries forgive, a rebuild leaves users alone whose deliveries were never known.
    """
    unknown = f"last_delivery IS NULL AND soft_bounce_count >= {policy.soft_bounces_to_pause}"
    chosen = f"NOT ({unknown})" if policy.forgives else "true"
    with store.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE users SET auto_block_spam = false, last_hard_bounce = NULL,"
            " last_soft_bounce = NULL, last_complaint = NULL, hard_bounce_count = 0,"
            " soft_bounce_count = 0, complaint_count = 0, paused_until = NULL,"
            " pause_reason = NULL, hard_bounce_refused = false, soft_bounce_refused = false"
            f" WHERE {chosen}"
        )


@click.command()
@click.option("--events", default=100_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--store", "kind", type=click.Choice(["sqlite", "postgresql"]), default="sqlite")
def main(events: int, seed: int, kind: str) -> None:
    """Process, empty, rebuild, compare."""
    with claimed(), _database(kind) as url:
        rebuilt = measure(url, events, seed)
    keep(f"rebuild-{kind}", rebuilt)
    write_rebuilds(BENCH)
    if rebuilt.different:
        raise SystemExit(1)


@contextmanager
def _database(kind: str) -> Iterator[str]:
    if kind == "postgresql":
        with running_server() as server:
            yield str(server.get_uri("postgres"))
        return
    with tempfile.TemporaryDirectory(dir=OUT) as folder:
        yield f"sqlite:///{Path(folder) / 'bench.db'}"


def measure(url: str, events: int, seed: int) -> Rebuilt:
    """Process, empty, rebuild, compare, in an empty database."""
    chance = random.Random(seed)
    policy, other = random_policy(chance), random_policy(chance)
    store = open_store(url)
    ensure_schema(store, migrate=True)
    times: dict[str, float] = {}

    def timed(what: str, since: float) -> None:
        times[what] = time.perf_counter() - since
        click.echo(f"{what:<20} {times[what]:8.1f} s, load {os.getloadavg()[0]:.1f}")

    since = time.perf_counter()
    lived(store, chance, policy, events)
    timed("processed", since)
    expected = records(store)
    emptied(store, policy)
    since = time.perf_counter()
    with Survey(policy, NOW, 0) as survey:
        with store.reading() as connection:
            survey.read(connection, lambda *_: None)
        timed("read for a rebuild", since)
        since = time.perf_counter()
        for _ in rebuild(store, survey, policy):
            pass
        timed("rebuilt", since)
    found = records(store)
    wrong = [key for key in expected | found if found.get(key) != expected.get(key)]
    refused = sum(survey.refused.values())
    click.echo(f"{len(found):,} users, {len(wrong):,} not as they were; refused: {refused}")
    for key in wrong[:ROWS_SHOWN]:
        click.echo(f"  {key}: {expected.get(key)} became {found.get(key)}")
    since = time.perf_counter()
    comparison = Comparison(policy, other, NOW, 5)
    with store.reading() as connection:
        comparison.read(connection, since=None, report=lambda *_: None, found=lambda _: None)
    timed("policy diff", since)
    store.close()
    changes = {str(change): count for change, count in comparison.by_change.items()}
    click.echo(f"policy diff: {changes}")
    return Rebuilt(
        events=events,
        seed=seed,
        users=len(found),
        changed=survey.changed,
        different=len(wrong),
        refused=refused,
        seconds=times,
        load=os.getloadavg()[0],
        changes=changes,
    )


if __name__ == "__main__":
    main()
