"""`ses-worker dlq replay`: letters go the way of every message again, or back to their queue."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from msgspec import Struct

from worker import clock
from worker.app import open_existing_store, open_ready_store, say_what_nobody_delivers
from worker.checks.clock import is_skewed
from worker.dead_letter_queue import DeadLetterQueue
from worker.dead_letters.account import Account
from worker.dead_letters.applying import Apply, Foretell
from worker.dead_letters.desk import Desk, LeftBehind, opened, see_through
from worker.dead_letters.in_quarantine import InQuarantine
from worker.dead_letters.in_queue import InQueue
from worker.dead_letters.moving import Mover
from worker.dead_letters.passage import Passage
from worker.dead_letters.place import Place
from worker.dead_letters.sending import Send
from worker.deliveries import Effects, deliver
from worker.errors import Refused, Unavailable, WorkerError
from worker.letters import Letter, Wanted
from worker.metrics import Metrics
from worker.model import Outcome
from worker.settings import Settings
from worker.store import Store
from worker.telemetry import Telemetry

PATIENCE_SECONDS = 60
"""How long to wait for letters that others hold."""
_DONE = {Outcome.APPLIED, Outcome.DUPLICATE, Outcome.IGNORED}

log = structlog.get_logger()
Watch = Callable[[int, int], None]
"""Takes how many letters came by, and of how many."""


class Plan(Struct, frozen=True, kw_only=True):
    """What is to be done, and to which letters."""

    wanted: Wanted = Wanted()
    limit: int | None = None
    dry_run: bool = False
    to_queue: bool = False
    by_sqs: bool = False
    """SQS is to move what lies in the dead-letter queue."""


class Replayed(Struct, frozen=True, kw_only=True):
    """How a replay went."""

    account: Account
    effects: Effects
    elapsed_seconds: float
    failure: BaseException | None


def replay(settings: Settings, plan: Plan, watch: Watch = lambda _, __: None) -> Replayed:
    """Replay the letters that are meant, until all have come by or a signal ends it.

    Raises:
        Misconfigured, Unavailable, Refused: it could not begin.

    """
    started, effects = time.monotonic(), Effects()
    failure: BaseException | None = None
    account = Account(plan.wanted)
    with opened(settings, open_existing_store if plan.dry_run else _open_store) as desk:
        log.info(
            "replay.started",
            dead_letter_queue=desk.queue.name if desk.queue else None,
            store=desk.store.place,
        )
        account.no_queue = desk.queue is None
        work = _Work(settings, plan, desk, account, watch)
        try:
            see_through(desk.asked, work.run)
        except WorkerError as error:
            failure = error
        account.left_behind = isinstance(failure, LeftBehind)
        account.interrupted = desk.asked.to_stop.is_set()
        if not plan.dry_run and not desk.asked.to_hurry.is_set():
            effects, failure = deliver(settings, desk.store, desk.asked, failure)
    return Replayed(
        account=account,
        effects=effects,
        elapsed_seconds=time.monotonic() - started,
        failure=failure,
    )


def _open_store(settings: Settings) -> Store:
    store = open_ready_store(settings)
    say_what_nobody_delivers(settings, store)
    return store


class _Work:
    """The run itself."""

    def __init__(
        self, settings: Settings, plan: Plan, desk: Desk, account: Account, watch: Watch
    ) -> None:
        self._plan = plan
        self._desk = desk
        self._account = account
        self._watch = watch
        self._began = clock.wall()
        self._total = 0
        policy = settings.as_policy()
        tell = Telemetry(Metrics()).tell
        self._send = Send(desk.source, desk.asked.pause)
        self._apply = Apply(desk.store, policy, account.tally, tell)
        self._foretell = Foretell(desk.store, policy, account.tally)
        self._passage = Passage(
            plan.wanted,
            account,
            self._dry_run if plan.dry_run else self._act,
            stop=desk.asked.to_stop,
            limit=plan.limit,
            may=self._may_be_sent if plan.to_queue else lambda _: True,
            watch=lambda seen: watch(seen, max(seen, self._total)),
        )

    def run(self) -> None:
        """Go through both places.

        Raises:
            Unavailable, Refused: a far side; what was done until then is in the account.

        """
        for place in self._places():
            self._passage.go_through(place)
        if self._plan.by_sqs and self._desk.queue:
            self._have_moved(self._desk.queue)

    def _places(self) -> Iterator[Place]:
        desk, wanted = self._desk, self._plan.wanted
        quarantine = InQuarantine(desk.store, wanted)
        self._total = quarantine.count
        yield quarantine
        if desk.queue and not (self._plan.by_sqs or self._account.all_found):
            most = self._passage.left if wanted.everything and not self._plan.to_queue else None
            queue = InQueue(desk.queue, desk.asked, patience_seconds=PATIENCE_SECONDS, most=most)
            self._total += queue.counts().total
            self._account.total = self._total
            yield queue

    def _act(self, place: Place, letters: Sequence[Letter]) -> None:
        if self._plan.to_queue:
            self._send_back(place, letters)
        else:
            self._apply_them(place, letters)

    def _apply_them(self, place: Place, letters: Sequence[Letter]) -> None:
        verdicts = self._apply(letters)
        place.remove([verdict.letter for verdict in verdicts if verdict.outcome in _DONE])
        self._account.judged(verdicts)
        if self._apply.failure:
            raise self._apply.failure

    def _dry_run(self, _: Place, letters: Sequence[Letter]) -> None:
        if self._plan.to_queue:
            self._account.sent += len(letters)
            self._account.foretell_as("sent", letters)
            return
        verdicts = self._foretell(letters)
        self._account.judged(verdicts)
        self._account.foretell(verdicts)

    def _send_back(self, place: Place, letters: Sequence[Letter]) -> None:
        left = len(letters)
        try:
            for accepted in self._send(letters):
                left -= len(accepted)
                self._account.sent += len(accepted)
                place.remove(accepted)
        finally:
            self._account.remaining += left
            self._account.refused = self._send.refused
        if self._send.failure:
            raise self._send.failure

    def _may_be_sent(self, letter: Letter) -> bool:
        """What came from another queue is not ours to send here, unless it is named.

        Nor is what came since we began: a worker that lives on the queue may have set aside again
        what we sent, and we would go round with it for ever.
        """
        if self._plan.wanted.message_ids:
            return True
        if letter.source_name not in {"", self._desk.source.name}:
            self._account.strangers[letter.source_name] += 1
            if self._plan.dry_run:
                self._account.foretell_as("stays", [letter], f"of the queue {letter.source_name}")
            return False
        if letter.kept_since is not None and letter.kept_since > self._began_by_sqs():
            self._account.newcomers += 1
            return False
        return True

    def _began_by_sqs(self) -> datetime:
        """When this began, by the clock that dates letters; ours, unless it is plainly wrong."""
        skew = self._desk.queue.clock_skew.latest_seconds if self._desk.queue else None
        return self._began - timedelta(seconds=skew) if skew and is_skewed(skew) else self._began

    def _have_moved(self, queue: DeadLetterQueue) -> None:
        mover = Mover(queue, self._desk.source, self._desk.asked)
        try:
            if not self._desk.asked.to_stop.is_set():
                mover.run(self._watch)
        finally:
            self._account.sent += mover.moved
            with suppress(Unavailable, Refused):
                self._account.not_seen(queue.counts().total)
