"""`ses-worker check --live`: the health of the worker on this machine, from its file or /readyz."""

import http.client
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from msgspec import Struct

from worker.cli.exits import Exit
from worker.core.masking import sanitized
from worker.observability.health import Late, Problem
from worker.observability.health_file import EVERY_SECONDS, STALE_SECONDS
from worker.timing.deadlines import within
from worker.timing.deadlines.http import HTTPConnection

if TYPE_CHECKING:
    from worker.settings import Settings

ANSWER_SECONDS = 3.0
"""Time limit for an answer of /readyz."""
MOST_BYTES = 1_000_000
"""Size of a health report that is read."""
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 an address to connect to
"""The address to call if the worker listens on all addresses."""

_HINTS: dict[type[OSError], str] = {
    FileNotFoundError: "no worker is running",
    PermissionError: "run this as the worker's user, or as a member of its group",
}


class HealthReport(Struct, frozen=True):
    """The fields of a health report that are used."""

    phase: str
    alive: bool
    ready: bool
    problems: list[Problem] = []
    late: list[Late] = []
    written_unix: float | None = None


class Life(Struct, frozen=True, kw_only=True):
    """The health of a worker."""

    status: str
    """`ready`; `alive`: not ready, for the reasons; `late`: a loop hangs; `stale`: its file is old,
    or has a time in the future; `silent`: no file, no answer, or no permission to read."""
    reasons: list[str]
    source: str
    """The file or address that was read."""

    @property
    def is_alive(self) -> bool:
        """Whether a restart would not help."""
        return self.status in {"ready", "alive"}


def live(settings: "Settings", *, as_json: bool) -> int:
    """Print the health of the worker; return 0 if it is alive, ready or not, else 1."""
    found = look(settings)
    if as_json:
        click.echo(json.dumps({"alive": found.is_alive, **msgspec.to_builtins(found)}))
    else:
        reasons = "".join(f"\n  {reason}" for reason in found.reasons)
        click.echo(f"{found.status} ({found.source}){reasons}")
    return Exit.DONE if found.is_alive else Exit.FAILED


def look(settings: "Settings") -> Life:
    """Read the health file if it exists, else call /readyz."""
    path, listen = settings.health.file, settings.http.address
    if path and not (listen and _is_absent(path)):
        return _read(path)
    if listen and listen.port:
        return _ask(_ANY.get(listen.host, listen.host), listen.port)
    return Life(
        status="silent",
        reasons=[
            "health.file and http.listen are both empty: the worker reports its health nowhere"
        ],
        source="nowhere",
    )


def _is_absent(path: Path) -> bool:
    # Not Path.exists, which raises where the directory is closed to us.
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _read(path: Path) -> Life:
    try:
        with path.open("rb") as file:
            report = _understood(file.read(MOST_BYTES))
    except OSError as error:
        hint = _HINTS.get(type(error), "it cannot be read")
        return Life(status="silent", reasons=[f"{error.strerror}: {hint}"], source=str(path))
    except msgspec.DecodeError as error:
        return Life(status="stale", reasons=[f"not a health file: {error}"], source=str(path))
    age = time.time() - (report.written_unix or 0)
    if age > STALE_SECONDS:
        reason = f"written {age:.0f} s ago; the worker writes it every {EVERY_SECONDS:.0f} s"
        return Life(status="stale", reasons=[reason], source=str(path))
    if age < -STALE_SECONDS:
        reason = "its time is in the future: the clock was set back, so its age is unknown"
        return Life(status="stale", reasons=[reason], source=str(path))
    return _judged(report, str(path))


def _ask(host: str, port: int) -> Life:
    shown = f"[{host}]" if ":" in host else host
    source = f"http://{shown}:{port}/readyz"
    connection = HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    try:
        with within(ANSWER_SECONDS):
            connection.request("GET", "/readyz")
            report = _understood(connection.getresponse().read(MOST_BYTES))
    except (OSError, http.client.HTTPException) as error:
        return Life(status="silent", reasons=[sanitized(str(error))], source=source)
    except msgspec.DecodeError:
        return Life(status="silent", reasons=["the answer is not a worker's"], source=source)
    finally:
        connection.close()
    return _judged(report, source)


def _understood(text: bytes) -> HealthReport:
    return msgspec.json.decode(text, type=HealthReport)


def _judged(report: HealthReport, source: str) -> Life:
    reasons = [f"{loop.loop} is late by {loop.seconds:.0f} s" for loop in report.late]
    reasons += [f"{problem.what}: {problem.error}" for problem in report.problems]
    reasons += [] if report.phase == "working" else [f"the worker is {report.phase}"]
    status = "ready" if report.ready else "alive" if report.alive else "late"
    return Life(status=status, reasons=[sanitized(reason) for reason in reasons], source=source)
