"""Waiting for what another thread or process will do, and not for ever."""

import time
from collections.abc import Callable


def wait_until(
    happened: Callable[[], object], seconds: float = 20, *, pause: float = 0.001
) -> None:
    """Wait until something is so, looking after each pause; fail if it does not come about."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain"
        time.sleep(pause)
