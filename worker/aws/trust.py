"""Which certificate authorities are trusted, and whether a local endpoint stands in for AWS."""

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from botocore.httpsession import get_cert_path

_ENDPOINTS = ("AWS_ENDPOINT_URL_SNS", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL")
_LOCAL = (".localhost", ".localhost.localstack.cloud", ".localstack.cloud", ".docker.internal")


def ca_bundle(environment: Mapping[str, str] | None = None) -> str:
    """Return the file of trusted certificates, as boto3 chooses it for AWS."""
    variables = os.environ if environment is None else environment
    named = variables.get("AWS_CA_BUNDLE") or variables.get("REQUESTS_CA_BUNDLE")
    return named or str(get_cert_path(verify=True))


def public_bundle() -> str:
    """Return the file with the public certificate authorities, Amazon's among them."""
    return str(get_cert_path(verify=True))


def stand_in(queue_url: str, environment: Mapping[str, str]) -> str:
    """Return the host of a local endpoint that stands in for AWS; empty: AWS itself is called.

    Local is an address, a name without dots (a container's), and the usual names of this machine;
    the name of a VPC endpoint or of a proxy is not.
    """
    ignored = environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"
    named = () if ignored else (environment.get(name, "") for name in _ENDPOINTS)
    hosts = (_host(url) for url in (*named, queue_url) if url)
    return next((host for host in hosts if _is_local(host)), "")


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _is_local(host: str) -> bool:
    if "." not in host or f".{host}".endswith(_LOCAL):
        return bool(host)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
