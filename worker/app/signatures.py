"""Makes what verifies the signatures of SNS."""

import os
from contextlib import suppress

import structlog

from worker.app import region_of
from worker.aws.regions import is_region_of
from worker.aws.trust import ca_bundle, public_bundle, stand_in
from worker.core.errors import Misconfigured
from worker.core.sources import Sources, Verify
from worker.settings import Settings
from worker.signatures.certificates import Certificates, Key, Troubles
from worker.signatures.errors import Failed
from worker.signatures.fetching import fetch
from worker.signatures.origins import Origin
from worker.signatures.verifying import Verifier
from worker.timing import clock

log = structlog.get_logger()


def make_verifier(settings: Settings, troubles: Troubles) -> Verifier:
    """Make a verifier; nothing is fetched yet."""
    own = ""
    with suppress(Misconfigured):  # to replay what is in quarantine, no region is needed
        own = region_of(settings)
    return Verifier(
        Certificates(obtain, troubles),
        is_region=lambda region: region == own or is_region_of("sns", region),
        stand_in=stand_in(settings.queue.url or "", os.environ),
    )


def warn_if_unverified(verifier: Verifier, sources: Sources) -> None:
    """Warn that `auto` verifies nothing, because a local endpoint stands in for AWS."""
    if sources.verify is Verify.AUTO and verifier.stand_in:
        log.warning(
            "signatures.not_verified",
            endpoint=verifier.stand_in,
            hint='a local endpoint stands in for AWS; sns.verify = "require" or "off" is explicit',
        )


def obtain(origin: Origin, url: str) -> Key:
    """Fetch a certificate of SNS and check it.

    Raises:
        NotServed, Failed, Wrong: see `worker.signatures.errors`.

    """
    from worker.signatures.chain import checked, read_anchors  # noqa: PLC0415 it takes 0.1 s

    try:
        anchors = read_anchors(public_bundle(), ca_bundle())
    except OSError as error:
        raise Failed(f"the trusted authorities cannot be read: {error}") from error
    served = fetch(url)
    return checked(served, origin.names, anchors=anchors, now=clock.wall(), fetch=fetch)
