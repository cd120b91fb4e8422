"""Encrypted connections: always verified."""

import ssl
from functools import lru_cache
from pathlib import Path

from worker.timing.deadlines.sockets import make_heed


def make_context(bundle: str) -> ssl.SSLContext:
    """A TLS context that verifies chain, dates and name, by the certificates in that file now.

    boto3, too, takes up a file that has changed with the next connection.

    Raises:
        OSError: they cannot be read, or are none.

    """
    state = Path(bundle).stat()
    return _make_context(bundle, (state.st_mtime_ns, state.st_size, state.st_ino))


@lru_cache(maxsize=4)
def _make_context(bundle: str, _state: tuple[int, int, int]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which verifies, the name too
    # The machine's policy may want more, and OpenSSL would let us ask for less.
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET  # as botocore has them
    context.load_verify_locations(cafile=bundle)
    make_heed(context)
    return context
