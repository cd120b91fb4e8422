"""Finds the message that breaks a batch, so that all others are applied.

A batch that fails is split in two, and each half is committed by itself, until a single message
fails. It is blamed only if the store works. When the store is unavailable, all messages of the
batch go back with that error. The same holds where several messages fail and all in the same way,
or where the store takes a probe no better. Where another session holds rows, only the messages that
need these rows are tried again later.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct

from worker.core.errors import Locked, Misconfigured, Unavailable
from worker.core.messages import DeadLetter, Handled, Received, Release
from worker.core.model import Reason
from worker.core.ports import BatchStore
from worker.timing.retries import RECEIVES_BEFORE_GIVING_UP, locked_delay, release_delay

Commit = Callable[[Sequence[Received]], list[Handled]]
"""Commits the first messages, as many as fit into a transaction."""


def commit_all(batch: Sequence[Received], commit: Commit, store: BatchStore) -> list[Handled]:
    """Commit a batch in as many transactions as it takes; blame messages that cannot be applied."""
    handled = _Bisection(commit, store).commit_all(batch)
    return _judge(handled, store) if any(map(_is_broken, handled)) else handled


class _Bisection(Struct, frozen=True):
    commit: Commit
    store: BatchStore
    rows_are_locked: bool = False
    """Another session holds rows, and the store works otherwise."""

    def commit_all(self, batch: Sequence[Received]) -> list[Handled]:
        handled: list[Handled] = []
        while len(handled) < len(batch):
            handled += self._commit_some(batch[len(handled) :])
        return handled

    def _commit_some(self, batch: Sequence[Received]) -> list[Handled]:
        """Commit the first messages, as many as fit into a transaction; if that fails, all."""
        try:
            return self.commit(batch)
        except Locked as error:
            if self.rows_are_locked:
                return self._commit_halves(batch, error)
            if outage := _outage(self.store):  # a whole table is locked
                return _give_back(batch, outage)
            return _Bisection(self.commit, self.store, rows_are_locked=True).commit_all(batch)
        except (Unavailable, Misconfigured) as error:
            return _give_back(batch, error)
        except Exception as error:  # noqa: BLE001 a message may break anything
            return self._commit_halves(batch, error)

    def _commit_halves(self, batch: Sequence[Received], error: Exception) -> list[Handled]:
        if len(batch) == 1:
            return [_broken(batch[0], error)]
        half = len(batch) // 2
        return [*self.commit_all(batch[:half]), *self.commit_all(batch[half:])]


def later_if_locked_out(result: Handled) -> Handled:
    """Release a message later if another session holds rows that it needs."""
    return _locked_out(result.received, result.error) if result.error else result


def _locked_out(received: Received, error: Exception) -> Handled:
    """Release it however often it was received: it can be applied once the rows are free."""
    return Handled(received, Release(locked_delay(received.receive_count)), error=error)


def _give_back(batch: Sequence[Received], error: Exception) -> list[Handled]:
    """Return an outage's result: the writer holds these, and releases them if it lasts."""
    return [Handled(received, Release(0), error=error) for received in batch]


def _outage(store: BatchStore) -> Exception | None:
    """Probe the store; return why it cannot be written, or None."""
    try:
        store.probe()
    except (Unavailable, Misconfigured) as error:
        return error
    return None


def _is_broken(result: Handled) -> bool:
    return result.error is not None and not result.met_an_outage and not result.is_locked_out


def _judge(handled: list[Handled], store: BatchStore) -> list[Handled]:
    """Blame messages only if the store is known to work, by other messages or by a probe."""
    if any(result.is_new for result in handled):
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


def _broken(received: Received, error: Exception) -> Handled:
    """Release a message that cannot be applied; dead-letter it after several receives.

    SQS counts releases as receives, too. So a message may be dead-lettered the first time that it
    fails, but never before the store is known to work.
    """
    if isinstance(error, Locked):
        return _locked_out(received, error)
    if received.receive_count >= RECEIVES_BEFORE_GIVING_UP:
        given_up = DeadLetter(Reason.PROCESSING_FAILED, type(error).__name__)
        return Handled(received, given_up, error=error)
    return Handled(received, Release(release_delay(received.receive_count)), error=error)
