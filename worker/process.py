"""The journey of a message, on one screen: decode, decide, apply.

The batch is the unit of work, since a durable commit costs an fsync; the message is the unit of
failure. Nothing here talks to SQS: what is returned says what to do there, and it is true once
this has returned, for then the commit is durable.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from worker.books import Books, Transaction
from worker.decode import Decoded, decode
from worker.errors import Locked, Misconfigured, NotBegun, Unavailable
from worker.model import DeadLetter, Feedback, Handled, Reason, Received, Release
from worker.page import Page
from worker.policy import Policy
from worker.retries import (
    RECEIVES_BEFORE_GIVING_UP,
    locked_delay,
    release_delay,
    when_raced,
)

MOST_ROWS = 2_000
"""Of `events`, in one transaction; of `outbox` and `users` there are about as many at most. One
message that alone has more is written alone."""
MOST_CHARACTERS = 2 * 1_048_576
"""Of bodies, in one transaction: 200 messages as SES writes most of them have half as many."""


def process(batch: Sequence[Received], books: Books, policy: Policy) -> list[Handled]:
    """Take a batch from bytes to a commit; say what becomes of each message on the queue.

    What is more than one transaction may hold takes several, one after the other.

    A message that breaks the batch is found by halving, so that only the guilty one suffers.
    When the books are away no message is to blame: all go back, with the error. Nor is any where
    all of several break in the same way, or where the books take nothing else either. Where another
    session holds rows, the messages that need them come again later, and no others.
    """
    handled = _commit_all(batch, books, policy)
    if any(map(_is_broken, handled)):
        return _judge(handled, books)
    return handled


def _commit_all(
    batch: Sequence[Received], books: Books, policy: Policy, *, rows_are_locked: bool = False
) -> list[Handled]:
    handled: list[Handled] = []
    while len(handled) < len(batch):
        rest = batch[len(handled) :]
        handled += _commit_some(rest, books, policy, rows_are_locked=rows_are_locked)
    return handled


def _commit_some(
    batch: Sequence[Received], books: Books, policy: Policy, *, rows_are_locked: bool
) -> list[Handled]:
    """Handle the first of them, as many as one transaction may hold; all, where that breaks."""
    try:
        return when_raced(_apply, batch, books, policy)
    except Locked as error:
        if rows_are_locked:
            return _each_half(batch, books, policy, error, rows_are_locked=True)
        if outage := _outage(books):  # a table is locked
            return _give_back(batch, outage)
        return _commit_all(batch, books, policy, rows_are_locked=True)
    except (Unavailable, Misconfigured) as error:
        return _give_back(batch, error)
    except Exception as error:  # noqa: BLE001 whatever one message can break
        return _each_half(batch, books, policy, error, rows_are_locked=rows_are_locked)


def _each_half(
    batch: Sequence[Received],
    books: Books,
    policy: Policy,
    error: Exception,
    *,
    rows_are_locked: bool,
) -> list[Handled]:
    if len(batch) == 1:
        return [_broken(batch[0], error)]
    half = len(batch) // 2
    return [
        *_commit_all(batch[:half], books, policy, rows_are_locked=rows_are_locked),
        *_commit_all(batch[half:], books, policy, rows_are_locked=rows_are_locked),
    ]


def _give_back(batch: Sequence[Received], error: Exception) -> list[Handled]:
    return [Handled(received, Release(0), error=error) for received in batch]


def _outage(books: Books) -> Exception | None:
    """Tell why the books take nothing at all, if they do not."""
    try:
        books.probe()
    except (Unavailable, Misconfigured) as error:
        return error
    return None


def _is_broken(one: Handled) -> bool:
    return one.error is not None and not one.met_an_outage and not one.is_locked_out


def _judge(handled: list[Handled], books: Books) -> list[Handled]:
    """Blame a message only where the books are shown to be well, by others or by a probe."""
    if any(one.decisions for one in handled):
        return handled
    errors = [one.error for one in handled if one.error and not one.is_locked_out]
    outage: Exception | None
    if len(errors) > 1 and len(kinds := {type(error).__name__ for error in errors}) == 1:
        outage = Unavailable(f"all of {len(errors)} messages break alike: {kinds.pop()}")
    else:
        outage = _outage(books)
    if outage is None:
        return handled
    return [
        Handled(one.received, Release(0), error=outage)
        if one.error and not one.is_locked_out
        else one
        for one in handled
    ]


def _apply(batch: Sequence[Received], books: Books, policy: Policy) -> list[Handled]:
    opened, feedback = _opened(batch, policy)
    if not feedback:
        page = Page(policy, seen=(), users={})
        return [page.enter(*message) for message in opened]
    with _begun(books) as transaction:
        keys = {item.address.key for item in feedback if item.address}
        users = transaction.users(keys)  # locks them, so that what is seen then is still true
        page = Page(policy, transaction.seen(feedback), users, transaction.locked)
        handled = [page.enter(*message) for message in opened]
        transaction.save(page)
    return [_later_if_locked_out(one) for one in handled] if transaction.locked else handled


@contextmanager
def _begun(books: Books) -> Iterator[Transaction]:
    with ExitStack() as stack:
        try:
            transaction = stack.enter_context(books.transaction())
        except Unavailable as error:
            if type(error) is not Unavailable:
                raise
            raise NotBegun(str(error)) from error
        yield transaction


def _later_if_locked_out(one: Handled) -> Handled:
    return _locked_out(one.received, one.error) if one.error else one


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
    """One message that cannot be applied: later, then never.

    SQS counts hand-backs too, so that it may be given up for the first time that it breaks; but not
    before the books are shown to be well.
    """
    if isinstance(error, Locked):
        return _locked_out(received, error)
    if received.receive_count >= RECEIVES_BEFORE_GIVING_UP:
        given_up = DeadLetter(Reason.PROCESSING_FAILED, type(error).__name__)
        return Handled(received, given_up, error=error)
    return Handled(received, Release(release_delay(received.receive_count)), error=error)
