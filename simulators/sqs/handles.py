"""Receipt handles: opaque to the client; they encode the receive that issued them.

Nothing is stored for a handle, so an old handle can be distinguished from garbage.
"""

import base64
import binascii
import secrets
from hashlib import blake2b
from typing import NamedTuple

from simulators.sqs.errors import SqsError

_SECRET = secrets.token_bytes(16)


class Receipt(NamedTuple):
    """A decoded receipt handle."""

    queue: str
    """The identity of the queue; a queue created again under the same name has another."""
    message_id: str
    receive_count: int
    """The number of the receive, counted for each message from 1."""


def issue(receipt: Receipt) -> str:
    """Encode a receipt handle."""
    note = f"{receipt.queue} {receipt.message_id} {receipt.receive_count}"
    return base64.b64encode(f"{note} {_seal(note)}".encode()).decode()


def read(handle: str, queue: str) -> Receipt:
    """Decode a receipt handle that was issued for this queue.

    Raises:
        SqsError: it was issued for another queue, or never.

    """
    try:
        note, _, seal = base64.b64decode(handle, validate=True).decode().rpartition(" ")
    except (binascii.Error, ValueError):
        note = seal = ""
    if not note or seal != _seal(note):
        text = f'The input receipt handle "{handle}" is not a valid receipt handle.'
        raise SqsError("ReceiptHandleIsInvalid", text)
    issuer, message_id, receive_count = note.split(" ")
    if issuer != queue:
        text = f'The receipt handle "{handle}" is not valid for this queue.'
        raise SqsError("ReceiptHandleIsInvalid", text)
    return Receipt(issuer, message_id, int(receive_count))


def _seal(note: str) -> str:
    return blake2b(note.encode(), digest_size=12, key=_SECRET).hexdigest()
