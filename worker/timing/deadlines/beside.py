"""Calls that cannot be interrupted, made beside the thread that waits, and left behind if need be.

Such are name lookups: the C library waits 5 s for each server, attempt and search domain. A call
that was left behind ends some time; until then it costs a thread, so there are few of them.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from worker.timing.deadlines import left, within

Result = TypeVar("Result")

MOST_LEFT_BEHIND = 16
"""Calls that hang; while there are so many, no other is begun."""

_left_behind: set[threading.Thread] = set()
_lock = threading.Lock()


def beside(
    seconds: float,
    call: Callable[[], Result],
    *,
    what: str,
    unwanted: Callable[[Result], object] = lambda _: None,
) -> Result:
    """Make a call in a thread of its own, and wait for it no longer than this, or the deadline.

    Args:
        seconds: how long; the deadline of the thread that asks holds too.
        call: it has the same deadline, as far as it heeds any.
        what: what it is, for the error.
        unwanted: takes a result that comes when nobody waits for it any more.

    Raises:
        TimeoutError: it had not answered by then, or too many others hang.

    """
    seconds = min(seconds, left())
    _refuse_if_many_hang(what)
    answer: Future[Result] = Future()

    def work() -> None:
        try:
            with within(seconds):
                result = call()
        except BaseException as error:  # noqa: BLE001 it is raised where it is waited for
            if answer.set_running_or_notify_cancel():
                answer.set_exception(error)
        else:
            if answer.set_running_or_notify_cancel():
                answer.set_result(result)
            else:
                unwanted(result)

    thread = threading.Thread(target=work, name=f"beside: {what}", daemon=True)
    thread.start()
    wait([answer], max(seconds, 0))
    if answer.cancel():  # at once with its own look whether anybody waits
        with _lock:
            _left_behind.add(thread)
        raise TimeoutError(f"{what}: no answer in {max(seconds, 0):.0f} s")
    return answer.result()


def _refuse_if_many_hang(what: str) -> None:
    if not _left_behind:
        return
    with _lock:
        _left_behind.difference_update([item for item in _left_behind if not item.is_alive()])
        if len(_left_behind) >= MOST_LEFT_BEHIND:
            raise TimeoutError(f"{what}: {len(_left_behind)} calls hang already, so none is begun")
