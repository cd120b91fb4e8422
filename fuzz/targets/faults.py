"""Whose fault a bounce was is found for any reply, and its case never decides."""

from collections.abc import Iterator

from fuzz.texts import joined, parts_of
from worker.core.address import parse_address
from worker.core.automatic_replies import is_automatic_reply
from worker.core.faults import Fault, fault_of, is_permanent, without_echoes
from worker.core.model import Recipient
from worker.core.says_spam import says_spam
from worker.core.words import meaning_of_status, status_of

CODE = (
    "worker.core.faults", "worker.core.says_spam", "worker.core.automatic_replies",
    "worker.core.words.statuses",
)  # fmt: skip
_JANE = parse_address("jane@example.com")


def seeds() -> Iterator[bytes]:
    """Yield replies with their sub-types and status codes."""
    for subtype, status, reply in (
        ("General", "5.1.1", "smtp; 550 5.1.1 <jane@example.com>: user unknown"),
        ("General", "4.2.2", "452 4.2.2 mailbox full"),
        ("ContentRejected", "5.7.1", "554 5.7.1 blocked using zen.spamhaus.org; see http://x.y/z"),
        ("General", "", "550 SPF check failed for 192.0.2.1"),
        ("General", "", "Out of office: I am away until Monday"),
        ("Suppressed", "5.1.1", "Amazon SES has suppressed sending to this address"),
        ("General", "5.4.4", "unable to resolve host (DNS query refused): spam spam"),
        ("", "", "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred"),
        ("MessageTooLarge", "5.3.4", "552 5.3.4 message size exceeds fixed limit"),
    ):
        yield joined(subtype, status, reply)


def check(data: bytes) -> None:
    """Judge a reply."""
    subtype, status, reply = parts_of(data, 3)
    found = fault_of(subtype, status, reply)
    assert isinstance(found, Fault)
    short = reply[:600]
    assert len(without_echoes(short)) <= 2 * len(short) + 2
    # A word with dots is a host, or by its capitals a word of Exchange's.
    if reply.isascii() and subtype.isascii() and "." not in reply:
        assert fault_of(subtype.upper(), status, reply.upper()) == found, "its case decides"
    says = says_spam(reply, _JANE)
    assert says is False or "spam" in reply.lower()
    is_permanent(status, reply)
    meaning_of_status(status_of(status, reply))
    is_automatic_reply(subtype, Recipient(address=None, status=status, diagnostic=reply))
