"""Waiting for another thread or process, with a limit."""

import time
from collections.abc import Callable


def wait_until(
    happened: Callable[[], object], seconds: float = 20, *, pause: float = 0.001
) -> None:
    """Wait until a condition holds, checking after each pause; fail after the limit."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain"
        time.sleep(pause)
