"""An address has one key, whatever spelling it is read from; and none is shown whole."""

from collections.abc import Iterator

from fuzz.texts import text_of
from worker.core.address import parse_address
from worker.core.disguise import hide
from worker.core.invisible import trimmed
from worker.core.limits import LONGEST_ADDRESS, LONGEST_SHOWN
from worker.core.masking import mask_addresses, sanitized

CODE = (
    "worker.core.address", "worker.core.encoded_words", "worker.core.masking",
    "worker.core.disguise", "worker.core.invisible",
)  # fmt: skip


def seeds() -> Iterator[bytes]:
    """Yield addresses as they are written."""
    yield from map(str.encode, (
        "jane@example.com", "Jane Doe <Jane.Doe@Example.COM>", '"jane doe"@example.com',
        "rfc822; jane@example.com", "utf-8;j\\x{F6}rg@b\xfccher.example", "=?utf-8?q?=C3=B1?=@b.c",
        "=?utf-8?B?amFuZUBleGFtcGxlLmNvbQ==?=", "<@a,@b:jane@example.com>", "jane@[192.0.2.1]",
        "mailto:jane%40example.com", "jane@xn--bcher-kva.example", "j\u200bane@example.com",
        "jane(comment)@example.com", "'jane@example.com'", "jane@example.com.", "a@b@c",
        "550 5.1.1 <jane@example.com>: no", "jane (at) example (dot) com", "jane&#64;example.com",
        "jane\\u0040example.com", "jane\uff20example\uff0ecom", "a,b@c.d", "smtp:jane@b.c",
    ))  # fmt: skip


def check(data: bytes) -> None:
    """Parse, parse again what came of it, and mask."""
    text = text_of(data)
    address = parse_address(text)
    shown = sanitized(text)
    assert shown.isprintable()
    hidden = mask_addresses(text)
    trimmed(text)
    if address is None:
        return
    key, mailed = address.key, address.mailed
    assert len(mailed) <= LONGEST_ADDRESS
    assert key.isprintable(), key
    assert mailed.isprintable(), mailed
    key.encode()
    assert address.domain
    assert key == key.rpartition("@")[0] + "@" + address.domain
    again = parse_address(mailed)
    assert again is not None, f"{mailed!r} is no address"
    assert again.key == key, f"{mailed!r} has the key {again.key!r}, not {key!r}"
    of_key = parse_address(key)
    assert of_key is None or of_key.key == key, f"{key!r} has the key {of_key.key!r}"
    local = key.rpartition("@")[0]
    if local.isalnum() and len(local) > 3:
        whole = f"{local}@{address.domain}"
        assert whole not in hidden.lower(), f"{hidden!r} shows {whole!r}"
        assert whole not in sanitized(hide(text[:LONGEST_SHOWN], [key])).lower()
