"""Recognises what others put into the queue, so that a dead letter says what it is.

Pointers to S3: https://github.com/awslabs/payload-offloading-java-common-lib-for-aws,
CloudWatch's alarms: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/US_SetupSNS.html
"""

from typing import NoReturn

from msgspec import Raw, Struct

from worker.core.decode.errors import Undecodable
from worker.core.decode.lenient import read_if_object, read_leniently
from worker.core.decode.shapes import Record
from worker.core.limits import LONGEST_NAME, LONGEST_S3_KEY, LONGEST_SHOWN_KIND
from worker.core.model import Reason
from worker.core.parsing import Unreadable, clip, read_json


class Pointer(Struct, rename={"bucket": "s3BucketName", "key": "s3Key"}):
    """Where the SQS Extended Client, or SNS's, has put a message that was too large."""

    bucket: str | None = None
    key: str | None = None


class _Payload(Struct, rename={"bucket": "Bucket", "key": "Key"}):
    """Where the JavaScript library `sns-sqs-big-payload` has put it."""

    bucket: str | None = None
    key: str | None = None


class _Alarm(Struct, rename={"name": "alarmName"}):
    """An alarm of CloudWatch in EventBridge's wrapper."""

    name: str | None = None
    state: Raw = Raw()


class _State(Struct):
    value: str | None = None


class OtherObject(
    Struct,
    rename={
        "records": "Records",
        "sns": "Sns",
        "alarm": "AlarmName",
        "state": "NewStateValue",
        "region": "Region",
        "bucket": "s3BucketName",
        "key": "s3Key",
        "payload": "S3Payload",
        "service": "Service",
        "event": "Event",
    },
):
    """An object that is neither SES's message nor SNS's envelope."""

    records: Raw = Raw()
    sns: Raw = Raw()
    alarm: str | None = None
    state: str | None = None
    region: str | None = None
    bucket: str | None = None
    key: str | None = None
    payload: Raw = Raw()
    service: str | None = None
    event: str | None = None


def refuse_pointer(text: str) -> None:
    """Refuse an array that the SQS Extended Client writes: a class name and a `Pointer`.

    Raises:
        Undecodable: it is such an array.

    """
    if not text.lstrip().startswith("["):
        return
    try:
        _, raw = read_json(text, tuple[str, Raw])
        pointer = read_leniently(raw, Pointer)
    except Unreadable:
        return
    _refuse_pointer(pointer.bucket, pointer.key)


def refuse_known(found: OtherObject) -> None:
    """Refuse an alarm, a pointer to S3, or an event that another service sends by SNS.

    Raises:
        Undecodable: it is an object of these kinds.

    """
    if found.alarm is not None:
        raise _alarm(found.alarm, found.state, found.region)
    _refuse_pointer(found.bucket, found.key)
    payload = read_if_object(found.payload, _Payload)
    _refuse_pointer(payload.bucket, payload.key)
    if found.service is not None and found.event not in {None, "s3:TestEvent"}:
        raise foreign_event(found.service, found.event)


def not_a_message(record: Record) -> Undecodable:
    """Return the error for a record that holds neither an envelope nor a body."""
    if source := record.source or record.sns_source:
        return foreign_event(source, record.event_name)
    return Undecodable(Reason.NO_TYPE, "a record with neither Sns nor body")


def refuse_alarm(detail: Raw, region: str | None) -> NoReturn:
    """Refuse an alarm that CloudWatch sends by EventBridge.

    Raises:
        Undecodable: always.

    """
    found = read_if_object(detail, _Alarm)
    raise _alarm(found.name, read_if_object(found.state, _State).value, region)


def foreign_event(source: str | None, kind: str | None) -> Undecodable:
    """Return the error for an event of another service than SES."""
    what = f"{clip(kind, LONGEST_NAME)!r} of {clip(source, LONGEST_NAME) or 'no source'}"
    return Undecodable(Reason.FOREIGN_EVENT, f"{what}, not of aws.ses")


def _refuse_pointer(bucket: str | None, key: str | None) -> None:
    if bucket is not None and key is not None:
        where = f"s3://{clip(bucket, LONGEST_NAME)}/{clip(key, LONGEST_S3_KEY)}"
        raise Undecodable(Reason.S3_POINTER, f"the message lies in S3: {where}")


def _alarm(name: str | None, state: str | None, region: str | None) -> Undecodable:
    shown = clip(state, LONGEST_SHOWN_KIND) or "in no state"
    where = f" in {clip(region, LONGEST_SHOWN_KIND)}" if region else ""
    what = f"the alarm {clip(name, LONGEST_S3_KEY)!r} is {shown}{where}: CloudWatch's, not SES's"
    return Undecodable(Reason.CLOUDWATCH_ALARM, what)
