"""What a replay, or a deletion, has come to so far."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from worker.consumer import Tally
from worker.dead_letters.applying import Verdict
from worker.letters import Letter, Wanted, Where
from worker.model import Outcome

MOST_NAMED = 20


class Foretold(Struct, frozen=True, kw_only=True):
    """What has become of a letter, or would."""

    letter: Letter
    outcome: str
    """An `Outcome`, or `sent`, or `stays`."""
    reason: str = ""
    error: str = ""


class Account:
    """Counts of one run; written by one thread, read by whoever shows them."""

    def __init__(self, wanted: Wanted) -> None:
        self.tally = Tally()
        self.seen = 0
        """Letters that came by, those that are not meant too."""
        self.handled = 0
        """Letters that something was done to, or tried."""
        self.settled = 0
        """Of these, letters of which it is known what came of it."""
        self.sent = 0
        self.deleted = 0
        self.remaining = 0
        """Letters that are meant and are there still: nothing was done to them, or `undeleted`."""
        self.undeleted = 0
        """Letters that are done with and that SQS did not delete."""
        self.stayed: Counter[tuple[str, str]] = Counter()
        """Letters that stay where they are, by outcome and the reason for it."""
        self.refused: Counter[str] = Counter()
        """Letters that the queue would not take, by SQS's code."""
        self.strangers: Counter[str] = Counter()
        """Letters of other queues, which were not sent to this one, by the names of these."""
        self.newcomers = 0
        """Letters that came since we began, and were not sent: they may be what we sent."""
        self.foretold: list[Foretold] = []
        self.named: list[Foretold] = []
        """Of the letters that stayed, the first few."""
        self.total: int | None = None
        """Letters that are meant, by the counts at the beginning; None: nobody has counted them."""
        self.interrupted = False
        """A signal has ended it."""
        self.left_behind = False
        """Whoever counts was left at work: nothing of what remains is known for certain."""
        self.only_in_quarantine = True
        """No letter that came by was in the dead-letter queue."""
        self.no_queue = False
        """There is no dead-letter queue."""
        self.missing_ids = set(wanted.message_ids)
        self.other_reasons: dict[str, str] = {}
        """Of letters that are named by an id and not meant: the reasons that they have."""
        self.unmet_reasons = set() if wanted.message_ids else set(wanted.reasons)
        self._wanted = wanted

    def sorted_out(self, letters: Sequence[Letter]) -> list[Letter]:
        """Those that are meant."""
        self.seen += len(letters)
        meant = [letter for letter in letters if self._wanted.fits(letter)]
        if self._wanted.message_ids and self._wanted.reasons:
            for letter in letters:
                for named in letter.ids & self._wanted.message_ids:
                    self.other_reasons[named] = letter.reason
        for letter in meant:
            self.missing_ids -= letter.ids
            self.only_in_quarantine &= letter.where is Where.QUARANTINE
            self.unmet_reasons.discard(letter.reason)
        return meant

    def judged(self, verdicts: Sequence[Verdict]) -> None:
        """Count those that stay."""
        for verdict in verdicts:
            if verdict.outcome in {Outcome.DEFERRED, Outcome.DEAD_LETTERED}:
                self.stayed[verdict.outcome.value, verdict.reason or verdict.error] += 1
                if len(self.named) < MOST_NAMED:
                    self.named.append(_told(verdict))

    def foretell(self, verdicts: Sequence[Verdict]) -> None:
        """Note what would become of each."""
        self.foretold += map(_told, verdicts)

    def foretell_as(self, outcome: str, letters: Sequence[Letter], reason: str = "") -> None:
        """Note of letters that the same would become of each."""
        self.foretold += [
            Foretold(letter=one.without_body(), outcome=outcome, reason=reason) for one in letters
        ]

    @property
    def still_there(self) -> int | None:
        """How many remain; None: nobody knows."""
        if not self.left_behind:
            return self.remaining
        if self.total is None or not self._wanted.everything:
            return None
        return max(0, self.total - self.settled)

    @property
    def all_found(self) -> bool:
        """Every letter that was named has come by."""
        return bool(self._wanted.message_ids) and not self.missing_ids

    def not_deleted(self, count: int) -> None:
        """So many are done with and lie where they lay."""
        self.undeleted += count
        self.remaining += count

    def not_seen(self, count: int) -> None:
        """So many did not come by, for others hold them or we left off; they may be meant."""
        self.remaining += min(count, len(self.missing_ids)) if self._wanted.message_ids else count


def _told(verdict: Verdict) -> Foretold:
    return Foretold(
        letter=verdict.letter.without_body(),
        outcome=verdict.outcome.value,
        reason=verdict.reason,
        error=verdict.error,
    )
