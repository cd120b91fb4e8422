"""Retry policies: how often, how long and with how much jitter."""

import random
import threading
from collections.abc import Callable

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential,
    wait_random,
)

from worker.core.errors import Raced, Refused, Stopped, Unavailable

RECEIVES_BEFORE_GIVING_UP = 5
"""A message that cannot be applied is dead-lettered at this receive count. AWS recommends no lower
maxReceiveCount in a redrive policy; without a redrive policy nothing else ends the retries."""
LONGEST_BACK_OFF_SECONDS = 60
LONGEST_HICCUP_PAUSE_SECONDS = 2.2
"""Longest pause between two tries of `a_few_times`."""
AT_ONCE_TRIES = 3
AT_ONCE_LONGEST_PAUSE_SECONDS = 1.5

_HICCUP = wait_exponential(multiplier=0.1, max=2) + wait_random(0, 0.2)
_FIRST_RELEASE_SECONDS = 30
_LONGEST_EFFECT_SECONDS = 3600
_LONGEST_RELEASE_SECONDS = 6 * 3600
"""Half of the 12 hours that SQS lets a message be invisible after its receive."""

Sleep = Callable[[float], None]
Report = Callable[[BaseException, float], None]
"""Takes the error, and the seconds until the next try."""


def unless_over(over: threading.Event) -> Sleep:
    """Return a pause that raises `Stopped` once `over` is set."""

    def pause(seconds: float) -> None:
        if over.wait(seconds):
            raise Stopped

    return pause


when_raced = Retrying(
    retry=retry_if_exception_type(Raced),
    wait=wait_random(0, 0.05),
    stop=stop_after_attempt(5),
    reraise=True,
)
"""Start over after another worker wrote the same rows, with a random pause.

In the message path call it; do not wrap a function with it. A wrapped function copies it at each
call, in a cycle that only the garbage collector can free.
"""


def while_unreachable(
    sleep: Sleep, report: Report, *, longest: float = LONGEST_BACK_OFF_SECONDS
) -> Retrying:
    """Retry an unavailable service without a limit, after 1 s to `longest` each.

    `sleep` ends the retries by an exception of its own.
    """
    return Retrying(
        retry=retry_if_exception_type((Unavailable, Refused)),
        wait=lambda state: min(longest, back_off(state.attempt_number)),
        sleep=sleep,
        before_sleep=lambda state: _report(state, report),
    )


def a_few_times(sleep: Sleep) -> Retrying:
    """Retry a short failure: five tries within some seconds; a refused call is not retried."""
    return Retrying(
        retry=retry_if_exception_type(Unavailable),
        wait=_HICCUP,
        stop=stop_after_attempt(5),
        sleep=sleep,
        reraise=True,
    )


def briefly(sleep: Sleep, seconds: float) -> Retrying:
    """Retry as `a_few_times` does, but begin no try after so many seconds."""
    return Retrying(
        retry=retry_if_exception_type(Unavailable),
        wait=_HICCUP,
        stop=stop_after_attempt(5) | stop_after_delay(seconds),
        sleep=sleep,
        reraise=True,
    )


def until_leased_out(sleep: Sleep, seconds: float) -> Retrying:
    """Retry settling a delivery while its lease lasts."""
    return Retrying(
        retry=retry_if_exception_type((Unavailable, Raced)),
        wait=wait_exponential(multiplier=0.05, max=5) + wait_random(0, 0.1),
        stop=stop_after_delay(seconds),
        sleep=sleep,
        reraise=True,
    )


def once_more(give_up: type[Unavailable]) -> Retrying:
    """Retry a lost connection once and at once, but not after a `give_up` error.

    For idempotent calls that wait for a slot before each try.
    """
    return Retrying(
        retry=retry_if_exception(
            lambda error: isinstance(error, Unavailable) and not isinstance(error, give_up)
        ),
        stop=stop_after_attempt(2),
        reraise=True,
    )


def at_once(sleep: Sleep, *, again: Callable[[object], bool]) -> Retrying:
    """Try up to twice more, each after a second or more, while `again` is true of the result."""
    return Retrying(
        retry=retry_if_result(again),
        wait=wait_random(1.0, AT_ONCE_LONGEST_PAUSE_SECONDS),
        stop=stop_after_attempt(AT_ONCE_TRIES),
        sleep=sleep,
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )


def back_off(attempt: int) -> float:
    """Seconds to wait after so many failures in a row: 1 to 60, half of it jitter."""
    ceiling = min(LONGEST_BACK_OFF_SECONDS, 2 ** min(attempt, 10))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 jitter, not a secret


def effect_delay(attempts: int) -> float:
    """Seconds until an effect is tried again: 30 s to an hour, half of it jitter."""
    ceiling = min(_LONGEST_EFFECT_SECONDS, _FIRST_RELEASE_SECONDS * 2 ** min(attempts, 20))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 jitter, not a secret


def release_delay(receive_count: int) -> float:
    """Seconds until a message that failed is tried again: exponential, with full jitter."""
    ceiling = min(_LONGEST_RELEASE_SECONDS, _FIRST_RELEASE_SECONDS * 2 ** min(receive_count, 20))
    return random.uniform(1, ceiling)  # noqa: S311 jitter, not a secret


def locked_delay(receive_count: int) -> float:
    """Seconds until a message whose rows another session holds is tried again.

    Exponential, and only half of it jitter, because each try costs a receive. Five receives, as a
    redrive policy may allow, take at least eight minutes.
    """
    ceiling = min(_LONGEST_RELEASE_SECONDS, _FIRST_RELEASE_SECONDS * 2 ** min(receive_count, 20))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 jitter, not a secret


def _report(state: RetryCallState, report: Report) -> None:
    if state.outcome and (error := state.outcome.exception()):
        report(error, state.upcoming_sleep)
