"""Reads what SES says about sending itself: that it stopped or resumed it, and its findings.

https://docs.aws.amazon.com/ses/latest/dg/monitoring-eventbridge.html
"""

from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from msgspec import Raw, Struct

from worker.core.account_events import AccountEvent, AccountEventKind, AccountStatus, Scope
from worker.core.decode.bodies import read_part
from worker.core.decode.lenient import read_if_object
from worker.core.decode.shapes import Origin, Wrapper
from worker.core.limits import (
    LONGEST_CAUSE,
    LONGEST_NAME,
    LONGEST_RESOURCE,
    LONGEST_STAMP,
    LONGEST_TIME_IN_KEY,
    MOST_RESOURCES,
)
from worker.core.parsing import Unreadable, clip, parse_time, read_json

_STATUSES = {
    "sending status disabled": (AccountEventKind.SENDING_STATUS, AccountStatus.DISABLED),
    "sending status enabled": (AccountEventKind.SENDING_STATUS, AccountStatus.ENABLED),
    "advisor recommendation status open": (AccountEventKind.RECOMMENDATION, AccountStatus.OPEN),
    "advisor recommendation status resolved": (
        AccountEventKind.RECOMMENDATION,
        AccountStatus.RESOLVED,
    ),
    "advisor recommendation status closed": (
        AccountEventKind.RECOMMENDATION,
        AccountStatus.RESOLVED,
    ),
}
"""By `detail-type`, in lower case."""
_SCOPES = {
    "tenant": Scope.TENANT,
    "configuration-set": Scope.CONFIGURATION_SET,
    "identity": Scope.IDENTITY,
    "account": Scope.ACCOUNT,
}
"""By the type of resource in an ARN: `arn:aws:ses:eu-west-1:111122223333:tenant/acme/tn-0000`."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_FROM = 100_000_000_000
"""A number of this size counts milliseconds: as seconds it would be the year 5138."""


class _Detail(Struct):
    data: Raw = Raw()
    metadata: Raw = Raw()


class _Data(Struct):
    record: Raw = Raw()


class _Record(Struct, rename={"updated": "lastUpdatedTimestamp"}):
    cause: str | None = None
    updated: Raw = Raw()


class _Metadata(Struct):
    impact: str | None = None
    type: str | None = None


class _Content(Struct):
    """What the event says, in the words of SES."""

    cause: str = ""
    finding: str = ""
    impact: str = ""
    updated: datetime | None = None


def account_event_of(
    detail_type: str, wrapper: Wrapper, detail: str, origin: Origin
) -> AccountEvent | None:
    """Read a status event; None: another `detail-type`, which is given in lower case.

    Raises:
        Undecodable: the detail is no object.

    """
    if detail_type not in _STATUSES:
        return None
    kind, status = _STATUSES[detail_type]
    content = _content(detail)
    resource, scope = _resource(wrapper.resources)
    occurred_at = content.updated or parse_time(wrapper.time)
    named = "\0".join([
        kind, status, origin.account_id, origin.region, resource, content.cause, content.finding,
        occurred_at.isoformat()
        if occurred_at
        else clip(wrapper.time, LONGEST_TIME_IN_KEY, mark=""),
    ])  # fmt: skip
    return AccountEvent(
        kind=kind,
        status=status,
        scope=scope,
        resource=resource,
        tenant=_name_in(resource) if scope is Scope.TENANT else "",
        cause=content.cause,
        finding=content.finding,
        impact=content.impact,
        account_id=origin.account_id,
        region=origin.region,
        route=origin.route,
        occurred_at=occurred_at,
        dedupe_key=blake2b(named.encode("utf-8", "replace"), digest_size=16).hexdigest(),
    )


def _content(text: str) -> _Content:
    detail = read_part(text, _Detail)
    content = _Content()
    data = bytes(detail.data)
    if data.startswith(b'"'):
        content.finding = clip(read_json(data.decode(), str), LONGEST_CAUSE)
    elif data.startswith(b"{"):
        record = read_if_object(read_if_object(detail.data, _Data).record, _Record)
        content.cause = clip(record.cause, LONGEST_CAUSE)
        content.updated = _read_stamp(bytes(record.updated))
    metadata = read_if_object(detail.metadata, _Metadata)
    content.impact = clip(metadata.impact, LONGEST_NAME)
    content.cause = content.cause or clip(metadata.type, LONGEST_NAME)
    return content


def _resource(raw: Raw) -> tuple[str, Scope]:
    """Return the ARN that the event is about: of a tenant, if a tenant is named.

    An event that names nothing is about the account. An event that names only what this program
    does not know is not: it must not look as if SES had stopped sending for the whole account.
    """
    try:
        listed = read_json(bytes(raw).decode(), list[Raw])[:MOST_RESOURCES]
    except Unreadable:
        return "", Scope.ACCOUNT
    arns = [arn for item in listed if (arn := _arn(item))]
    scopes = [(arn, scope) for arn in arns if (scope := _SCOPES.get(_type_in(arn)))]
    tenants = [found for found in scopes if found[1] is Scope.TENANT]
    nothing_known = (arns[0], Scope.OTHER) if arns else ("", Scope.ACCOUNT)
    return next(iter(tenants or scopes), nothing_known)


def _arn(raw: Raw) -> str:
    try:
        return clip(read_json(bytes(raw).decode(), str), LONGEST_RESOURCE)
    except Unreadable:
        return ""


def _type_in(arn: str) -> str:
    parts = arn.split(":", 5)
    return parts[5].partition("/")[0] if len(parts) > 5 else ""


def _name_in(arn: str) -> str:
    _, *names = arn.split(":", 5)[5].split("/", 2)
    return clip(names[0], LONGEST_NAME) if names else ""


def _read_stamp(written: bytes) -> datetime | None:
    """Read a time as Java's libraries write it: an array of numbers, a number, or a text.

    An array is year, month, day, hour, minute, second, nanosecond; zeros at its end may be missing.
    """
    if not written or len(written) > LONGEST_STAMP:
        return None
    text = written.decode()
    try:
        if text.startswith('"'):
            return parse_time(read_json(text, str))
        if not text.startswith("["):
            number = read_json(text, float)
            seconds = number / 1000 if abs(number) >= _MILLISECONDS_FROM else number
            return _EPOCH + timedelta(seconds=seconds)
        year, month, day, *rest = read_json(text, list[int])
        hour, minute, second, nanosecond, *_ = [*rest, 0, 0, 0, 0]
        return datetime(year, month, day, hour, minute, second, nanosecond // 1000, tzinfo=UTC)
    except (Unreadable, ValueError, OverflowError):
        return None
