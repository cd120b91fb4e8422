"""The figures of a replay or a deletion."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from worker.commands.dlq.applying import Verdict
from worker.consumer import Counters
from worker.core.dead_letter import DeadLetterFilter, DeadLetterMessage, Where
from worker.core.model import Outcome

MOST_NAMED = 20
"""Dead letters that stayed and are listed one by one; the others are counted."""


class DeadLetterOutcome(Struct, frozen=True, kw_only=True):
    """The result for a dead letter, or the result that a dry run predicts."""

    dead_letter: DeadLetterMessage
    outcome: str
    """An `Outcome`, or `sent`, or `stays`."""
    reason: str = ""
    error: str = ""


class Account:
    """The figures of a run; a single thread writes, any may read."""

    def __init__(self, filter_: DeadLetterFilter) -> None:
        self.counters = Counters()
        self.examined = 0
        """Dead letters examined, those not selected included."""
        self.handled = 0
        """Dead letters that were processed, successfully or not."""
        self.settled = 0
        """Of these, dead letters whose result is known."""
        self.sent = 0
        self.deleted = 0
        self.remaining = 0
        """Selected dead letters that were not processed, or are `undeleted`; see `stayed`, too."""
        self.undeleted = 0
        """Processed dead letters that SQS did not delete."""
        self.stayed: Counter[tuple[str, str]] = Counter()
        """Dead letters that were processed and stay in their place, by outcome and reason."""
        self.refused: Counter[str] = Counter()
        """Dead letters that the queue refused, by SQS's error code."""
        self.foreign: Counter[str] = Counter()
        """Dead letters of other queues, not sent to this queue, by source queue."""
        self.newcomers = 0
        """Dead letters that arrived since the start, not sent: we may have sent them ourselves."""
        self.dry_run_outcomes: list[DeadLetterOutcome] = []
        self.named: list[DeadLetterOutcome] = []
        """The first few dead letters that stayed."""
        self.total: int | None = None
        """Dead letters by the counts at the start; None: not counted."""
        self.interrupted = False
        """A signal has ended the run."""
        self.left_behind = False
        """The thread that works was abandoned: the figures may be incomplete."""
        self.only_in_quarantine = True
        """All examined dead letters were in quarantine."""
        self.no_queue = False
        """There is no dead-letter queue."""
        self.missing_ids = set(filter_.message_ids)
        """Named ids that no dead letter had so far."""
        self.other_reasons: dict[str, str] = {}
        """Reasons of dead letters that were named by id and have another reason than selected."""
        self.unmet_reasons = set() if filter_.message_ids else set(filter_.reasons)
        """Named reasons that no dead letter had so far."""
        self._filter = filter_

    def select(self, dead_letters: Sequence[DeadLetterMessage]) -> list[DeadLetterMessage]:
        """Count dead letters; return those that are selected."""
        self.examined += len(dead_letters)
        selected = [dead_letter for dead_letter in dead_letters if self._filter.fits(dead_letter)]
        if self._filter.message_ids and self._filter.reasons:
            for dead_letter in dead_letters:
                for named in dead_letter.ids & self._filter.message_ids:
                    self.other_reasons[named] = dead_letter.reason
        for dead_letter in selected:
            self.missing_ids -= dead_letter.ids
            self.only_in_quarantine &= dead_letter.where is Where.QUARANTINE
            self.unmet_reasons.discard(dead_letter.reason)
        return selected

    def judged(self, verdicts: Sequence[Verdict]) -> None:
        """Count those that stay in their place."""
        for verdict in verdicts:
            if verdict.outcome in {Outcome.DEFERRED, Outcome.DEAD_LETTERED}:
                self.stayed[verdict.outcome.value, verdict.reason or verdict.error] += 1
                if len(self.named) < MOST_NAMED:
                    self.named.append(_as_outcome(verdict))

    def record_dry_run(self, verdicts: Sequence[Verdict]) -> None:
        """Record dry-run outcomes."""
        self.dry_run_outcomes += map(_as_outcome, verdicts)

    def record_dry_run_as(
        self, outcome: str, dead_letters: Sequence[DeadLetterMessage], reason: str = ""
    ) -> None:
        """Record the same dry-run outcome for several dead letters."""
        self.dry_run_outcomes += [
            DeadLetterOutcome(
                dead_letter=dead_letter.without_body(), outcome=outcome, reason=reason
            )
            for dead_letter in dead_letters
        ]

    @property
    def not_processed(self) -> int | None:
        """How many were not processed, or not deleted; None: unknown."""
        if not self.left_behind:
            return self.remaining
        if self.total is None or not self._filter.everything:
            return None
        return max(0, self.total - self.settled)

    @property
    def still_there(self) -> int | None:
        """How many of those selected are still in the dead-letter queue or in quarantine.

        Those that were processed and stay, those not processed, and those not to be sent; None:
        unknown. Those not selected are not all examined, so nobody knows how many they are.
        """
        if self.not_processed is None:
            return None
        kept = self.stayed.total() + self.foreign.total() + self.newcomers
        return self.not_processed + kept

    @property
    def selects(self) -> bool:
        """Reasons or ids are named: the figures are of these dead letters only."""
        return not self._filter.everything

    @property
    def all_found(self) -> bool:
        """Every named dead letter was found."""
        return bool(self._filter.message_ids) and not self.missing_ids

    def not_deleted(self, count: int) -> None:
        """Count dead letters that were processed and not deleted."""
        self.undeleted += count
        self.remaining += count

    def not_examined(self, count: int) -> None:
        """Count dead letters that were not examined, and may be among the selected ones."""
        self.remaining += min(count, len(self.missing_ids)) if self._filter.message_ids else count


def _as_outcome(verdict: Verdict) -> DeadLetterOutcome:
    return DeadLetterOutcome(
        dead_letter=verdict.dead_letter.without_body(),
        outcome=verdict.outcome.value,
        reason=verdict.reason,
        error=verdict.error,
    )
