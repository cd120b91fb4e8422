"""Chooses the messages of the next commit from the received batches that wait."""

from collections.abc import Sequence

from worker.consumer.received_batch import ReceivedBatch
from worker.consumer.suspects import WITH_OTHERS, Suspects

LARGEST_COMMIT = 200
"""Messages in a transaction: enough to share an fsync well, few enough to keep it short."""

Part = tuple[ReceivedBatch, int]
"""A received batch, and how many of its remaining messages to write."""


def choose(waiting: Sequence[ReceivedBatch], suspects: Suspects, at_most: int) -> Sequence[Part]:
    """Choose as many messages as fit, unless care is needed.

    It is needed after an outage, when `at_most` is small, and while there are suspects.
    """
    if waiting and (
        at_most < LARGEST_COMMIT or any(suspects.any_in(batch.left) for batch in waiting)
    ):
        return choose_carefully(waiting, suspects, at_most)
    chosen: list[Part] = []
    messages = 0
    for batch in waiting:
        count = len(batch.left)
        if chosen and messages + count > LARGEST_COMMIT:
            break
        chosen.append((batch, count))
        messages += count
    return chosen


def choose_carefully(
    waiting: Sequence[ReceivedBatch], suspects: Suspects, at_most: int
) -> Sequence[Part]:
    """Choose few messages, so that a message at which the store breaks off is found soon."""
    rank = suspects.rank
    for batch in waiting:
        batch.left.sort(key=rank)
    batch = min(waiting, key=lambda item: rank(item.left[0]))
    if rank(batch.left[0]) != WITH_OTHERS:
        return [(batch, 1)]
    others = sum(rank(message) == WITH_OTHERS for message in batch.left)
    return [(batch, min(others, at_most))]
