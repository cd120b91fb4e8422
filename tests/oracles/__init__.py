"""The oracles: what must be true of any run, whatever went wrong in it (I1 to I9 of BROKEN.md).

Each is a function over what the emulator saw, the database, what the simulators heard and what was
published; none asks the worker, and none imports a line of it. I5 stands by while the run is on,
the others look when it is over. I6 and I9 need somebody who waits: `tests/chaos/play.py`.
"""

from oracles.database import Database
from oracles.findings import Finding, report
from oracles.observer import Observer
from oracles.parsing import SesFeedback, Sort, read
from oracles.published import PublishedEvents

__all__ = [
    "Database",
    "Finding",
    "Observer",
    "PublishedEvents",
    "SesFeedback",
    "Sort",
    "read",
    "report",
]
