"""Where SQS is."""

from msgspec import Struct


class Place(Struct, frozen=True, kw_only=True):
    """An endpoint, in the parts that a connection and a request need."""

    url: str
    """As boto3 names it in its errors."""
    secure: bool
    host: str
    """A name or an address, without brackets."""
    port: int
    authority: str
    """The header `Host`: with brackets around an IPv6 address, without the usual port."""
    path: str
