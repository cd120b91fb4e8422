"""The worker's store for a run: filled with users once, fresh for each, counted afterwards."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Protocol

from bench import yardstick
from bench.places import OUT, USERS, WORKER
from bench.processes import run_together

COUNTS = """
    SELECT (SELECT count(*) FROM events),
           (SELECT sum(hard_bounce_count + soft_bounce_count + complaint_count) FROM users)
"""


class BenchStore(Protocol):
    """One kind of store."""

    name: str
    title: str

    def fresh(self) -> str:
        """Have all users and no events; return `store.url`."""

    def counts(self) -> tuple[int, int]:
        """Count events, and what has been counted for users."""

    def cpu_seconds(self) -> float:
        """What the database's own processes have used so far."""


def email(number: int) -> str:
    """A user's address, as the stub's messages have it."""
    return f"user{number}@example{number % 977}.com"


def fill(store_url: str, surroundings: Mapping[str, str]) -> None:
    """Bring all users in, with the worker's own command."""
    users = OUT / "users.csv"
    users.write_text("email\n" + "".join(f"{email(number)}\n" for number in range(USERS)))
    command = [str(WORKER), "users", "import", str(users)]
    run_together([command], {**surroundings, "SES_WORKER_STORE__URL": store_url}, OUT / "import")


class SqliteBenchStore:
    """A file, copied from a template."""

    name = "sqlite"
    title = "SQLite"

    def __init__(self, surroundings: Mapping[str, str]) -> None:
        self._template = OUT / "template.db"
        self._path = OUT / "run.db"
        self._template.unlink(missing_ok=True)
        fill(f"sqlite:///{self._template}", surroundings)

    def fresh(self) -> str:
        """Copy the template."""
        return f"sqlite:///{yardstick.copy(self._template, self._path)}"

    def counts(self) -> tuple[int, int]:
        """Count in the copy."""
        with closing(sqlite3.connect(self._path)) as connection:
            events, counted = connection.execute(COUNTS).fetchone()
            return events, counted

    def cpu_seconds(self) -> float:
        """SQLite runs in the worker's process."""
        return 0.0
