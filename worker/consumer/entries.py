"""Batch calls entry by entry: what SQS failed is asked for again, what we failed is told."""

from collections.abc import Callable, Sequence

import structlog
from tenacity import Retrying

from worker.errors import Unavailable
from worker.model import Received
from worker.queue import LARGEST_BATCH, Unsettled

Away = Callable[[Unavailable], None]
"""Learns that SQS did not take a call at all, however often it was made."""
BatchCall = Callable[[Sequence[Received]], list[Unsettled]]

log = structlog.get_logger()


class _Failed(Unavailable):
    """SQS took the call, and failed entries of it."""


def in_tens(
    what: str,
    messages: Sequence[Received],
    call: BatchCall,
    again: Retrying,
    away: Away = lambda _: None,
) -> list[Received]:
    """Make the call for all of them, ten at a time; return those for which it failed.

    Raises:
        Refused: SQS does not allow the call.

    """
    failed: list[Received] = []
    for start in range(0, len(messages), LARGEST_BATCH):
        some = messages[start : start + LARGEST_BATCH]
        failed += _entry_by_entry(what, some, call, again, away)
    return failed


def _entry_by_entry(
    what: str, messages: Sequence[Received], call: BatchCall, again: Retrying, away: Away
) -> list[Received]:
    """Repeat the call for the entries that failed through no fault of ours."""
    left, ours = messages, list[Received]()

    def once() -> None:
        nonlocal left
        unsettled = call(left)
        for one in unsettled:
            if not one.again:
                ours.append(one.received)
                name = one.received.message_id
                log.warning("message.unsettled", call=what, message_id=name, code=one.code)
        left = [one.received for one in unsettled if one.again]
        if left:
            raise _Failed(f"{what}: {unsettled[0].code}")

    try:
        again(once)
    except Unavailable as error:
        log.warning("messages.unsettled", call=what, count=len(left), error=str(error))
        if not isinstance(error, _Failed):
            away(error)
    else:
        left = []
    return [*ours, *left]
