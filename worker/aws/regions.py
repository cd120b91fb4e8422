"""Which AWS region is called."""

import re
from collections.abc import Mapping
from functools import cache
from urllib.parse import urlsplit

import botocore.session

from worker.aws.clients import make_session
from worker.core.errors import Misconfigured

_LIKE_A_REGION = re.compile(r"[A-Za-z0-9-]{1,63}")
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_FIRST_REGION = "us-east-1"
"""The region of SQS's oldest host names, which contain none."""
_SQS_HOST = re.compile(
    r"""
      (?:^|\.)sqs(?:-fips)?\.(?P<region>[a-z]+(?:-[a-z]+)+-\d+)\.   # also in a VPC endpoint's name
    | ^(?P<legacy>[a-z]+(?:-[a-z]+)+-\d+)\.queue\.amazonaws\.
    | ^(?:sqs|queue)\.amazonaws\.com$
    """,
    re.VERBOSE,
)
"""https://docs.aws.amazon.com/general/latest/gr/sqs-service.html"""


def region_for(setting: str | None, queue_url: str, environment: Mapping[str, str]) -> str:
    """Return the region: the setting, AWS's two variables, or the region in the queue's URL.

    boto3 by itself does not read `AWS_REGION`.

    Raises:
        Misconfigured: none of them is set, or the value is not the name of a region.

    """
    named = setting or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    region = named or region_in(queue_url)
    if region is None:
        raise Misconfigured("no AWS region: set aws.region, or AWS_REGION in the environment")
    if not _LIKE_A_REGION.fullmatch(region):
        raise Misconfigured(f"{region!r} is no AWS region: fix aws.region, or AWS_REGION")
    return region


def region_in(queue_url: str) -> str | None:
    """Return the region in a queue's URL; None if the URL contains none."""
    found = _SQS_HOST.search(urlsplit(queue_url).hostname or "")
    if found is None:
        return None
    return found["region"] or found["legacy"] or _FIRST_REGION


def account_in(queue_url: str) -> str | None:
    """Return the account in a queue's URL; None if the URL contains none."""
    first = urlsplit(queue_url).path.strip("/").partition("/")[0]
    return first if _ACCOUNT.fullmatch(first) else None


def is_region_of(service: str, region: str) -> bool:
    """Return whether AWS offered the service in the region when this boto3 was released."""
    return region in _regions_of(service)


@cache
def _regions_of(service: str) -> frozenset[str]:
    session = make_session(botocore.session.get_session())
    return frozenset(
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions(service, partition)
    )
