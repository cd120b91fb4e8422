"""AWS: clients, regions, and errors sorted by what to do next."""

from worker.aws.clients import (
    CALL_SECONDS,
    CONNECT_SECONDS,
    IDENTITY_SECONDS,
    frozen_keys,
    make_client,
    watch_dates,
)
from worker.aws.errors import (
    AwsRefused,
    NoIdentity,
    Throttled,
    Unsupported,
    translated,
    unsupported,
)
from worker.aws.regions import account_in, is_region_of, region_for, region_in

__all__ = [
    "CALL_SECONDS",
    "CONNECT_SECONDS",
    "IDENTITY_SECONDS",
    "AwsRefused",
    "NoIdentity",
    "Throttled",
    "Unsupported",
    "account_in",
    "frozen_keys",
    "is_region_of",
    "make_client",
    "region_for",
    "region_in",
    "translated",
    "unsupported",
    "watch_dates",
]
