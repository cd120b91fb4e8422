"""Our clock compared with SQS's: the worker's records and signatures depend on it."""

from worker.topology.checks.findings import Check, Finding

CLOCK = Check("clock")
MOST_SKEW_SECONDS = 120.0
"""AWS refuses signatures that are 5 to 15 minutes off; a synchronized clock is closer than this."""
SET_THE_CLOCK = "set the clock and keep it synchronized: timedatectl set-ntp true"


def is_skewed(seconds: float) -> bool:
    """Return whether a difference is too large."""
    return abs(seconds) > MOST_SKEW_SECONDS


def describe_skew(seconds: float) -> str:
    """Describe it for people; above 0 our clock is ahead."""
    side = "ahead of" if seconds > 0 else "behind"
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if abs(seconds) >= 2 * size:
            return f"the clock of this machine is {abs(seconds) / size:.0f} {unit} {side} SQS's"
    return f"the clock of this machine is {abs(seconds):.0f} s {side} SQS's"


def judge_clock(skew_seconds: float | None) -> Finding:
    """Judge the difference, ours minus SQS's; None: SQS's answers have no date."""
    if skew_seconds is None:
        return CLOCK.unknown("SQS's answer has no date to compare the clock of this machine with")
    if is_skewed(skew_seconds):
        return CLOCK.wrong(describe_skew(skew_seconds), SET_THE_CLOCK)
    return CLOCK.ok(describe_skew(skew_seconds))
