"""The journey of a message, on one screen: decode, decide, apply.

The batch is the unit of work, since a durable commit costs an fsync; the message is the unit of
failure. Nothing here talks to SQS: what is returned says what to do there, and it is true once
this has returned, for then the commit is durable.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from worker.core.decode import Decoded, decode
from worker.core.errors import Locked, Misconfigured, NotBegun, Unavailable
from worker.core.model import DeadLetter, Feedback, Handled, Reason, Received, Release
from worker.core.policy import Policy
from worker.core.ports import BatchStore, Transaction
from worker.core.unit_of_work import UnitOfWork
from worker.timing.retries import RECEIVES_BEFORE_GIVING_UP, locked_delay, release_delay, when_raced

MOST_ROWS = 2_000
"""Of `events`, in one transaction; of `outbox` and `users` there are about as many at most. One
message that alone has more is written alone."""
MOST_CHARACTERS = 2 * 1_048_576
"""Of bodies, in one transaction: 200 messages as SES writes most of them have half as many."""


def process(batch: Sequence[Received], store: BatchStore, policy: Policy) -> list[Handled]:
    """Take a batch from bytes to a commit; report what becomes of each message on the queue.

    What is more than one transaction may hold takes several, one after the other.

    A message that breaks the batch is found by bisection, so that no other is affected. When the
    store is unavailable no message is to blame: all go back, with the error. Nor is any where all
    of several fail in the same way, or where the store accepts nothing else either. Where another
    session holds rows, the messages that need them come again later, and no others.
    """
    handled = _commit_all(batch, store, policy)
    if any(map(_is_broken, handled)):
        return _judge(handled, store)
    return handled


def _commit_all(
    batch: Sequence[Received], store: BatchStore, policy: Policy, *, rows_are_locked: bool = False
) -> list[Handled]:
    handled: list[Handled] = []
    while len(handled) < len(batch):
        rest = batch[len(handled) :]
        handled += _commit_some(rest, store, policy, rows_are_locked=rows_are_locked)
    return handled


def _commit_some(
    batch: Sequence[Received], store: BatchStore, policy: Policy, *, rows_are_locked: bool
) -> list[Handled]:
    """Handle the first of them, as many as one transaction may hold; all, where that breaks."""
    try:
        return when_raced(_apply, batch, store, policy)
    except Locked as error:
        if rows_are_locked:
            return _each_half(batch, store, policy, error, rows_are_locked=True)
        if outage := _outage(store):  # a table is locked
            return _give_back(batch, outage)
        return _commit_all(batch, store, policy, rows_are_locked=True)
    except (Unavailable, Misconfigured) as error:
        return _give_back(batch, error)
    except Exception as error:  # noqa: BLE001 whatever one message can break
        return _each_half(batch, store, policy, error, rows_are_locked=rows_are_locked)


def _each_half(
    batch: Sequence[Received],
    store: BatchStore,
    policy: Policy,
    error: Exception,
    *,
    rows_are_locked: bool,
) -> list[Handled]:
    if len(batch) == 1:
        return [_broken(batch[0], error)]
    half = len(batch) // 2
    return [
        *_commit_all(batch[:half], store, policy, rows_are_locked=rows_are_locked),
        *_commit_all(batch[half:], store, policy, rows_are_locked=rows_are_locked),
    ]


def _give_back(batch: Sequence[Received], error: Exception) -> list[Handled]:
    return [Handled(received, Release(0), error=error) for received in batch]


def _outage(store: BatchStore) -> Exception | None:
    """Return why the store takes nothing at all, if they do not."""
    try:
        store.probe()
    except (Unavailable, Misconfigured) as error:
        return error
    return None


def _is_broken(item: Handled) -> bool:
    return item.error is not None and not item.met_an_outage and not item.is_locked_out


def _judge(handled: list[Handled], store: BatchStore) -> list[Handled]:
    """Blame a message only where the store is known to work, by others or by a probe."""
    if any(result.decisions for result in handled):
        return handled
    errors = [result.error for result in handled if result.error and not result.is_locked_out]
    outage: Exception | None
    if len(errors) > 1 and len(kinds := {type(error).__name__ for error in errors}) == 1:
        outage = Unavailable(f"all of {len(errors)} messages break alike: {kinds.pop()}")
    else:
        outage = _outage(store)
    if outage is None:
        return handled
    return [
        Handled(result.received, Release(0), error=outage)
        if result.error and not result.is_locked_out
        else result
        for result in handled
    ]


def _apply(batch: Sequence[Received], store: BatchStore, policy: Policy) -> list[Handled]:
    opened, feedback = _opened(batch, policy)
    if not feedback:
        unit = UnitOfWork(policy, known_keys=(), users={})
        return [unit.enter(*message) for message in opened]
    with _begun(store) as transaction:
        keys = {item.address.key for item in feedback if item.address}
        users = transaction.users(keys)  # locks them, so that known keys stay true
        unit = UnitOfWork(policy, transaction.known_keys(feedback), users, transaction.locked)
        handled = [unit.enter(*message) for message in opened]
        transaction.save(unit)
    return [_later_if_locked_out(result) for result in handled] if transaction.locked else handled


@contextmanager
def _begun(store: BatchStore) -> Iterator[Transaction]:
    with ExitStack() as stack:
        try:
            transaction = stack.enter_context(store.transaction())
        except Unavailable as error:
            if type(error) is not Unavailable:
                raise
            raise NotBegun(str(error)) from error
        yield transaction


def _later_if_locked_out(item: Handled) -> Handled:
    return _locked_out(item.received, item.error) if item.error else item


def _locked_out(received: Received, error: Exception) -> Handled:
    """One whose rows another session holds: later, however often it came; it may be applied yet."""
    return Handled(received, Release(locked_delay(received.receive_count)), error=error)


def _opened(
    batch: Sequence[Received], policy: Policy
) -> tuple[list[tuple[Received, Decoded]], list[Feedback]]:
    """Decode the first of them, as many as one transaction may hold; one at least."""
    opened: list[tuple[Received, Decoded]] = []
    feedback: list[Feedback] = []
    characters = 0
    for received in batch:
        characters += len(received.body)
        if characters > MOST_CHARACTERS and opened:
            break
        content = decode(received.body, policy.topics)
        if isinstance(content, tuple):
            if len(feedback) + len(content) > MOST_ROWS and opened:
                break
            feedback += content
        opened.append((received, content))
    return opened, feedback


def _broken(received: Received, error: Exception) -> Handled:
    """A message that cannot be applied: retry later, then dead-letter.

    SQS counts releases too, so it may be dead-lettered the first time that it fails; but not before
    the store is known to work.
    """
    if isinstance(error, Locked):
        return _locked_out(received, error)
    if received.receive_count >= RECEIVES_BEFORE_GIVING_UP:
        given_up = DeadLetter(Reason.PROCESSING_FAILED, type(error).__name__)
        return Handled(received, given_up, error=error)
    return Handled(received, Release(release_delay(received.receive_count)), error=error)
