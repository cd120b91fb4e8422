"""`ses-worker dlq replay`: applies dead letters, or sends them back to their queue."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from msgspec import Struct

from worker.app import open_existing_store, open_ready_store
from worker.app.in_force import keep_policy
from worker.app.signatures import make_verifier
from worker.commands.deliveries import Effects, deliver
from worker.commands.dlq.account import Account
from worker.commands.dlq.applying import Apply, DryRun
from worker.commands.dlq.in_quarantine import InQuarantine
from worker.commands.dlq.in_queue import InQueue
from worker.commands.dlq.moving import Mover
from worker.commands.dlq.place import Place
from worker.commands.dlq.scan import Scan
from worker.commands.dlq.sending import Send
from worker.commands.dlq.session import LeftBehind, Session, opened, see_through
from worker.core.dead_letter import DeadLetterFilter, DeadLetterMessage
from worker.core.errors import Refused, Unavailable, WorkerError
from worker.core.model import Outcome
from worker.observability.health import Health
from worker.observability.metrics import Metrics
from worker.observability.telemetry import Telemetry
from worker.service.startup_checks import warn_of_effects_without_sender
from worker.settings import Settings
from worker.sqs.dead_letter_queue import DeadLetterQueue
from worker.store import Store
from worker.store.needs import and_delete
from worker.store.tombstones import require_known_key
from worker.timing import clock
from worker.topology.checks.clock import is_skewed

WAIT_SECONDS = 60
"""How long to wait for dead letters that others hold."""
_DONE = {Outcome.APPLIED, Outcome.DUPLICATE, Outcome.IGNORED}

log = structlog.get_logger()
Watch = Callable[[int, int], None]
"""Takes the number of examined dead letters, and the total."""


class Plan(Struct, frozen=True, kw_only=True):
    """Which dead letters to replay, and how."""

    filter_: DeadLetterFilter = DeadLetterFilter()
    limit: int | None = None
    dry_run: bool = False
    to_queue: bool = False
    by_sqs: bool = False
    """SQS moves the dead letters in the dead-letter queue."""


class Replayed(Struct, frozen=True, kw_only=True):
    """The result of a replay."""

    account: Account
    effects: Effects
    elapsed_seconds: float
    failure: BaseException | None


def replay(settings: Settings, plan: Plan, watch: Watch = lambda _, __: None) -> Replayed:
    """Replay the selected dead letters, until all were examined or a signal ends it.

    Raises:
        Misconfigured, Unavailable, Refused: the replay could not begin.

    """
    started, effects = time.monotonic(), Effects()
    failure: BaseException | None = None
    account = Account(plan.filter_)
    with opened(settings, _open_dry if plan.dry_run else _open_store) as session:
        log.info(
            "replay.started",
            dead_letter_queue=session.queue.name if session.queue else None,
            store=session.store.place,
        )
        account.no_queue = session.queue is None
        work = _Work(settings, plan, session, account, watch)
        try:
            see_through(session.signals, work.run)
        except WorkerError as error:
            failure = error
        account.left_behind = isinstance(failure, LeftBehind)
        account.interrupted = session.signals.to_stop.is_set()
        if not plan.dry_run and not session.signals.to_hurry.is_set():
            effects, failure = deliver(settings, session.store, session.signals, failure)
    return Replayed(
        account=account,
        effects=effects,
        elapsed_seconds=time.monotonic() - started,
        failure=failure,
    )


def _open_dry(settings: Settings) -> Store:
    return open_existing_store(settings, and_delete("quarantine"))


def _open_store(settings: Settings) -> Store:
    store = open_ready_store(settings, and_delete("quarantine"))
    require_known_key(store, settings.privacy.privacy_key)
    keep_policy(store, settings.as_policy())
    warn_of_effects_without_sender(store, settings.lanes, settings.keys_of)
    return store


class _Work:
    """A single replay."""

    def __init__(
        self, settings: Settings, plan: Plan, session: Session, account: Account, watch: Watch
    ) -> None:
        self._plan = plan
        self._session = session
        self._account = account
        self._watch = watch
        self._began = clock.wall()
        self._total = 0
        policy = settings.as_policy()
        log_key = settings.log_key
        report = Telemetry(Metrics(), lambda: log_key).report
        self._send = Send(session.source, session.signals.pause)
        verifier = make_verifier(settings, Health())
        self._apply = Apply(session.store, policy, verifier, account.counters, report)
        self._dry_run_of = DryRun(session.store, policy, verifier, account.counters)
        self._scan = Scan(
            plan.filter_,
            account,
            self._dry_run if plan.dry_run else self._act,
            stop=session.signals.to_stop,
            limit=plan.limit,
            may=self._may_be_sent if plan.to_queue else lambda _: True,
            watch=lambda examined: watch(examined, max(examined, self._total)),
        )

    def run(self) -> None:
        """Scan both places.

        Raises:
            Unavailable, Refused: SQS or the store; the account has what was done before.

        """
        for place in self._places():
            self._scan.go_through(place)
        if self._plan.by_sqs and self._session.queue:
            self._have_moved(self._session.queue)

    def _places(self) -> Iterator[Place]:
        session, filter_ = self._session, self._plan.filter_
        quarantine = InQuarantine(session.store, filter_)
        self._total = quarantine.count
        yield quarantine
        if session.queue and not (self._plan.by_sqs or self._account.all_found):
            most = self._scan.left if filter_.everything and not self._plan.to_queue else None
            queue = InQueue(session.queue, session.signals, wait_seconds=WAIT_SECONDS, most=most)
            self._total += queue.counts().total
            self._account.total = self._total
            yield queue

    def _act(self, place: Place, dead_letters: Sequence[DeadLetterMessage]) -> None:
        if self._plan.to_queue:
            self._send_back(place, dead_letters)
        else:
            self._apply_them(place, dead_letters)

    def _apply_them(self, place: Place, dead_letters: Sequence[DeadLetterMessage]) -> None:
        verdicts = self._apply(dead_letters)
        place.remove([verdict.dead_letter for verdict in verdicts if verdict.outcome in _DONE])
        self._account.judged(verdicts)
        if self._apply.failure:
            raise self._apply.failure

    def _dry_run(self, _: Place, dead_letters: Sequence[DeadLetterMessage]) -> None:
        if self._plan.to_queue:
            self._account.sent += len(dead_letters)
            self._account.record_dry_run_as("sent", dead_letters)
            return
        verdicts = self._dry_run_of(dead_letters)
        self._account.judged(verdicts)
        self._account.record_dry_run(verdicts)

    def _send_back(self, place: Place, dead_letters: Sequence[DeadLetterMessage]) -> None:
        left = len(dead_letters)
        try:
            for accepted in self._send(dead_letters):
                left -= len(accepted)
                self._account.sent += len(accepted)
                place.remove(accepted)
        finally:
            self._account.remaining += left
            self._account.refused = self._send.refused
        if self._send.failure:
            raise self._send.failure

    def _may_be_sent(self, dead_letter: DeadLetterMessage) -> bool:
        """Decide whether a dead letter may be sent to our queue; with its id given it always may.

        Those of other queues may not. Nor may those that arrived since the start: a worker on the
        queue may have dead-lettered again what we sent, and the replay would never end.
        """
        if self._plan.filter_.message_ids:
            return True
        if dead_letter.source_name not in {"", self._session.source.name}:
            self._account.foreign[dead_letter.source_name] += 1
            if self._plan.dry_run:
                self._account.record_dry_run_as(
                    "stays", [dead_letter], f"of the queue {dead_letter.source_name}"
                )
            return False
        if dead_letter.kept_since is not None and dead_letter.kept_since > self._began_by_sqs():
            self._account.newcomers += 1
            return False
        return True

    def _began_by_sqs(self) -> datetime:
        """When this replay began; by SQS's clock, which dates dead letters, if ours is wrong."""
        skew = self._session.queue.clock_skew.latest_seconds if self._session.queue else None
        return self._began - timedelta(seconds=skew) if skew and is_skewed(skew) else self._began

    def _have_moved(self, queue: DeadLetterQueue) -> None:
        mover = Mover(queue, self._session.source, self._session.signals)
        try:
            if not self._session.signals.to_stop.is_set():
                mover.run(self._watch)
        finally:
            self._account.sent += mover.moved
            with suppress(Unavailable, Refused):
                self._account.not_examined(queue.counts().total)
