"""Rules that select the calls to which a fault applies."""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from simulators.sqs.calls import Call
from simulators.sqs.faults import Fault, Perform
from simulators.sqs.parameters import OPERATIONS, Answer


@dataclass(slots=True)
class Rule:
    """A fault, the calls that it applies to, and counters of fitting and of faulty calls."""

    fault: Fault
    operations: Collection[str]
    queue: str | None
    when: Callable[[Call], bool] | None
    first: int
    times: int | None
    calls: int = 0
    struck: int = 0
    stopped: bool = False

    def strikes(self, call: Call) -> bool:
        """Return whether the fault applies to this call, and count."""
        if self.stopped or (self.operations and call.operation not in self.operations):
            return False
        if self.queue is not None and call.queue != self.queue:
            return False
        if self.when is not None and not self.when(call):
            return False
        self.calls += 1
        if self.calls < self.first or (self.times is not None and self.struck >= self.times):
            return False
        self.struck += 1
        return True

    def stop(self) -> None:
        """Apply the fault to no further call."""
        self.stopped = True


class Faults:
    """All rules. Thread-safe."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.RLock()  # a predicate may stop a rule

    def add(
        self,
        fault: Fault,
        *,
        on: str | Collection[str] = (),
        queue: str | None = None,
        when: Callable[[Call], bool] | None = None,
        first: int = 1,
        times: int | None = None,
    ) -> Rule:
        """Add a fault.

        Args:
            fault: what goes wrong.
            on: an operation's name, or several; none: all operations.
            queue: only calls that name this queue, by its name or URL.
            when: only calls for which this is true.
            first: from this fitting call on, counted from 1.
            times: so many calls; None: all from then on, until `stop` or `clear`.

        """
        operations = {on} if isinstance(on, str) else set(on)
        if unknown := operations - OPERATIONS:
            raise ValueError(f"not an operation of the simulator: {min(unknown)}")
        name = queue.rpartition("/")[2] if queue else None
        rule = Rule(fault, operations, name, when, first, times)
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._rules.clear()

    def around(self, call: Call, perform: Perform) -> tuple[Perform, tuple[str, ...]]:
        """Wrap a call into the faults that apply to it; return their names, too."""
        with self._lock:
            faults = [rule.fault for rule in self._rules if rule.strikes(call)]
        for fault in reversed(faults):
            perform = partial(_struck, fault, perform)
        return perform, tuple(type(fault).__name__ for fault in faults)


def _struck(fault: Fault, perform: Perform, call: Call) -> Answer:
    return fault.around(call, perform)
