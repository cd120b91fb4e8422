"""Checks whether the certificates of SNS can be had."""

import os
from collections.abc import Iterator

from worker.app import region_of
from worker.app.signatures import obtain
from worker.aws.trust import stand_in
from worker.core.acceptance import Verify
from worker.settings import Settings
from worker.signatures.errors import Failed, NotServed, Wrong
from worker.signatures.fetching import fetch
from worker.signatures.origins import Origin, may_serve, no_certificate, origin_in, origin_of
from worker.topology.checks.findings import Finding
from worker.topology.checks.signatures import (
    judge_certificate,
    judge_foreign_address,
    judge_host,
    judge_unverified,
)


def check_signatures(settings: Settings, certificate: str) -> Iterator[Finding]:
    """Ask the hosts of certificates; `certificate`: an address to fetch and check, or empty."""
    verify, local = settings.sns.verify, stand_in(settings.queue.url or "", os.environ)
    if not certificate and (verify is Verify.OFF or (verify is Verify.AUTO and local)):
        yield judge_unverified("" if verify is Verify.OFF else local)
        return
    origins = _origins(settings)
    if certificate:
        yield _certificate(origins, certificate)
        return
    for origin in origins:
        error = _error_of(origin)
        yield judge_host(origin.host, error, is_required=verify is Verify.REQUIRE)


def _origins(settings: Settings) -> list[Origin]:
    """Return where the topics are; without a list of them, where the queue is."""
    found = filter(None, map(origin_of, settings.sns.topic_arns))
    return list(dict.fromkeys(found)) or [origin_in(region_of(settings))]


def _certificate(origins: list[Origin], url: str) -> Finding:
    origin = next((origin for origin in origins if may_serve(origin, url)), None)
    if origin is None:
        return judge_foreign_address(url)
    try:
        obtain(origin, url)
    except (Failed, NotServed, Wrong) as error:
        return judge_certificate(url, origin.host, str(error))
    return judge_certificate(url, origin.host, "")


def _error_of(origin: Origin) -> str:
    try:
        fetch(no_certificate(origin))
    except NotServed:  # as it must be, since there is no such certificate
        return ""
    except Failed as error:
        return str(error)
    return ""
