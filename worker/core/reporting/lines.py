"""AWS's lines for the rates of bounces and complaints, and how far a rate is from them.

AWS reviews an account from 5 % bounces or 0.1 % complaints on, and may pause its sending from 10 %
or 0.5 % on. Of bounces it counts hard ones to domains that are not verified as the sender's own,
without those of its mailbox simulator and of the suppression lists of account and tenants. It
computes both rates over a volume of mail that represents the sender, and complaints only over mail
to providers that report them. So nobody else can compute its rates exactly.
https://docs.aws.amazon.com/ses/latest/dg/faqs-enforcement.html
https://docs.aws.amazon.com/ses/latest/dg/reputationdashboardmessages.html
"""

from enum import StrEnum
from fractions import Fraction

from msgspec import Struct

FEWEST_MAILS = 1_000
"""Of fewer mails no rate is judged. One complaint among a thousand is AWS's line for a review."""
NEAR = Fraction(8, 10)
"""So much of the line for a review is near it; the alerts have the same threshold."""
_Z = 1.959964
"""Of a 95 % interval."""


class State(StrEnum):
    """Where a rate is."""

    UNKNOWN = "unknown"
    """It is not known how much mail was sent."""
    TOO_FEW = "too_few"
    """Fewer than `FEWEST_MAILS` were sent."""
    BELOW = "below"
    NEAR = "near"
    """Below the line for a review by less than a fifth of it."""
    REVIEW = "review"
    PAUSE = "pause"


class Lines(Struct, frozen=True):
    """AWS's two lines for a rate."""

    review: Fraction
    pause: Fraction


BOUNCES = Lines(Fraction(5, 100), Fraction(10, 100))
COMPLAINTS = Lines(Fraction(1, 1_000), Fraction(5, 1_000))


class Judgement(Struct, frozen=True, kw_only=True):
    """A rate and what it means."""

    lines: Lines
    counted: int
    """Bounces or complaints that AWS counts, as far as we see them."""
    sends: int | None
    state: State
    rate: float | None = None
    low: float | None = None
    """The rate is between `low` and `high`, with a probability of 95 %."""
    high: float | None = None
    left_to_review: int | None = None
    """How many more fit before the line, at this volume; negative: so many are too many."""
    left_to_pause: int | None = None

    @property
    def is_certain(self) -> bool:
        """Whether no line lies within the interval."""
        if self.low is None or self.high is None:
            return False
        return not any(
            self.low < line <= self.high for line in (self.lines.review, self.lines.pause)
        )


def judge(lines: Lines, counted: int, sends: int | None) -> Judgement:
    """Judge so many bounces or complaints of so many mails; None: unknown how many.

    More bounces than mails cannot be: then some mails were not counted, and their number is taken
    to be unknown.
    """
    if not sends or counted > sends:
        return Judgement(lines=lines, counted=counted, sends=None, state=State.UNKNOWN)
    low, high = interval(counted, sends)
    return Judgement(
        lines=lines,
        counted=counted,
        sends=sends,
        state=_state(lines, counted, sends),
        rate=counted / sends,
        low=low,
        high=high,
        left_to_review=_left(lines.review, counted, sends),
        left_to_pause=_left(lines.pause, counted, sends),
    )


def interval(count: int, of: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval for a rate."""
    share, square = count / of, _Z * _Z
    middle = share + square / (2 * of)
    half = _Z * (share * (1 - share) / of + square / (4 * of * of)) ** 0.5
    scale = 1 + square / of
    low = 0.0 if count == 0 else (middle - half) / scale
    return low, 1.0 if count == of else (middle + half) / scale


def _state(lines: Lines, counted: int, sends: int) -> State:
    rate = Fraction(counted, sends)
    if sends < FEWEST_MAILS:
        return State.TOO_FEW
    if rate >= lines.pause:
        return State.PAUSE
    if rate >= lines.review:
        return State.REVIEW
    return State.NEAR if rate >= lines.review * NEAR else State.BELOW


def _left(line: Fraction, counted: int, sends: int) -> int:
    """Return how many more keep the rate below a line; the mails that bounce were sent already."""
    highest = (line.numerator * sends - 1) // line.denominator
    return highest - counted
