"""Asks SES whether it sends for the account, a tenant or a configuration set.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetTenant.html, API_GetAccount.html,
API_GetConfigurationSet.html. Each needs a permission of its own; none of them is required.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from worker.aws import AwsRefused, is_region_of, make_client, translated
from worker.aws.codes import ABSENT, NOT_PERMITTED, STALE_CREDENTIALS
from worker.core.account_events import Scope
from worker.core.errors import Misconfigured, Refused, Unavailable
from worker.core.masking import sanitized
from worker.core.payloads import AccountNotice
from worker.timing.deadlines import within

ASK_SECONDS = 8.0
"""Time limit of everything: credentials, the slot in the rate of calls, the answer."""
_STOPPED = "SHUTDOWN"
"""`EnforcementStatus` of an account for which AWS has stopped sending."""
_MAY_SEND = {"ENABLED": True, "REINSTATED": True, "DISABLED": False}
"""SES v2's `SendingStatus`: reinstated tenants send although they have findings."""


class Answer(Struct, frozen=True):
    """What SES's API says."""

    text: str
    """For people: the status, or why it is not known."""
    enabled: bool | None = None
    """Whether SES sends; None: not known."""


class SendingStatusApi:
    """SES's API, as far as it knows who may send. Thread-safe."""

    def __init__(self, *, region: str, account_id: str, await_slot: Callable[[], None]) -> None:
        """`account_id`: the account of our credentials; empty: not known."""
        self._region = region
        self._account_id = account_id
        self._await_slot = await_slot
        self._clients: dict[str, Any] = {}

    def ask(self, notice: AccountNotice) -> Answer:
        """Ask about the resource of a notice, within `ASK_SECONDS`.

        It raises only what `await_slot` raises to stop the program.
        """
        if why := self._elsewhere(notice):
            return Answer(f"not asked: {why}")
        try:
            with within(ASK_SECONDS):
                return self._ask(notice)
        except AwsRefused as refused:
            return Answer(self._refusal(notice, refused))
        except (Unavailable, Refused, Misconfigured, TimeoutError) as error:
            return Answer(sanitized(f"SES's API did not answer: {error}"))
        except (AttributeError, KeyError, TypeError, ValueError):
            return Answer("SES's API did not answer: the answer is not SES's")

    def _elsewhere(self, notice: AccountNotice) -> str:
        """Why our credentials cannot ask about it; empty: they can."""
        if notice.scope is Scope.IDENTITY:
            return "SES's API shows no sending status of identities"
        if notice.scope is Scope.OTHER:
            return "the type of the resource is unknown"
        if notice.account_id and self._account_id and notice.account_id != self._account_id:
            return f"the worker's queue is in account {self._account_id}"
        if notice.region not in {"", self._region} and not is_region_of("sesv2", notice.region):
            return "the region is unknown"
        return ""

    def _ask(self, notice: AccountNotice) -> Answer:
        client = self._client(notice.region or self._region)
        name = notice.resource.rpartition("/")[2]
        self._await_slot()
        with translated():
            match notice.scope:
                case Scope.TENANT:
                    return _of_tenant(client.get_tenant(TenantName=notice.tenant), notice)
                case Scope.CONFIGURATION_SET:
                    found = client.get_configuration_set(ConfigurationSetName=name)
                    return _of(enabled=bool(found["SendingOptions"]["SendingEnabled"]))
                case _:
                    return _of_account(client.get_account())

    def _client(self, region: str) -> Any:
        if region not in self._clients:
            self._clients[region] = make_client("sesv2", region, connections=1)
        return self._clients[region]

    def _refusal(self, notice: AccountNotice, refused: AwsRefused) -> str:
        if refused.code in STALE_CREDENTIALS:
            self._clients.clear()
        if refused.code in NOT_PERMITTED:
            return f"ses:{refused.operation} is not permitted"
        if refused.code in ABSENT:
            return f"SES has no such {notice.scope.value.replace('_', ' ')}"
        return sanitized(f"SES refuses the request: {refused.code}")


def _of_tenant(found: dict[str, Any], notice: AccountNotice) -> Answer:
    tenant = found["Tenant"]
    arn, status = str(tenant.get("TenantArn") or ""), str(tenant["SendingStatus"])
    if notice.resource and arn and arn != notice.resource:
        return Answer("SES has another tenant of this name")
    if status not in _MAY_SEND:
        return Answer(sanitized(f"an unknown status: {status[:40]}"))
    return Answer(status, _MAY_SEND[status])


def _of_account(found: dict[str, Any]) -> Answer:
    enforcement = sanitized(str(found.get("EnforcementStatus") or "")[:40])
    answer = _of(enabled=bool(found["SendingEnabled"]) and enforcement != _STOPPED)
    return Answer(", ".join(filter(None, (answer.text, enforcement))), answer.enabled)


def _of(*, enabled: bool) -> Answer:
    return Answer("ENABLED" if enabled else "DISABLED", enabled)
