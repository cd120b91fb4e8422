"""The environment of the demo: nothing of the caller's reaches AWS's clients or the daemon."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

REGION = "eu-west-1"

_OF_THE_MACHINE = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
_OF_THE_TERMINAL = (
    "TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "LANG", "LC_ALL",
    "LC_CTYPE",
)  # fmt: skip
_OF_AWS = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
}


def for_the_worker(endpoint: str) -> dict[str, str]:
    """Build the environment of a worker that takes the loopback AWS for the real one."""
    return _kept(_OF_THE_MACHINE) | _OF_AWS | {"AWS_ENDPOINT_URL": endpoint, "PYTHONUTF8": "1"}


@contextmanager
def apart() -> Iterator[None]:
    """Do without the caller's environment within the block.

    moto reads dozens of variables, some while it is imported, and boto3 takes profiles,
    endpoints and proxies from there.
    """
    before = dict(os.environ)
    ours = _kept(_OF_THE_MACHINE + _OF_THE_TERMINAL) | _OF_AWS
    os.environ.clear()
    os.environ.update(ours)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _kept(names: tuple[str, ...]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}
