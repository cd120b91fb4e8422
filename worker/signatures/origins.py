"""Which certificate may have signed a topic's messages, judged by its address. Pure.

The address is compared, and not parsed: what must be equal leaves nothing to interpret. So user
names, ports, other schemes and hosts, capitals, queries and paths with dots are refused alike.
"""

import re

from msgspec import Struct

_TOPIC = re.compile(
    r"arn:(?P<partition>aws[a-z-]{0,16}):sns:(?P<region>[a-z0-9-]{4,32}):[0-9]{12}:[A-Za-z0-9_.-]{1,256}",
    re.ASCII,
)
_NAME = re.compile(r"[0-9a-f]{8,64}", re.ASCII)
_BEFORE, _AFTER = "/SimpleNotificationService-", ".pem"
DOMAINS = {
    "aws": "amazonaws.com",
    "aws-cn": "amazonaws.com.cn",
    "aws-us-gov": "amazonaws.com",
    "aws-eusc": "amazonaws.eu",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
    "aws-iso-e": "cloud.adc-e.uk",
    "aws-iso-f": "csp.hci.ic.gov",
}
"""The domain of each partition's endpoints (botocore's partitions.json)."""
_PARTITIONS = (
    ("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"), ("eusc-", "aws-eusc"), ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"), ("eu-isoe-", "aws-iso-e"), ("us-iso-", "aws-iso"),
)  # fmt: skip
"""How the names of regions begin, by partition; all others are in `aws`."""


class Origin(Struct, frozen=True):
    """Where a topic is."""

    partition: str
    region: str

    @property
    def host(self) -> str:
        """The only host that may serve the certificate."""
        return f"sns.{self.region}.{DOMAINS[self.partition]}"

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the certificate may be issued to."""
        return ("sns.amazonaws.com", self.host, f"sns-signing.{self.host.partition('.')[2]}")


def origin_of(topic: str) -> Origin | None:
    """Return where a topic is; None: this is no ARN of a topic."""
    found = _TOPIC.fullmatch(topic) if len(topic) <= 400 else None
    if found is None or found["partition"] not in DOMAINS:
        return None
    return Origin(found["partition"], found["region"])


def may_serve(origin: Origin, url: str) -> bool:
    """Return whether the address is that of a certificate of SNS in the topic's region."""
    start = f"https://{origin.host}{_BEFORE}"
    if len(url) > 200 or not (url.startswith(start) and url.endswith(_AFTER)):
        return False
    return _NAME.fullmatch(url[len(start) : -len(_AFTER)]) is not None


def no_certificate(origin: Origin) -> str:
    """Return the address of a certificate that does not exist: to see whether the host answers."""
    return f"https://{origin.host}{_BEFORE}{'0' * 32}{_AFTER}"


def origin_in(region: str) -> Origin:
    """Return where the topics of a region are; the partition is known by the region's name."""
    found = next((name for start, name in _PARTITIONS if region.startswith(start)), "aws")
    return Origin(found, region)
