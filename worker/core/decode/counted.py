"""Reads what is counted of an event that is not kept: when, for whom, by which configuration set.

Values of a wrong type count as missing; nothing is raised.
"""

from typing import TypeVar

import msgspec
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


class _Mail(Mail):
    destination: Raw = Raw()


class _Delivery(Struct):
    timestamp: str | None = None
    recipients: Raw = Raw()


class _Delay(Struct, rename={"type": "delayType", "recipients": "delayedRecipients"}):
    timestamp: str | None = None
    type: str | None = None
    recipients: Raw = Raw()


class _Event(Struct, rename={"delay": "deliveryDelay"}):
    """SES's message, with the object of its kind."""

    mail: _Mail | None = None
    delivery: _Delivery | None = None
    open: _Delivery | None = None
    click: _Delivery | None = None
    delay: _Delay | None = None


class _Parts(Struct, rename={"delay": "deliveryDelay"}):
    """The same, not parsed, for a message in which a value has another type."""

    mail: Raw = Raw()
    delivery: Raw = Raw()
    open: Raw = Raw()
    click: Raw = Raw()
    delay: Raw = Raw()


class _Delayed(Struct, rename={"address": "emailAddress"}):
    address: str | None = None


_decode = msgspec.json.Decoder(_Event).decode
"""Made once: `msgspec.json.decode` examines such a type at each call."""
_decode_texts = msgspec.json.Decoder(list[str]).decode


def read_counted(measure: Measure, text: str) -> Counted:
    """Read an event; `text` is SES's message as it was written."""
    event = _read_event(text)
    mail = event.mail or _Mail()
    timestamp, type_, recipients = mail.timestamp, "", mail.destination
    if measure is Measure.DELIVERY:
        delivery = event.delivery or _Delivery()
        timestamp = delivery.timestamp or timestamp
        recipients = delivery.recipients if bytes(delivery.recipients) else recipients
    elif measure is Measure.DELIVERY_DELAY:
        delay = event.delay or _Delay()
        timestamp, type_ = delay.timestamp or timestamp, clip(delay.type, LONGEST_TYPE)
        recipients = delay.recipients if bytes(delay.recipients) else recipients
    elif measure in {Measure.OPEN, Measure.CLICK}:
        opened = event.open if measure is Measure.OPEN else event.click
        timestamp = (opened and opened.timestamp) or timestamp
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
        return _decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        pass
    try:
        parts = read_json(without_halves(text), _Parts)
    except Unreadable:
        return _Event()
    return _Event(
        mail=_read(parts.mail, _Mail),
        delivery=_read(parts.delivery, _Delivery),
        open=_read(parts.open, _Delivery),
        click=_read(parts.click, _Delivery),
        delay=_read(parts.delay, _Delay),
    )


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
    try:
        return list(map(_address, _decode_texts(written)))
    except msgspec.DecodeError:
        return list(map(_entry, read_json(written.decode(), list[Raw])))


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
