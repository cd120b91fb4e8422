"""Reads what SES says about the mail itself: who sent it, when, from where, with which tags.

A notification has no tags. If SES is configured to include the mail's headers, the configuration
set and the tags stand there, as the sender wrote them
(https://docs.aws.amazon.com/ses/latest/dg/event-publishing-send-email.html).
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec
from msgspec import UNSET, Raw, Struct

from worker.core.address import parse_address
from worker.core.decode.lenient import read_leniently
from worker.core.decode.shapes import RAW, Body, Mail, Origin
from worker.core.limits import (
    LONGEST_ACCOUNT,
    LONGEST_NAME,
    LONGEST_REPORTED,
    LONGEST_TAG,
    LONGEST_TAGS,
    LONGEST_TOPIC,
    MOST_HEADERS,
    MOST_TAG_VALUES,
    MOST_TAGS,
)
from worker.core.model import SentMail
from worker.core.parsing import Unreadable, clip, parse_time, read_json

Tags = Mapping[str, list[str]]

_AUTOMATIC = "ses:"
"""The beginning of the names of SES's own tags; a customer's cannot have a colon."""
_CONFIGURATION_SET, _TENANT = "ses:configuration-set", "ses:tenant-name"
_SET_HEADER, _TAGS_HEADER = "x-ses-configuration-set", "x-ses-message-tags"
_HEADER_PREFIX = b"x-ses-"
_NONE = Mail()
_LEAST_TAGS = len("null")
"""Bytes of tags that are there at most if there are none."""
_LONGEST_REMEMBERED = 2_000
"""Characters of sender, ARN and account, or bytes of tags, that are remembered."""
_decode_tags = msgspec.json.Decoder(dict[str, list[str]]).decode
"""Made once: `msgspec.json.decode` examines such a type at each call."""


class _Header(Struct):
    name: str
    value: str


def mail_of(body: Body) -> Mail:
    """Return the `mail` object of a message; an empty `mail` if it is missing, or no object."""
    mail = body.mail
    if isinstance(mail, Raw):
        try:
            mail = read_leniently(mail, Mail)
        except Unreadable:
            return _NONE
    return _NONE if mail is UNSET else mail


def sent_mail(mail: Mail, origin: Origin = RAW) -> SentMail:
    """Return what is kept of a `mail` object; what it lacks, its wrapping may have."""
    texts = mail.source or "", mail.source_arn or "", mail.account_id or ""
    is_short = sum(map(len, texts)) <= _LONGEST_REMEMBERED
    sender, region, account_id = (_remembered_sender if is_short else _read_sender)(*texts)
    configuration_set, tenant, tags = tagged(mail)
    return SentMail(
        configuration_set,
        tenant,
        sender,
        parse_time(mail.timestamp),
        account_id or origin.account_id,
        region or origin.region,
        tags,
    )


def _read_sender(source: str, arn: str, account: str) -> tuple[str, str, str]:
    """Return sender, region and account."""
    address = parse_address(source) if len(source) <= LONGEST_REPORTED else None
    # arn:aws:ses:eu-west-1:111122223333:identity/example.com
    parts = arn[:LONGEST_TOPIC].split(":", 4)
    region = clip(parts[3], LONGEST_ACCOUNT) if len(parts) > 4 else ""
    return address.key if address else "", region, clip(account, LONGEST_ACCOUNT)


def tagged(mail: Mail) -> tuple[str, str, str]:
    """Return configuration set, tenant, and the customer's tags as JSON."""
    tags = bytes(mail.tags)
    if len(tags) > _LEAST_TAGS:
        return (_remembered_tags if len(tags) <= _LONGEST_REMEMBERED else _of_tags)(tags)
    if _HEADER_PREFIX in (headers := bytes(mail.headers)).lower():
        return _summed_up(_tags_in_headers(headers))
    return "", "", "{}"


def _of_tags(raw: bytes) -> tuple[str, str, str]:
    return _summed_up(_read_tags(raw))


# Few senders send all mail, and the mails of a campaign have the same tags.
_remembered_sender = lru_cache(maxsize=256)(_read_sender)
_remembered_tags = lru_cache(maxsize=256)(_of_tags)


def _summed_up(tags: Tags) -> tuple[str, str, str]:
    return _first(tags, _CONFIGURATION_SET), _first(tags, _TENANT), _own(tags)


def _first(tags: Tags, name: str) -> str:
    values = tags.get(name)
    return clip(values[0], LONGEST_NAME) if values else ""


def _own(tags: Tags) -> str:
    """Return the customer's tags as JSON; not all of them if there are too many."""
    own = {
        clip(name, LONGEST_TAG): [clip(value, LONGEST_TAG) for value in values[:MOST_TAG_VALUES]]
        for name, values in tags.items()
        if not name.startswith(_AUTOMATIC)
    }
    if len(own) > MOST_TAGS:
        own = dict(list(own.items())[:MOST_TAGS])
    while len(written := msgspec.json.encode(own).decode()) > LONGEST_TAGS:
        own.popitem()
    return written


def _read_tags(raw: bytes) -> Tags:
    """Read the tags; values that are no lists of texts count as missing."""
    try:
        return _decode_tags(raw)
    except msgspec.DecodeError:
        pass
    try:
        values = read_json(raw.decode(), dict[str, Raw])
    except Unreadable:
        return {}
    found = ((name, _values(value)) for name, value in values.items())
    return {name: value for name, value in found if value}


def _values(raw: Raw) -> list[str]:
    text = bytes(raw).decode()
    try:
        return [read_json(text, str)] if text.startswith('"') else read_json(text, list[str])
    except Unreadable:
        return []


def _tags_in_headers(raw: bytes) -> Tags:
    """Read the tags that the sender wrote into headers, named as in an event."""
    found: dict[str, list[str]] = {}
    for header in _headers(raw):
        name = header.name.lower()
        if name == _SET_HEADER:
            found[_CONFIGURATION_SET] = [header.value.strip()]
        elif name == _TAGS_HEADER:
            for pair in header.value[: MOST_TAGS * 2 * LONGEST_TAG].split(",")[:MOST_TAGS]:
                tag, equals, value = pair.partition("=")
                if equals and not tag.strip().startswith(_AUTOMATIC):
                    found.setdefault(tag.strip(), []).append(value.strip())
    return found


def _headers(raw: bytes) -> Iterable[_Header]:
    """Read the headers whose names and values are texts."""
    try:
        entries = read_json(raw.decode(), list[Raw])
    except Unreadable:
        return
    for entry in entries[:MOST_HEADERS]:
        try:
            yield read_json(bytes(entry).decode(), _Header)
        except Unreadable:
            continue
