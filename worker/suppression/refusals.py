"""AWS's refusals, sorted by who can do something about them."""

from worker.aws import STALE_CREDENTIALS, AwsRefused
from worker.effects import Blocked, Unfit
from worker.masking import harmless
from worker.suppression.listing import FOREIGN_ANSWER, UNKNOWN_REGION

_NOT_PERMITTED = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorized"})
_CREDENTIALS = STALE_CREDENTIALS - _NOT_PERMITTED | {
    "AuthFailure", "InvalidSignatureException", "MissingAuthenticationTokenException",
    "RequestExpired", "RequestTimeTooSkewed", "InvalidClientTokenIdException",
    "IncompleteSignatureException",
}  # fmt: skip
_ACCOUNT = frozenset(
    {"AccountSuspendedException", "OptInRequired", "SubscriptionRequiredException"}
)


def sort_refusal(refused: AwsRefused) -> Blocked | Unfit:
    """Tell whether the operator must act, or this one request is at fault.

    What is not known is the operator's, unless it is a 400: that is about the request.
    """
    said = harmless(f"{refused.code}: {refused.text}")
    asked = _permission(refused.operation)
    if refused.code in _NOT_PERMITTED:
        return Blocked(error=f"allow {asked} in the worker's IAM policy; AWS said {said}")
    if refused.code in _CREDENTIALS:
        return Blocked(error=f"AWS does not take the worker's credentials or clock: {said}")
    if refused.code == UNKNOWN_REGION:
        return Blocked(error=f"set aws.region to where SES sends from: {harmless(refused.text)}")
    if refused.code == FOREIGN_ANSWER or refused.code.isdigit():
        return Blocked(
            error=f"what answered {asked} is not SES ({said}): see to AWS_ENDPOINT_URL_SESV2, "
            "AWS_ENDPOINT_URL and proxies"
        )
    if refused.status == 400 and refused.code not in _ACCOUNT:
        return Unfit(error=f"SES refuses {asked}: {said}")
    return Blocked(error=f"SES refuses {asked}: {said}")


def _permission(operation: str) -> str:
    if not operation:
        return "the suppression list"
    return f"sts:{operation}" if operation.startswith("AssumeRole") else f"ses:{operation}"
