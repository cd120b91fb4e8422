"""Commands in processes forked from a server that has imported the libraries and the worker.

Nearly all of the time of most commands is Python's start and imports, which is half a second of CPU,
a thousand times in the suite. `fork_server.py` imports all once. Every process is still one of its
own, with its own arguments, environment, folder and streams. What changes the worker before it
is imported is forked from a server that has imported the libraries alone. Whatever is tested about
starting and about memory is started as installed; that each module imports what it needs has a test.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TextIO

SERVER = Path(__file__).with_name("fork_server.py")
COMMAND = Path(sys.executable).with_name("ses-worker")
_FIXED_AT_START = ("PYTHON", "LANG", "LC_", "LD_", "MALLOC_", "GLIBC_", "OPENSSL_")
"""Variables that begin so are read when the server starts, and not again by what it forks."""


class Forked:
    """A process of the server's, handled as `subprocess.Popen` handles one of our own."""

    def __init__(self, connection: socket.socket, *read: int) -> None:
        self._answers = connection.makefile()
        connection.close()
        self.pid = int(self._answers.readline())  # the first waits for the libraries
        streams: list[TextIO | None] = [*map(os.fdopen, read)] or [None, None]
        self.stdout, self.stderr = streams
        self.returncode: int | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._await_its_end, daemon=True).start()

    def _await_its_end(self) -> None:
        with self._answers:
            self.returncode = int(self._answers.readline())
        self._ended.set()

    def poll(self) -> int | None:
        """Return the exit status, once it has ended."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; return the exit status.

        Raises:
            subprocess.TimeoutExpired: it still runs.

        """
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read what it writes to its end, and wait for that.

        Raises:
            subprocess.TimeoutExpired: it took too long, and was killed.

        """
        with ThreadPoolExecutor(2) as threads:
            read = [threads.submit(_read, stream) for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            out, err = (text.result() for text in read)
        return out, err

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The process that forks commands; it may have imported the worker, or the libraries alone."""

    def __init__(self, *, worker: bool = True) -> None:
        self._fixed = _fixed_at_start(os.environ)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("")  # Linux chooses an address that is no file
            listener.listen()
            self._address: bytes = listener.getsockname()
            imported = "worker" if worker else "libraries"
            self._process = subprocess.Popen(
                [sys.executable, "-P", SERVER, str(listener.fileno()), imported, COMMAND],
                pass_fds=[listener.fileno()],
                stdin=subprocess.PIPE,  # it exits when this is closed
                stdout=subprocess.DEVNULL,
            )

    def stop(self) -> None:
        """End the server."""
        self._process.communicate(timeout=20)

    def fits(self, environment: Mapping[str, str]) -> bool:
        """Return whether a forked process has this environment as a started process would."""
        return _fixed_at_start(environment) == self._fixed

    def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        given: str | None,
        seconds: float,
    ) -> tuple[int, str, str]:
        """Run a command to its end; return its exit status, its output and its errors.

        Raises:
            subprocess.TimeoutExpired: it took too long, and was killed.

        """
        theirs, ours = os.pipe()
        with ThreadPoolExecutor(1) as threads:
            threads.submit(_write, ours, given or "")
            process = self.start(arguments, environment, folder, given=theirs)
            os.close(theirs)
            output, errors = process.communicate(seconds)
        return process.wait(), output, errors

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        *,
        python: Sequence[str] = (),
        given: int = 0,
        terminal: int | None = None,
    ) -> Forked:
        """Start the command, or what Python would run with the words `python`.

        `given` is the descriptor of its standard input; without it, that is ours. A terminal is all
        three streams.
        """
        request = {
            "arguments": [*arguments],
            "environment": dict(environment),
            "folder": str(folder),
            "python": [*python],
        }
        pipes = [os.pipe() for _ in range(2)] if terminal is None else []
        theirs = [writing for _, writing in pipes]
        streams = [given, *theirs] if terminal is None else [terminal] * 3
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._address)
        socket.send_fds(connection, [b"-"], streams)
        for descriptor in theirs:
            os.close(descriptor)
        connection.sendall(json.dumps(request).encode())
        connection.shutdown(socket.SHUT_WR)
        return Forked(connection, *(end for end, _ in pipes))


def _fixed_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_FIXED_AT_START)}


def _write(descriptor: int, text: str) -> None:
    with suppress(BrokenPipeError), os.fdopen(descriptor, "w") as stream:
        stream.write(text)


def _read(stream: TextIO | None) -> str:
    if stream is None or stream.closed:
        return ""
    with stream:
        return stream.read()
