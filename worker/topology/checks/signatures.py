"""Whether signatures of SNS are verified, and whether their certificates can be had. Pure."""

from worker.topology.checks.findings import Check, Finding

SIGNATURES = Check("signatures")
_ALLOW = "let this machine, or its proxy, reach {host} by HTTPS; see AWS_CA_BUNDLE, HTTPS_PROXY"
_NAME_ONE = (
    "ses-worker check --certificate SigningCertURL, as in any message, tries the certificate itself"
)


def judge_unverified(stand_in: str) -> Finding:
    """Report that nothing is verified: by the setting, or because a local endpoint stands in."""
    if stand_in:
        return SIGNATURES.skipped(f"{stand_in} stands in for AWS: no signature is verified")
    message = 'sns.verify = "off": anybody who may send to the queue can block any address'
    return SIGNATURES.note(message, 'set sns.verify to "auto", or to "require"')


def judge_host(host: str, error: str, *, is_required: bool) -> Finding:
    """Judge whether the host of certificates answers; `error`: why not, or empty."""
    if not error:
        return SIGNATURES.ok(f"{host} answers; {_NAME_ONE}")
    fix = _ALLOW.format(host=host)
    if is_required:
        return SIGNATURES.wrong(f"{host}: {error}; nothing is received without certificates", fix)
    message = f"{host}: {error}; messages are processed as if they were not signed"
    return SIGNATURES.wrong(message, fix)


def judge_certificate(url: str, host: str, error: str) -> Finding:
    """Judge the certificate that the operator has named."""
    if not error:
        return SIGNATURES.ok(f"{url}: its chain, names and dates are right")
    return SIGNATURES.wrong(f"{url}: {error}", _ALLOW.format(host=host))


def judge_foreign_address(url: str) -> Finding:
    """Report that no certificate of the topics can be at an address."""
    message = f"{url} is no address of a certificate of SNS in a region of the topics"
    return SIGNATURES.wrong(message, "take SigningCertURL from a message of the topic")
