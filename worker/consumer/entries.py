"""Batch calls entry by entry: what SQS failed is asked for again, what we failed is told."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog
from tenacity import Retrying

from worker.errors import Unavailable
from worker.model import Received
from worker.queue import LARGEST_BATCH, Unsettled, tens

Item = TypeVar("Item")
BatchCall = Callable[[Sequence[Item]], list[Unsettled[Item]]]

TIMES_AWAY = 5
"""Then the rest waits with those: each took seconds, and leases run out."""

log = structlog.get_logger()


class Failed(Unavailable):
    """SQS took the call, and failed entries of it again and again."""

    def __init__(self, count: int, code: str) -> None:
        super().__init__(f"SQS failed {count} of them: {code}")
        self.count = count
        self.code = code


def entry_by_entry(
    items: Sequence[Item],
    call: BatchCall[Item],
    again: Retrying,
    tell: Callable[[Unsettled[Item]], None],
) -> tuple[list[Item], Unavailable | None]:
    """Repeat the call for the entries that failed through no fault of ours.

    Returns those for which it failed, and SQS's last word on those that it failed, or did not
    take the call for. `tell` learns of those that are our fault.

    Raises:
        Refused: SQS does not allow the call.

    """
    left, ours = items, list[Item]()

    def once() -> None:
        nonlocal left
        unsettled = call(left)
        for one in unsettled:
            if not one.again:
                ours.append(one.item)
                tell(one)
        left = [one.item for one in unsettled if one.again]
        if left:
            raise Failed(len(left), unsettled[0].code)

    try:
        again(once)
    except Unavailable as error:
        return [*ours, *left], error
    return ours, None


def in_tens(
    what: str, messages: Sequence[Received], call: BatchCall[Received], again: Retrying
) -> tuple[list[Received], Unavailable | None]:
    """Make the call for all of them, ten at a time, until it was not taken at all several times.

    Returns those for which it failed, and why SQS did not take the call at all, if it did not.

    Raises:
        Refused: SQS does not allow the call.

    """
    failed, away = list[Received](), None

    def tell(one: Unsettled[Received]) -> None:
        name = one.item.message_id
        log.warning("message.unsettled", call=what, message_id=name, code=one.code)

    times_away = 0
    for number, some in enumerate(tens(messages)):
        more, error = entry_by_entry(some, call, again, tell)
        failed += more
        if error:
            said = f"{what}: {error.code}" if isinstance(error, Failed) else str(error)
            log.warning("messages.unsettled", call=what, count=len(more), error=said)
        if error and not isinstance(error, Failed):
            away, times_away = error, times_away + 1
            if times_away == TIMES_AWAY and (rest := messages[(number + 1) * LARGEST_BATCH :]):
                log.warning("messages.unsettled", call=what, count=len(rest), error=str(error))
                return [*failed, *rest], away
    return failed, away
