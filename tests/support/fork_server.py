"""Import the libraries, and perhaps the worker; then run a program in a fork for each connection.

    python -P fork_server.py DESCRIPTOR libraries|worker COMMAND

DESCRIPTOR is the listening socket; `forking` is the client. It sends the descriptors of three
standard streams and a JSON object, and is sent two lines: the process id, and the exit status when
that has ended. COMMAND is for `ps`, which shows the server's arguments for what is forked.
"""

import atexit
import gc
import json
import os
import pkgutil
import runpy
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

LIBRARIES = (
    "alembic.command", "alembic.config", "alembic.runtime.migration", "alembic.script", "boto3",
    "botocore.auth", "botocore.config", "botocore.credentials", "botocore.httpsession", "click",
    "concurrent.futures.thread", "email.utils", "http.client", "idna", "msgspec", "msgspec.structs",
    "prometheus_client.exposition", "psycopg.rows", "pydantic", "rich.console", "rich.progress",
    "rich.table", "rich.text", "slack_sdk.webhook", "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite", "sqlite3", "structlog", "tenacity", "tomllib",
    "urllib.request", "uuid", "waitress.server",
)  # fmt: skip
COMMAND = Path(sys.executable).with_name("ses-worker")


class Server:
    """Forks for every connection."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._running: dict[int, socket.socket] = {}
        """Connections by the descriptor that is readable when their process has ended."""
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(sys.stdin, selectors.EVENT_READ)

    def serve(self) -> dict[str, Any]:
        """Return each request in the process that is forked for it; else exit with the client."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is sys.stdin:
                    sys.exit()
                elif key.fileobj is not self._listener:
                    self._report_end(key.fd, key.data)
                elif request := self._forked(self._listener.accept()[0]):
                    self._close()
                    return request

    def _forked(self, connection: socket.socket) -> dict[str, Any] | None:
        request = _received(connection)
        if not (process := os.fork()):
            connection.close()
            return request
        for descriptor in request["streams"]:
            os.close(descriptor)
        with suppress(OSError):
            connection.sendall(f"{process}\n".encode())
        ended = os.pidfd_open(process)
        self._running[ended] = connection
        self._selector.register(ended, selectors.EVENT_READ, process)
        return None

    def _report_end(self, ended: int, process: int) -> None:
        self._selector.unregister(ended)
        os.close(ended)
        _, status = os.waitpid(process, 0)
        # The client is gone if the command took too long.
        with self._running.pop(ended) as connection, suppress(OSError):
            connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())

    def _close(self) -> None:
        self._selector.close()
        self._listener.close()
        for connection in self._running.values():
            connection.close()


def _received(connection: socket.socket) -> dict[str, Any]:
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as stream:
        return {**json.load(stream), "streams": streams}


def become(request: dict[str, Any]) -> None:
    """Take on what a started process would have been given."""
    for number, descriptor in enumerate(request["streams"]):
        os.dup2(descriptor, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    # As Python makes them when it starts; they live as long as the process.
    sys.stdin = open(0, errors=sys.stdin.errors, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", errors=sys.stdout.errors, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors=sys.stderr.errors, closefd=False)  # noqa: SIM115
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    if not request["python"]:
        sys.argv = [str(COMMAND), *request["arguments"]]
        Path("/proc/self/comm").write_text(COMMAND.name, encoding="utf-8")


def program(request: dict[str, Any]) -> Callable[[], object]:
    """Return what to run: the installed command, or what `python` would run with these arguments."""
    words: list[str] = request["python"]
    arguments: list[str] = request["arguments"]
    if not words:
        command = next(iter(entry_points(group="console_scripts", name=COMMAND.name)))
        loaded: Callable[[], object] = command.load()
        return loaded
    if words[0] == "-c":
        sys.path.insert(0, "")
        sys.argv = ["-c", *words[2:], *arguments]
        return partial(exec, compile(words[1], "<string>", "exec"), {"__name__": "__main__"})
    sys.path.insert(0, str(Path(words[0]).parent))
    sys.argv = [*words, *arguments]
    return partial(runpy.run_path, words[0], run_name="__main__")


def import_the_worker() -> None:
    """Import and read what any command may ask for; what is broken the command itself reports."""
    with suppress(Exception):
        package = import_module("worker")
        for module in pkgutil.walk_packages(package.__path__, "worker."):
            if not module.name.endswith("__main__") and ".migrations" not in module.name:
                import_module(module.name)
        models = import_module("worker.aws.clients").MODELS
        loader = import_module("botocore.loaders").Loader(file_loader=models)
        for name in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
            loader.load_data(name)


def exit_at_once(command: Callable[[], object]) -> None:
    """Run a command, and exit as Python does, but for the destruction of what was imported.

    To destroy it would write to every page that the process has in common with the server, which
    takes three times as long as most commands.
    """
    try:
        command()
        status: object = None
    except SystemExit as leaving:
        status = leaving.code
    if status is not None and not isinstance(status, int):
        sys.exit(str(status))
    threading._shutdown()  # type: ignore[attr-defined]  # waits for the threads
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        status = 120  # as Python itself
    os._exit((status or 0) & 0xFF)


if __name__ == "__main__":
    for library in LIBRARIES:
        import_module(library)
    if sys.argv[2] == "worker":
        import_the_worker()
    gc.collect()
    gc.freeze()
    request = Server(socket.socket(fileno=int(sys.argv[1]))).serve()
    become(request)
    exit_at_once(program(request))
