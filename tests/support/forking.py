"""Commands in processes forked from a server that has imported the libraries and the worker.

Nearly all of the time of most commands is Python's start and imports, which is half a second of CPU,
a thousand times in the suite. `fork_server.py` imports all once. Every command still has a process
of its own, with its own arguments, environment, folder and streams. Daemons, and whatever is tested
about starting, are started as installed; that each module imports what it needs has a test.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

SERVER = Path(__file__).with_name("fork_server.py")
_FIXED_AT_START = ("PYTHON", "LANG", "LC_", "LD_", "MALLOC_", "GLIBC_", "OPENSSL_")
"""Variables that begin so are read when the server starts, and not again by what it forks."""


class ForkServer:
    """The process that forks commands."""

    def __init__(self) -> None:
        self._fixed = _fixed_at_start(os.environ)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("")  # Linux chooses an address that is no file
            listener.listen()
            self._address: bytes = listener.getsockname()
            self._process = subprocess.Popen(
                [sys.executable, "-P", SERVER, str(listener.fileno())],
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
        request = {
            "arguments": [*arguments],
            "environment": dict(environment),
            "folder": str(folder),
        }
        pipes = [os.pipe() for _ in range(3)]
        ours = pipes[0][1], pipes[1][0], pipes[2][0]
        theirs = pipes[0][0], pipes[1][1], pipes[2][1]
        with socket.socket(socket.AF_UNIX) as connection, ThreadPoolExecutor(3) as threads:
            connection.connect(self._address)
            socket.send_fds(connection, [b"-"], theirs)
            for descriptor in theirs:
                os.close(descriptor)
            connection.sendall(json.dumps(request).encode())
            connection.shutdown(socket.SHUT_WR)
            threads.submit(_write, ours[0], given or "")
            output, errors = (threads.submit(_read, descriptor) for descriptor in ours[1:])
            with connection.makefile() as answers:
                process = int(answers.readline())  # the first waits for the libraries
                connection.settimeout(seconds)
                try:
                    status = int(answers.readline())
                except TimeoutError:
                    os.kill(process, signal.SIGKILL)
                    raise subprocess.TimeoutExpired([*arguments], seconds) from None
            return status, output.result(), errors.result()


def _fixed_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_FIXED_AT_START)}


def _write(descriptor: int, text: str) -> None:
    with suppress(BrokenPipeError), os.fdopen(descriptor, "w") as stream:
        stream.write(text)


def _read(descriptor: int) -> str:
    with os.fdopen(descriptor) as stream:
        return stream.read()
