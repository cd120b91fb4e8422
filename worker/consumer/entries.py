"""Batch calls, entry by entry: failures of SQS are retried, failures through us are reported."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog
from tenacity import Retrying

from worker.core.errors import Unavailable
from worker.core.messages import Received
from worker.sqs.queue import LARGEST_BATCH, FailedEntry, tens

Item = TypeVar("Item")
BatchCall = Callable[[Sequence[Item]], list[FailedEntry[Item]]]

OUTAGES_BEFORE_GIVING_UP = 5
"""After so many failed calls the rest is not tried: each call took seconds, and leases run out."""

log = structlog.get_logger()


class Failed(Unavailable):
    """SQS took the call, and failed entries of it in each try."""

    def __init__(self, count: int, code: str) -> None:
        super().__init__(f"SQS failed {count} of them: {code}")
        self.count = count
        self.code = code


def entry_by_entry(
    items: Sequence[Item],
    call: BatchCall[Item],
    again: Retrying,
    report: Callable[[FailedEntry[Item]], None],
) -> tuple[list[Item], Unavailable | None]:
    """Make the call, and repeat it for the entries that SQS failed through its own fault.

    Returns the items that failed, and the last error of SQS, if any: `Failed`, or why it did not
    take the call. `report` gets each entry that failed through our fault.

    Raises:
        Refused: SQS does not allow the call.

    """
    left, ours = items, list[Item]()

    def once() -> None:
        nonlocal left
        failed_entries = call(left)
        for failure in failed_entries:
            if not failure.again:
                ours.append(failure.item)
                report(failure)
        left = [failure.item for failure in failed_entries if failure.again]
        if left:
            raise Failed(len(left), failed_entries[0].code)

    try:
        again(once)
    except Unavailable as error:
        return [*ours, *left], error
    return ours, None


def in_tens(
    what: str, messages: Sequence[Received], call: BatchCall[Received], again: Retrying
) -> tuple[list[Received], Unavailable | None]:
    """Make the call for all messages, ten at a time; give up after several failed calls.

    Returns the messages that failed, and why SQS did not take a call, if it did not.

    Raises:
        Refused: SQS does not allow the call.

    """
    failed, unreachable = list[Received](), None

    def report(failure: FailedEntry[Received]) -> None:
        name = failure.item.message_id
        log.warning("message.entry_failed", call=what, message_id=name, code=failure.code)

    outages = 0
    for number, some in enumerate(tens(messages)):
        more, error = entry_by_entry(some, call, again, report)
        failed += more
        if error:
            error_text = f"{what}: {error.code}" if isinstance(error, Failed) else str(error)
            log.warning("message.entries_failed", call=what, count=len(more), error=error_text)
        if error and not isinstance(error, Failed):
            unreachable, outages = error, outages + 1
            if outages == OUTAGES_BEFORE_GIVING_UP and (
                rest := messages[(number + 1) * LARGEST_BATCH :]
            ):
                log.warning("message.entries_failed", call=what, count=len(rest), error=str(error))
                return [*failed, *rest], unreachable
    return failed, unreachable
