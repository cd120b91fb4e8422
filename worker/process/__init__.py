"""The journey of a message, on one screen: decode, decide, apply.

The batch is the unit of work, since a durable commit costs an fsync; the message is the unit of
failure. Nothing here talks to SQS. The result says what to do there, and it is valid as soon as
this returns, because the commit is durable by then.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import structlog

from worker.core.batch import decide_batch, decode_batch
from worker.core.errors import NotBegun, Unavailable
from worker.core.floods import Floods, thin_entries
from worker.core.messages import Handled, Received
from worker.core.policy import Policy
from worker.core.ports import BatchStore, Transaction
from worker.process.bisection import commit_all, later_if_locked_out
from worker.timing.retries import when_raced

log = structlog.get_logger()


def process(
    batch: Sequence[Received], store: BatchStore, policy: Policy, floods: Floods | None = None
) -> list[Handled]:
    """Take a batch from bytes to a commit; return each message's disposition on the queue.

    A batch that is too large for a transaction is written in several, one after the other. A
    message that breaks the batch is found by bisection (`worker.process.bisection`), so that the
    others are applied. `floods` is kept from call to call.
    """

    def commit(messages: Sequence[Received]) -> list[Handled]:
        return when_raced(_commit, messages, store, policy, floods)

    return commit_all(batch, commit, store)


def _commit(
    batch: Sequence[Received], store: BatchStore, policy: Policy, floods: Floods | None
) -> list[Handled]:
    """Commit the first messages, as many as fit into a transaction."""
    decoded = decode_batch(batch, policy)
    if not decoded.needs_store:
        _, handled = decide_batch(decoded, policy, None)
        return handled
    with _begun(store) as transaction:
        unit, handled = decide_batch(decoded, policy, transaction)
        if floods and (thinned := floods.thin(unit.decisions)):
            unit.entries = thin_entries(unit.entries, unit.decisions, thinned)
            unit.decisions = thinned
        transaction.save(unit)
    # Here the transaction is committed, and durable.
    if unit.with_record:
        log.info("users.with_record", users=unit.with_record)
    for domain, kept in floods.committed(unit.decisions) if floods else ():
        log.warning("events.flooded", domain=domain, kept=kept)
    return [later_if_locked_out(result) for result in handled] if transaction.locked else handled


@contextmanager
def _begun(store: BatchStore) -> Iterator[Transaction]:
    """Begin a transaction; an outage at this point is `NotBegun`, so no message is a suspect."""
    with ExitStack() as stack:
        try:
            transaction = stack.enter_context(store.transaction())
        except Unavailable as error:
            if type(error) is not Unavailable:  # its subclasses are more exact than `NotBegun`
                raise
            raise NotBegun(str(error)) from error
        yield transaction
