"""AWS's error codes, grouped by what to do next. The only table of them. Pure.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html; some
services write the same code with `Exception` at its end.
"""

NOT_PERMITTED = frozenset({
    "AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException",
    "NotAuthorized", "UnauthorizedOperation",
})  # fmt: skip
"""The credentials are valid, and lack a permission."""

BAD_CREDENTIALS = frozenset({
    "AuthFailure", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature",
    "IncompleteSignatureException", "InvalidClientTokenId", "InvalidClientTokenIdException",
    "InvalidSecurity", "InvalidSignatureException", "MissingAuthenticationToken",
    "MissingAuthenticationTokenException", "NoCredentials", "RequestExpired",
    "RequestTimeTooSkewed", "SignatureDoesNotMatch", "UnrecognizedClientException",
})  # fmt: skip
"""AWS does not accept the credentials, or the time in the signature. `NoCredentials` is ours:
none were found, so no call was made."""

STALE_CREDENTIALS = NOT_PERMITTED | BAD_CREDENTIALS
"""The client is made anew after these: the keys may have been rotated, in a file or a role."""

SKEWED_CLOCK = frozenset({
    "AuthFailure", "InvalidSignatureException", "RequestExpired", "RequestInTheFuture",
    "RequestTimeTooSkewed", "SignatureDoesNotMatch",
})  # fmt: skip
"""One possible reason is that the clock of this machine is wrong."""

NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
"""SQS: the queue does not exist."""

ABSENT = NO_QUEUE | {"NotFound", "NotFoundException", "ResourceNotFoundException"}
"""The queue, topic, key or other resource does not exist."""

THROTTLING = frozenset({
    "BandwidthLimitExceeded", "KMS.ThrottlingException", "KmsThrottled", "RequestLimitExceeded",
    "RequestThrottled", "RequestThrottledException", "SlowDown", "ThrottledException", "Throttling",
    "ThrottlingException", "TooManyRequestsException",
})  # fmt: skip
"""The rate of calls is limited, whatever party SQS calls at fault. The codes of botocore's
`retries/standard.py`, without those of quotas."""

TEMPORARY = THROTTLING | {
    "AWS.SimpleQueueService.OverLimit", "InternalError", "InternalFailure", "OverLimit",
    "PriorRequestNotComplete", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable",
    "ServiceUnavailableException",
}  # fmt: skip
"""The service is overloaded, although HTTP's status is in the 400s: try again later."""

UNSUPPORTED = frozenset({
    "InvalidAction", "NotImplemented", "NotImplementedException", "UnknownOperation",
    "UnknownOperationException", "UnsupportedOperation", "UnsupportedOperationException",
})  # fmt: skip
"""The endpoint does not have the operation, as a stand-in for AWS may not."""

NOT_IMPLEMENTED = frozenset({501})
"""HTTP statuses that mean the same, whatever the code."""

NO_SUCH_PATH = frozenset({"404", "405"})
"""Statuses instead of a code: whatever answered does not know the operation's path or method."""

BUSY_STATUSES = frozenset({408, 429})
"""HTTP statuses that mean the same without a code: a proxy or a firewall may answer with HTML."""
