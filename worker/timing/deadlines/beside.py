"""Runs calls that cannot be interrupted in threads of their own, and abandons them at the deadline.

An example is a name lookup: the C library waits 5 s for each server, attempt and search domain. An
abandoned call ends eventually; until then it costs a thread, so their number is limited.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from worker.timing.deadlines import left, within

Result = TypeVar("Result")

MOST_ABANDONED = 16
"""Abandoned calls that still hang; with so many no other call is made."""

_abandoned: set[threading.Thread] = set()
_lock = threading.Lock()


def beside(
    seconds: float,
    call: Callable[[], Result],
    *,
    what: str,
    unwanted: Callable[[Result], object] = lambda _: None,
) -> Result:
    """Make a call in a thread of its own, and wait for so many seconds or until the deadline.

    Args:
        seconds: how long to wait; the deadline of the calling thread holds, too.
        call: runs under the same deadline.
        what: describes the call in the error.
        unwanted: gets a result that arrives after the wait, to dispose of it.

    Raises:
        TimeoutError: no result in time, or too many other calls hang.

    """
    seconds = min(seconds, left())
    _refuse_if_many_hang(what)
    answer: Future[Result] = Future()

    def work() -> None:
        try:
            with within(seconds):
                result = call()
        except BaseException as error:  # noqa: BLE001 raised in the waiting thread
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
    if answer.cancel():  # atomic with the thread's `set_running_or_notify_cancel`
        with _lock:
            _abandoned.add(thread)
        raise TimeoutError(f"{what}: no answer in {max(seconds, 0):.0f} s")
    return answer.result()


def _refuse_if_many_hang(what: str) -> None:
    if not _abandoned:
        return
    with _lock:
        _abandoned.difference_update([item for item in _abandoned if not item.is_alive()])
        if len(_abandoned) >= MOST_ABANDONED:
            raise TimeoutError(f"{what}: {len(_abandoned)} calls hang already, so none is begun")
