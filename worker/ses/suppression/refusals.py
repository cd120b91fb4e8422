"""Sorts AWS's refusals: the configuration is wrong, or the request."""

from worker.aws import AwsRefused
from worker.aws.codes import BAD_CREDENTIALS, NOT_PERMITTED
from worker.core.effects import Blocked, Unfit
from worker.core.masking import sanitized
from worker.ses.suppression.listing import FOREIGN_ANSWER, UNKNOWN_REGION

_ACCOUNT = frozenset(
    {"AccountSuspendedException", "OptInRequired", "SubscriptionRequiredException"}
)


def classify_refusal(refused: AwsRefused) -> Blocked | Unfit:
    """Sort a refusal: the operator must act, or this request is at fault.

    An unknown code blocks the lane, unless it is a 400, which is about the request.
    """
    detail = sanitized(f"{refused.code}: {refused.text}")
    action = _permission(refused.operation)
    if refused.code in NOT_PERMITTED:
        return Blocked(error=f"allow {action} in the worker's IAM policy; AWS answered {detail}")
    if refused.code in BAD_CREDENTIALS:
        return Blocked(error=f"AWS rejects the worker's credentials or clock: {detail}")
    if refused.code == UNKNOWN_REGION:
        return Blocked(error=f"set aws.region to SES's region: {sanitized(refused.text)}")
    if refused.code == FOREIGN_ANSWER or refused.code.isdigit():
        return Blocked(
            error=f"the server that answered {action} is not SES ({detail}): "
            "check AWS_ENDPOINT_URL_SESV2, AWS_ENDPOINT_URL and proxies"
        )
    if refused.status == 400 and refused.code not in _ACCOUNT:
        return Unfit(error=f"SES refuses {action}: {detail}")
    return Blocked(error=f"SES refuses {action}: {detail}")


def _permission(operation: str) -> str:
    if not operation:
        return "the suppression list"
    return f"sts:{operation}" if operation.startswith("AssumeRole") else f"ses:{operation}"
