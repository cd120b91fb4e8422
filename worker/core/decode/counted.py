"""Reads what is counted of an event that is not kept: when, for whom, by which configuration set.

Values of a wrong type count as missing; nothing is raised.
"""

from typing import TypeVar

from msgspec import Raw, Struct

from worker.core.address import parse_address
from worker.core.counting import Measure
from worker.core.decode.lenient import read_leniently
from worker.core.decode.mail import tagged
from worker.core.decode.shapes import Mail
from worker.core.limits import LONGEST_REPORTED, LONGEST_TYPE, MOST_RECIPIENTS
from worker.core.model import Address, Counted
from worker.core.parsing import Unreadable, clip, parse_time, read_json, without_halves

Shape = TypeVar("Shape", bound=Struct)


class _Event(Struct, rename={"delay": "deliveryDelay"}):
    """SES's message. Its object is parsed when needed."""

    mail: Raw = Raw()
    delivery: Raw = Raw()
    open: Raw = Raw()
    click: Raw = Raw()
    delay: Raw = Raw()


class _Mail(Mail):
    destination: Raw = Raw()


class _Delivery(Struct):
    timestamp: str | None = None
    recipients: Raw = Raw()


class _Delay(Struct, rename={"type": "delayType", "recipients": "delayedRecipients"}):
    timestamp: str | None = None
    type: str | None = None
    recipients: Raw = Raw()


class _Delayed(Struct, rename={"address": "emailAddress"}):
    address: str | None = None


def read_counted(measure: Measure, text: str) -> Counted:
    """Read an event; `text` is SES's message as it was written."""
    event = _read_event(text)
    mail = _read(event.mail, _Mail)
    timestamp, type_, recipients = mail.timestamp, "", mail.destination
    if measure is Measure.DELIVERY:
        delivery = _read(event.delivery, _Delivery)
        timestamp = delivery.timestamp or timestamp
        recipients = delivery.recipients if bytes(delivery.recipients) else recipients
    elif measure is Measure.DELIVERY_DELAY:
        delay = _read(event.delay, _Delay)
        timestamp, type_ = delay.timestamp or timestamp, clip(delay.type, LONGEST_TYPE)
        recipients = delay.recipients if bytes(delay.recipients) else recipients
    elif measure in {Measure.OPEN, Measure.CLICK}:
        raw = event.open if measure is Measure.OPEN else event.click
        timestamp = _read(raw, _Delivery).timestamp or timestamp
    addresses = _addresses(recipients)
    domains = [address.domain if address else "" for address in addresses] or [""]
    if measure in {Measure.OPEN, Measure.CLICK}:
        domains = [domains[0] if len(set(domains)) == 1 else ""]
    configuration_set, tenant, _ = tagged(mail)
    return Counted(
        measure=measure.value,
        type=type_,
        occurred_at=parse_time(timestamp),
        domains=domains,
        delivered_to=(
            [address.key for address in addresses if address] if measure is Measure.DELIVERY else ()
        ),
        configuration_set=configuration_set,
        tenant=tenant,
    )


def _read_event(text: str) -> _Event:
    try:
        return read_json(text, _Event)
    except Unreadable:
        pass
    try:
        return read_json(without_halves(text), _Event)
    except Unreadable:
        return _Event()


def _read(raw: Raw, shape: type[Shape]) -> Shape:
    if not bytes(raw).startswith(b"{"):
        return shape()
    try:
        return read_json(bytes(raw).decode(), shape)
    except Unreadable:
        return read_leniently(raw, shape)


def _addresses(recipients: Raw) -> list[Address | None]:
    """Parse the recipients, texts or objects; an unusable entry is None.

    A list of more than SES could write is not read: it counts as a recipient.
    """
    written = bytes(recipients)
    if not written.startswith(b"[") or written.count(b",") >= MOST_RECIPIENTS:
        return []
    text = written.decode()
    try:
        return list(map(_address, read_json(text, list[str])))
    except Unreadable:
        return list(map(_entry, read_json(text, list[Raw])))


def _entry(raw: Raw) -> Address | None:
    written = bytes(raw)
    try:
        if written.startswith(b"{"):
            return _address(_read(raw, _Delayed).address)
        return _address(read_json(written.decode(), str))
    except Unreadable:
        return None


def _address(reported: str | None) -> Address | None:
    return parse_address(reported) if reported and len(reported) <= LONGEST_REPORTED else None
