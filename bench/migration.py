"""How long a migration of a grown store takes, with workers running before, during and after it.

    python -m bench.migration --before ../old [--store postgresql] [--events 10000000]

`../old` is a checkout of the version before. Its daemon works on a queue of the stub, a thousand
messages a second; then this version's `ses-worker db upgrade` runs beside it; then this version's
daemon takes over. The stub reports how long messages waited.
"""

import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

import click
import psycopg
from msgspec import Struct
from rich.console import Console

from bench.findings import Migrated
from bench.grown import FIRST_EVENT, fill
from bench.migration_report import write_migrations
from bench.parts import keep
from bench.places import BENCH, OUT, RUN_SECONDS, USERS, Unfit, claimed, environment, find_node
from bench.postgresql import running_server
from bench.processes import Failed, ended, run_together, started
from bench.stub import Stub, running_stub

QUEUE = "migration"
PHASE_SECONDS = 5.0
CHUNK, CHUNK_SECONDS = 200, 0.2
UPGRADE_SECONDS = 3_600
FILE = OUT / "migration.db"
_POSTGRESQL_EVENTS = """
    INSERT INTO events (
        dedupe_key, route_key, kind, type, subtype, recipient, recipient_as_reported, user_match,
        action, reason, occurred_at, received_at, feedback_id, ses_message_id, diagnostic, status
    )
    SELECT id || ':' || substr(chance, 1, 24), id || ':' || substr(chance, 9, 24), 'bounce',
           'Permanent', 'General', email, email, 'missing', 'no_action', 'unknown_recipient',
           now(), now(), id, id,
           'smtp; 550 5.1.1 The email account that you tried to reach does not exist. user' || i,
           '5.1.1'
    FROM (
        SELECT i, md5(i::text) AS chance,
               'user' || i %% 100000 || '@example' || i %% 977 || '.com' AS email,
               '0100' || lpad(to_hex(%(first)s - (%(events)s - i) * 10), 12, '0') || '-'
               || substr(md5(i::text), 1, 8) || '-4444-8888-' || substr(md5(i::text), 9, 12)
               || '-000000' AS id
        FROM generate_series(1, %(events)s) AS i
    ) AS drawn
"""

console = Console(stderr=True)


class Load:
    """Puts messages on the queue, a thousand a second, until it is stopped."""

    def __init__(self, stub: Stub) -> None:
        self.messages = 0
        self._stub = stub
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(CHUNK_SECONDS):
            self._stub.load(QUEUE, CHUNK, f"chunk {self.messages}")
            self.messages += CHUNK

    def stop(self) -> None:
        """Send no more."""
        self._over.set()
        self._thread.join()


class Place(Struct, frozen=True, kw_only=True):
    """A grown store."""

    url: str
    megabytes: Callable[[], float]
    count: Callable[[], int]


@click.command()
@click.option("--before", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--store", type=click.Choice(["sqlite", "postgresql"]), default="sqlite")
@click.option("--events", type=click.IntRange(min=1), default=10_000_000, show_default=True)
def main(*, before: Path, store: str, events: int) -> None:
    """Measure a migration."""
    try:
        with claimed(), running_stub(find_node()) as stub:
            old = _Program(stub, before.resolve())
            with _PLACES[store](old, events) as place:
                result = _measure(stub, old, _Program(stub, None), place, store, events)
    except (Unfit, Failed) as error:
        console.print(str(error), style="red")
        sys.exit(1)
    keep(f"migration-{store}", result)
    write_migrations(BENCH)
    for name in result.__struct_fields__:
        click.echo(f"{name:<18} {getattr(result, name)}")
    sys.exit(1 if result.lost else 0)


class _Program:
    """The worker of a checkout, or of this tree."""

    def __init__(self, stub: Stub, tree: Path | None) -> None:
        self._command = [sys.executable, "-P", "-m", "worker"]
        more = {"PYTHONPATH": str(tree)} if tree else {}
        self._surroundings = environment(stub.endpoint, **more) | {
            "SES_WORKER_QUEUE__URL": stub.queue_url(QUEUE),
            "SES_WORKER_HTTP__LISTEN": "",
            "SES_WORKER_STORE__MIGRATE": "manual",
        }
        self._name = "old" if tree else "new"

    def upgrade(self, url: str) -> float:
        """Bring the schema up; return the seconds."""
        surroundings = self._surroundings | {"SES_WORKER_STORE__URL": url}
        began = time.monotonic()
        folder = OUT / f"migration-{self._name}"
        run_together([[*self._command, "db", "upgrade"]], surroundings, folder, UPGRADE_SECONDS)
        return time.monotonic() - began

    @contextmanager
    def running(self, url: str) -> Iterator[None]:
        """Run the daemon for the block."""
        surroundings = self._surroundings | {"SES_WORKER_STORE__URL": url}
        stem = OUT / f"migration-{self._name}" / "run"
        with started([*self._command, "run"], surroundings, stem) as process:
            yield
            process.send_signal(signal.SIGTERM)
            ended(process, time.monotonic() + RUN_SECONDS, stem)


def _measure(
    stub: Stub, old: _Program, new: _Program, place: Place, store: str, events: int
) -> Migrated:
    size, known = place.megabytes(), place.count()
    load, wal = Load(stub), _LargestWal()
    try:
        with old.running(place.url):
            time.sleep(PHASE_SECONDS)
            waited_before = stub.held(QUEUE).waited
            seconds = new.upgrade(place.url)
            time.sleep(PHASE_SECONDS)
        with new.running(place.url):
            time.sleep(PHASE_SECONDS)
            load.stop()
            deadline = time.monotonic() + RUN_SECONDS
            while not stub.has(QUEUE, deleted=load.messages) and time.monotonic() < deadline:
                pass
    finally:
        load.stop()
        wal.stop()
    held = stub.held(QUEUE)
    return Migrated(
        store=store,
        events=events,
        upgrade_seconds=round(seconds, 2),
        waited_ms_before=round(waited_before),
        waited_ms=round(held.waited),
        held_ms=round(held.most),
        megabytes=round(size),
        megabytes_grown=round(place.megabytes() - size),
        wal_megabytes=round(wal.megabytes),
        messages=load.messages,
        lost=load.messages - (place.count() - known),
        load=round(os.getloadavg()[0], 1),
    )


class _LargestWal:
    """Looks at the size of the `-wal` of SQLite's file until it is stopped."""

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.02):
            with suppress(FileNotFoundError):
                size = FILE.with_name(f"{FILE.name}-wal").stat().st_size
                self.megabytes = max(self.megabytes, size / 1e6)

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()


@contextmanager
def _sqlite(old: _Program, events: int) -> Iterator[Place]:
    _remove_file()
    try:
        url = f"sqlite:///{FILE}"
        old.upgrade(url)
        fill(FILE, USERS, events)
        yield Place(
            url=url,
            megabytes=lambda: FILE.stat().st_size / 1e6,
            count=lambda: _count(FILE),
        )
    finally:
        _remove_file()


def _count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (events,) = connection.execute("SELECT count(*) FROM events").fetchone()
        return int(events)


def _remove_file() -> None:
    for left in OUT.glob(f"{FILE.name}*"):
        left.unlink()


@contextmanager
def _postgresql(old: _Program, events: int) -> Iterator[Place]:
    with running_server() as server:
        url = str(server.get_uri("postgres"))
        old.upgrade(url)

        def ask(query: str) -> int:
            with psycopg.connect(url, autocommit=True) as connection:
                (found,) = connection.execute(query).fetchone() or (0,)
                return int(found)

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_POSTGRESQL_EVENTS, {"events": events, "first": FIRST_EVENT})
            connection.execute("VACUUM ANALYZE")
        yield Place(
            url=url,
            megabytes=lambda: ask("SELECT pg_database_size(current_database())") / 1e6,
            count=lambda: ask("SELECT count(*) FROM events"),
        )


_PLACES: Mapping[str, Callable[[_Program, int], AbstractContextManager[Place]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
}


if __name__ == "__main__":
    main()
