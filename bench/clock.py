"""CPU time of named parts in all threads, measured by wrapping functions."""

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any

from msgspec import Struct

_CALIBRATIONS = 20_000


class Part(Struct):
    """What a part has used, without the parts inside it."""

    seconds: float = 0.0
    calls: int = 0
    inner_calls: int = 0
    """Calls of parts directly inside it."""


class Clock:
    """Counts `time.thread_time` between the beginning and the end of each call of a part."""

    def __init__(self) -> None:
        self._own_cost = self._outer_cost = 0.0
        self._reset()
        self._calibrate()

    def _reset(self) -> None:
        self._local = threading.local()
        self._stores: list[dict[str, Part]] = []

    def wrap(self, owner: Any, name: str, part: str) -> None:
        """Replace a function of a module or a class with a measured function."""
        function: Callable[..., Any] = getattr(owner, name)

        @wraps(function)
        def measured(*arguments: Any, **named: Any) -> Any:
            with self.part(part):
                return function(*arguments, **named)

        setattr(owner, name, measured)

    def wrap_manager(self, owner: Any, name: str, begin: str, end: str) -> None:
        """Replace a method that makes a context manager: its two ends are parts."""
        make: Callable[..., AbstractContextManager[Any]] = getattr(owner, name)

        @contextmanager
        def measured(*arguments: Any) -> Iterator[Any]:
            manager = make(*arguments)
            with self.part(begin):
                entered = manager.__enter__()
            try:
                yield entered
            except BaseException:
                if not manager.__exit__(*sys.exc_info()):
                    raise
            else:
                with self.part(end):
                    manager.__exit__(None, None, None)

        setattr(owner, name, measured)

    def part(self, name: str) -> "_Measured":
        """Measure a block."""
        return _Measured(self, name)

    def parts(self) -> dict[str, Part]:
        """Add all threads up; what measuring itself cost is taken out."""
        found: dict[str, Part] = defaultdict(Part)
        for book in self._stores:
            for name, part in book.items():
                total = found[name]
                measuring = part.calls * self._own_cost + part.inner_calls * self._outer_cost
                total.seconds += max(0.0, part.seconds - measuring)
                total.calls += part.calls
                total.inner_calls += part.inner_calls
        return dict(found)

    @property
    def overhead_seconds(self) -> float:
        """What measuring has cost in all."""
        calls = sum(part.calls for book in self._stores for part in book.values())
        return calls * (self._own_cost + self._outer_cost)

    def of_this_thread(self) -> tuple[dict[str, Part], list[list[float]]]:
        """Find the thread's own counts, and its stack of what inner parts have used."""
        try:
            return self._local.book, self._local.stack
        except AttributeError:
            self._local.book = defaultdict(Part)
            self._local.stack = [[0.0, 0]]
            self._stores.append(self._local.book)
            return self._local.book, self._local.stack

    def _calibrate(self) -> None:
        """Find out what measuring nothing costs, within the part and around it."""

        class Nothing:
            def call(self) -> None: ...

        nothing = Nothing()
        start = time.thread_time()
        for _ in range(_CALIBRATIONS):
            nothing.call()
        bare = (time.thread_time() - start) / _CALIBRATIONS
        self.wrap(Nothing, "call", "nothing")
        with self.part("outer"):
            for _ in range(_CALIBRATIONS):
                nothing.call()
        parts = self.parts()
        self._own_cost = max(0.0, parts["nothing"].seconds / _CALIBRATIONS - bare)
        self._outer_cost = parts["outer"].seconds / _CALIBRATIONS
        self._reset()


class _Measured:
    def __init__(self, clock: Clock, name: str) -> None:
        self._clock = clock
        self._name = name

    def __enter__(self) -> None:
        self._book, self._stack = self._clock.of_this_thread()
        self._stack.append([0.0, 0])
        self._start = time.thread_time()

    def __exit__(self, *_: object) -> None:
        used = time.thread_time() - self._start
        inside, inner_calls = self._stack.pop()
        part = self._book[self._name]
        part.seconds += used - inside
        part.calls += 1
        part.inner_calls += int(inner_calls)
        outer = self._stack[-1]
        outer[0] += used
        outer[1] += 1
