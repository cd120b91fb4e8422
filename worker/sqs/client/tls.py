"""TLS: certificates are always verified."""

import ssl
from functools import lru_cache
from pathlib import Path

from worker.timing.deadlines.sockets import use_deadlines


def make_context(bundle: str) -> ssl.SSLContext:
    """Return a TLS context that verifies chain, dates and name against the file's certificates.

    A changed file is read again with the next connection, as boto3 does.

    Raises:
        OSError: the file cannot be read, or holds no certificate.

    """
    state = Path(bundle).stat()
    return _make_context(bundle, (state.st_mtime_ns, state.st_size, state.st_ino))


@lru_cache(maxsize=4)
def _make_context(bundle: str, _state: tuple[int, int, int]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies chain and name
    # OpenSSL would let us go below the minimum of the machine's policy.
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET  # as botocore has them
    context.load_verify_locations(cafile=bundle)
    use_deadlines(context)
    return context
