"""The suppression list, and SES's four operations on it."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Struct

ADDRESSES = "/v2/email/suppression/addresses"
REASONS = frozenset({"BOUNCE", "COMPLAINT"})
_CHUNK = 100
"""Entries in one answer, unless the client sends PageSize; AWS does not publish its default."""


class Refusal(Exception):
    """An error that SES answers."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


class Answer(NamedTuple):
    """The answer to the client."""

    status: int
    code: str
    body: Mapping[str, Any]
    html: str = ""
    """HTML in place of the body, as a proxy answers."""


class Request(NamedTuple):
    """A parsed request."""

    operation: str
    address: str
    """As the client spelled it, unescaped."""
    parameters: Mapping[str, list[str]] = {}
    reason: str = ""
    tenant: str = ""
    """Empty: the list is the account's."""


class _Listed(Struct, frozen=True, kw_only=True):
    address: str
    reason: str
    updated_at: float
    shows_at: float
    attributes: Mapping[str, str]

    def summary(self) -> dict[str, Any]:
        return {
            "EmailAddress": self.address,
            "Reason": self.reason,
            "LastUpdateTime": self.updated_at,  # a number: seconds since 1970
        }

    def whole(self) -> dict[str, Any]:
        fields = {name: value for name, value in self.attributes.items() if value}
        return self.summary() | ({"Attributes": fields} if fields else {})


class SuppressedAddresses:
    """The list. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[str, _Listed] = {}
        self._lock = threading.Lock()

    def put(
        self,
        address: str,
        reason: str,
        *,
        updated_at: float,
        shows_at: float = float("-inf"),
        attributes: Mapping[str, str] = {},
    ) -> None:
        """Add an address; the latest reason counts."""
        if reason not in REASONS or "@" not in address:
            raise Refusal(400, "BadRequestException", "Invalid request")
        spelled = _spelled(address)
        entry = _Listed(
            address=spelled,
            reason=reason,
            updated_at=updated_at,
            shows_at=shows_at,
            attributes=attributes,
        )
        with self._lock:
            self._entries[spelled] = entry

    def shown(self) -> list[dict[str, Any]]:
        """The visible entries, the oldest first."""
        return [entry.summary() for entry in self._shown().values()]

    def perform(self, request: Request) -> dict[str, Any]:
        """Carry out a request; return the body of the answer.

        Raises:
            Refusal: SES refuses it.

        """
        match request.operation:
            case "GetSuppressedDestination":
                return {"SuppressedDestination": self._found(request.address).whole()}
            case "DeleteSuppressedDestination":
                return self._delete(request.address)
            case "PutSuppressedDestination":
                self.put(request.address, request.reason, updated_at=time.time())
                return {}
            case "ListSuppressedDestinations":
                return self._chunk(request.parameters)
        raise Refusal(404, "UnknownOperationException", "")

    def _shown(self) -> dict[str, _Listed]:
        now = self._clock()
        with self._lock:
            entries = dict(self._entries)
        return {spelled: entry for spelled, entry in entries.items() if entry.shows_at <= now}

    def _found(self, address: str) -> _Listed:
        if "/" in address or "@" not in address:  # boto/boto3#2870
            raise Refusal(400, "BadRequestException", f"Invalid email address {address}")
        entry = self._shown().get(_spelled(address))
        if entry is None:
            text = f"Email address {address} does not exist on your suppression list."
            raise Refusal(404, "NotFoundException", text)
        return entry

    def _delete(self, address: str) -> dict[str, Any]:
        entry = self._found(address)
        with self._lock:
            self._entries.pop(entry.address, None)
        return {}

    def _chunk(self, parameters: Mapping[str, list[str]]) -> dict[str, Any]:
        since, until = (_seconds(parameters.get(name)) for name in ("StartDate", "EndDate"))
        reasons = parameters.get("Reason") or REASONS
        found = [
            entry
            for entry in self.shown()
            if entry["Reason"] in reasons
            and (since is None or entry["LastUpdateTime"] >= since)
            and (until is None or entry["LastUpdateTime"] <= until)
        ]
        token, size = (parameters.get(name, [""])[0] for name in ("NextToken", "PageSize"))
        if token and not token.isdigit():
            raise Refusal(400, "InvalidNextTokenException", "The specified token is invalid")
        first, most = int(token or 0), int(size or _CHUNK)
        rest = {"NextToken": str(first + most)} if found[first + most :] else {}
        return {"SuppressedDestinationSummaries": found[first : first + most]} | rest


def read_request(method: str, path: str, body: bytes) -> Request:
    """Parse a request.

    Raises:
        Refusal: SES has no operation with that method and path.

    """
    parts = urlsplit(path)
    if parts.path == ADDRESSES and method == "PUT":
        fields = json.loads(body)
        return Request(
            "PutSuppressedDestination",
            fields.get("EmailAddress", ""),
            {},
            fields.get("Reason", ""),
            fields.get("TenantName", ""),
        )
    if parts.path in {ADDRESSES, f"{ADDRESSES}/"} and method == "GET":
        parameters = parse_qs(parts.query)
        return Request("ListSuppressedDestinations", "", parameters, tenant=_tenant(parameters))
    folder, _, escaped = parts.path.rpartition("/")
    operations = {"GET": "GetSuppressedDestination", "DELETE": "DeleteSuppressedDestination"}
    if folder == ADDRESSES and escaped and method in operations:
        tenant = _tenant(parse_qs(parts.query, keep_blank_values=True))
        return Request(operations[method], unquote(escaped, errors="replace"), tenant=tenant)
    raise Refusal(404, "UnknownOperationException", "")


def _tenant(parameters: Mapping[str, list[str]]) -> str:
    tenant = parameters.get("TenantName", [""])[0]
    if "TenantName" in parameters and not tenant:
        raise Refusal(400, "BadRequestException", "TenantName is empty")
    return tenant


def _spelled(address: str) -> str:
    local, _, domain = address.strip().rpartition("@")
    return f"{local}@{domain.lower()}"


def _seconds(values: list[str] | None) -> float | None:
    return datetime.fromisoformat(values[0]).timestamp() if values else None
