"""What SES v2 says about the account: who may send."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from simulators.ses.suppression_list import Refusal, Request

_TENANT = "/v2/email/tenants/get"
_ACCOUNT = "/v2/email/account"
_SETS = "/v2/email/configuration-sets"
OPERATIONS = frozenset({"GetTenant", "GetAccount", "GetConfigurationSet"})


class Account:
    """The account, its tenants and configuration sets, as a test has made them."""

    def __init__(self) -> None:
        self.sending = True
        self.enforcement = "HEALTHY"
        self.tenants: dict[str, dict[str, str]] = {}
        """By name, `SendingStatus` and what else is known of a tenant."""
        self.configuration_sets: dict[str, bool] = {}
        """By name, whether SES sends."""

    def perform(self, request: Request) -> dict[str, Any]:
        """Answer one of `OPERATIONS`.

        Raises:
            Refusal: there is no such tenant or configuration set.

        """
        name = request.address
        match request.operation:
            case "GetAccount":
                return {
                    "SendingEnabled": self.sending,
                    "EnforcementStatus": self.enforcement,
                    "ProductionAccessEnabled": True,
                    "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
                }
            case "GetTenant":
                return {"Tenant": {"TenantName": name} | _known(self.tenants, name)}
            case _:
                enabled = _known(self.configuration_sets, name)
                options = {"SendingOptions": {"SendingEnabled": enabled}}
                return {"ConfigurationSetName": name} | options


def read_account_request(method: str, path: str, body: bytes) -> Request | None:
    """Parse a request about the account; None: it is about something else."""
    place = urlsplit(path).path
    if (method, place) == ("POST", _TENANT):
        return Request("GetTenant", json.loads(body).get("TenantName", ""))
    if (method, place) == ("GET", _ACCOUNT):
        return Request("GetAccount", "")
    folder, _, name = place.rpartition("/")
    if (method, folder) == ("GET", _SETS) and name:
        return Request("GetConfigurationSet", unquote(name))
    return None


def _known(all_of_them: Mapping[str, Any], name: str) -> Any:
    if name not in all_of_them:
        raise Refusal(404, "NotFoundException", f"{name} does not exist")
    return all_of_them[name]
