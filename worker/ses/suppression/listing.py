"""The suppression lists of a region, the account's and its tenants', by SES v2.

https://docs.aws.amazon.com/ses/latest/dg/sending-email-suppression-list.html. Errors and shapes:
botocore's model `sesv2/2019-09-27`.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import boto3
from botocore.exceptions import EndpointConnectionError
from msgspec import Struct

from worker.aws import (
    AwsRefused,
    Throttled,
    is_region_of,
    make_client,
    translated,
)
from worker.aws.codes import STALE_CREDENTIALS
from worker.core.errors import Unavailable
from worker.timing.deadlines import within
from worker.timing.retries import once_more

REQUEST_SECONDS = 15.0
"""Time limit of a request, from the name look-up to the last byte; the wait for its slot comes
before."""

BOUNCE, COMPLAINT = "BOUNCE", "COMPLAINT"
NOT_FOUND = "NotFoundException"
"""Not on the list. Any other 404 comes from a proxy, or an endpoint that is not SES."""
BAD_REQUEST = "BadRequestException"
FOREIGN_ANSWER = "ForeignAnswer"
"""The worker's code for a 200 that SES does not give."""
OUTDATED_BOTO3 = "OutdatedBoto3"
"""The worker's code for a boto3 that would leave the tenant out, and so name the account's list."""
UNKNOWN_REGION = "UnknownRegion"
"""The worker's code for a region without an answer, where boto3 knows no SES."""
_OF_BOTOCORES_PARSERS = (AttributeError, KeyError, TypeError, ValueError)
"""Errors of botocore's parsers if another service answers in SES's place."""


class Entry(Struct, frozen=True, kw_only=True):
    """An address on the list."""

    address: str
    """As SES lists it: with a lower-case domain and an unchanged local part."""
    reason: str
    """`BOUNCE` or `COMPLAINT`."""
    last_update_time: datetime
    message_id: str = ""
    """SES's id of the mail that led to the entry; empty if a person added it."""
    feedback_id: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as a JSON object, with the date in ISO 8601."""
        attributes = {"MessageId": self.message_id, "FeedbackId": self.feedback_id}
        fields = {name: value for name, value in attributes.items() if value}
        return {
            "EmailAddress": self.address,
            "Reason": self.reason,
            "LastUpdateTime": self.last_update_time.isoformat(),
        } | ({"Attributes": fields} if fields else {})

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Entry":
        """Read SES's answer, or a result of `as_dict`.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: `fields` is no entry.

        """
        at = fields["LastUpdateTime"]
        attributes = fields.get("Attributes") or {}
        return cls(
            address=fields["EmailAddress"],
            reason=fields["Reason"],
            last_update_time=(
                at if isinstance(at, datetime) else datetime.fromisoformat(at)
            ).astimezone(UTC),
            message_id=attributes.get("MessageId", ""),
            feedback_id=attributes.get("FeedbackId", ""),
        )


class SuppressionList:
    """The account's list in one region, and those of its tenants. Thread-safe.

    Without a tenant's name a call is about the account's list. A tenant that does not exist has an
    empty list.

    Each request, and each second try, first waits for its slot: SES allows one call a second other
    than sending, per account and region (https://docs.aws.amazon.com/ses/latest/dg/quotas.html). An
    exception of `await_slot`, which stops the program, passes through. A lost connection or a 5xx
    is tried once more; a delete too, since "not found" then means that it is done.

    Every call raises `Unavailable` for passing errors, `AwsRefused` for refusals, and ValueError
    for an address that is not `nameable`.
    """

    def __init__(self, *, region: str, await_slot: Callable[[], None]) -> None:
        self.region = region
        self._await_slot = await_slot
        self._connect = partial(make_client, "sesv2", region)
        self._lock = threading.Lock()
        self._client: Any = None

    def look_up(self, address: str, tenant: str = "") -> Entry | None:
        """Look up an entry; local parts are case-sensitive. None: not listed."""
        try:
            answer = self._call("get_suppressed_destination", tenant, EmailAddress=_named(address))
        except AwsRefused as refused:
            if refused.code == NOT_FOUND:
                return None
            raise
        try:
            return Entry.from_dict(answer["SuppressedDestination"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _foreign("GetSuppressedDestination") from error

    def delete(self, address: str, tenant: str = "") -> bool:
        """Remove an address from the list; return False if it was not listed.

        botocore takes any 200 for a success here, even a proxy's HTML: look the address up
        afterwards.
        """
        try:
            self._call("delete_suppressed_destination", tenant, EmailAddress=_named(address))
        except AwsRefused as refused:
            if refused.code == NOT_FOUND:
                return False
            raise
        return True

    def put_back(self, entry: Entry, tenant: str = "") -> None:
        """List an address for its former reason; SES sets the date and the attributes.

        An existing entry takes the new reason.
        """
        reason = entry.reason
        self._call("put_suppressed_destination", tenant, EmailAddress=entry.address, Reason=reason)

    def _call(self, method: str, tenant: str, **arguments: Any) -> dict[str, Any]:
        if tenant:
            arguments["TenantName"] = tenant

        def call() -> dict[str, Any]:
            client = self._connected()  # before the slot: connecting would use it up
            if tenant:
                _check_that_tenants_are_known(client, method)
            self._await_slot()
            with within(REQUEST_SECONDS):
                return self._request(client, method, arguments)

        return once_more(give_up=Throttled)(call)

    def _connected(self) -> Any:
        with self._lock:
            self._client = self._client or self._connect()
            return self._client

    def _request(self, client: Any, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            with translated():
                answer: dict[str, Any] = getattr(client, method)(**arguments)
                return answer
        except AwsRefused as refused:
            if refused.code in STALE_CREDENTIALS:
                self._client = None
            raise
        except Unavailable as unreachable:
            if isinstance(unreachable.__cause__, _OF_BOTOCORES_PARSERS):
                raise _foreign(client.meta.method_to_api_mapping[method]) from unreachable
            if isinstance(unreachable.__cause__, EndpointConnectionError) and self._is_nowhere(
                client
            ):
                text = f"boto3 knows no SES in {self.region}, and no server answers there"
                raise AwsRefused(UNKNOWN_REGION, text) from unreachable
            raise

    def _is_nowhere(self, client: Any) -> bool:
        # else the operator has set an endpoint
        is_aws = self.region in client.meta.endpoint_url
        return is_aws and not is_region_of("sesv2", self.region)


def _check_that_tenants_are_known(client: Any, method: str) -> None:
    operation = client.meta.method_to_api_mapping[method]
    parameters = client.meta.service_model.operation_model(operation).input_shape.members
    if "TenantName" not in parameters:
        text = f"boto3 {boto3.__version__} knows no lists of tenants: install a newer version"
        raise AwsRefused(OUTDATED_BOTO3, text, 400, operation)


def nameable(address: str) -> bool:
    """Return whether SES's calls can name an address.

    They carry the address in the URL's path, and SES answers 400 if it holds a `/`
    (boto/boto3#2870). Without an address the path means the whole list.
    """
    local, _, domain = address.strip().rpartition("@")
    return bool(local and domain) and "/" not in address and _is_unicode(address)


def _named(address: str) -> str:
    if not nameable(address):
        raise ValueError("SES's call cannot name this address")
    return address


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def _foreign(operation: str) -> AwsRefused:
    return AwsRefused(FOREIGN_ANSWER, "an answer that SES does not give", 200, operation)
