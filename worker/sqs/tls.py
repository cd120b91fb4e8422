"""Encrypted connections: always verified."""

import ssl


def make_context(bundle: str) -> ssl.SSLContext:
    """Verify chain, dates and name of whoever answers, by the certificates in that file.

    Raises:
        OSError: they cannot be read, or are none.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which verifies, the name too
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET  # as botocore has them
    context.load_verify_locations(cafile=bundle)
    return context
