"""The endpoint of SQS."""

from msgspec import Struct


class Endpoint(Struct, frozen=True, kw_only=True):
    """An endpoint's URL, in the parts that connections and requests need."""

    url: str
    """The URL in errors, as boto3 writes it."""
    secure: bool
    host: str
    """A name or an address, without brackets."""
    port: int
    authority: str
    """The header `Host`: brackets around an IPv6 address, no default port."""
    path: str
