"""Makes what verifies the signatures of SNS."""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

import structlog

from worker.app import region_of
from worker.aws.regions import is_region_of
from worker.aws.trust import ca_bundle, public_bundle, stand_in
from worker.core.acceptance import Acceptance, Verify
from worker.core.errors import Misconfigured
from worker.settings import Settings
from worker.signatures.certificates import Certificates, Key, Problems
from worker.signatures.errors import Failed
from worker.signatures.fetching import fetch
from worker.signatures.origins import Origin
from worker.signatures.verifying import Verifier
from worker.sqs.client.skew import ClockSkew
from worker.timing import clock
from worker.timing.deadlines import within

LONGEST_SECONDS = 8.0
"""Time limit of a certificate with all those between it and the root: the writer waits for it."""

log = structlog.get_logger()


def make_verifier(
    settings: Settings, problems: Problems, skew: ClockSkew | None = None
) -> Verifier:
    """Make a verifier; nothing is fetched yet.

    The dates of certificates are judged by SQS's clock, if `skew` knows it. A wrong clock here need
    not fail TLS to their host, whose own certificate has other dates.
    """

    def wall() -> datetime:
        return clock.wall() - timedelta(seconds=_seconds(skew))

    own = ""
    with suppress(Misconfigured):  # to replay what is in quarantine, no region is needed
        own = region_of(settings)
    return Verifier(
        Certificates(partial(obtain, wall=wall), problems, wall=wall),
        is_region=lambda region: region == own or is_region_of("sns", region),
        own_region=own,
        stand_in=stand_in(settings.queue.url or "", os.environ),
    )


def _seconds(skew: ClockSkew | None) -> float:
    seconds = skew and (skew.latest_seconds if skew.seconds is None else skew.seconds)
    return seconds or 0.0


def warn_if_unverified(verifier: Verifier, acceptance: Acceptance) -> None:
    """Warn that `auto` verifies nothing, because a local endpoint stands in for AWS."""
    if acceptance.verify is Verify.AUTO and verifier.stand_in:
        log.warning(
            "signatures.not_verified",
            endpoint=verifier.stand_in,
            hint='a local endpoint stands in for AWS; sns.verify = "require" or "off" is explicit',
        )


def obtain(origin: Origin, url: str, *, wall: Callable[[], datetime] = clock.wall) -> Key:
    """Fetch a certificate of SNS and check it.

    Raises:
        NotServed, Failed, Wrong: see `worker.signatures.errors`.

    """
    from worker.signatures.chain import checked, read_anchors  # noqa: PLC0415 it takes 0.1 s

    try:
        anchors = read_anchors(public_bundle(), ca_bundle())
    except OSError as error:
        raise Failed(f"the trusted authorities cannot be read: {error}") from error
    with within(LONGEST_SECONDS):
        served = fetch(url)
        return checked(served, origin.names, anchors=anchors, now=wall(), fetch=fetch)
