"""What makes two spellings one person, and what is no address at all."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.core.address import parse_address
from worker.core.limits import LONGEST_ADDRESS

SAME_PERSON = [
    "jane.okafor@example.com",
    "Jane.Okafor@example.com",
    "jane.okafor@EXAMPLE.com",
    "jane.okafor@example.com.",
    "  jane.okafor@example.com\n",
    "<jane.okafor@example.com>",
    "jane.okafor@example.com>",
    "<<jane.okafor@example.com>>",
    "Jane Okafor <jane.okafor@example.com>",
    '"Okafor, Jane" <Jane.Okafor@example.com>',
    '"a < b" <jane.okafor@example.com>',
    "Jane <jane.okafor@example.com> (work)",
]


@pytest.mark.parametrize("spelling", SAME_PERSON)
def test_spellings_of_a_person_have_the_same_key(spelling):
    assert parse_address(spelling).key == "jane.okafor@example.com"


def test_the_mailed_spelling_keeps_the_local_part_and_lowers_the_domain():
    parsed = parse_address('"Okafor, Jane" <Jane.Okafor@EXAMPLE.Com>')
    assert parsed.mailed == "Jane.Okafor@example.com"
    assert parsed.domain == "example.com"


@pytest.mark.parametrize(
    ("spelling", "key"),
    [
        ("user@bücher.example", "user@xn--bcher-kva.example"),
        ("user@BÜCHER.example", "user@xn--bcher-kva.example"),
        ("user@XN--BCHER-KVA.example", "user@xn--bcher-kva.example"),
        ("JO\u0308RG@example.com", "j\u00f6rg@example.com"),
        ('"x@y"@d.com', '"x@y"@d.com'),
        ('"John Doe"@example.com', '"john doe"@example.com'),
        ('"a<b"@example.com', '"a<b"@example.com'),
        ("user+tag@example.com", "user+tag@example.com"),
        ("o'brien/a=b@example.com", "o'brien/a=b@example.com"),
        ("dots..at.the.end.@example.ne.jp", "dots..at.the.end.@example.ne.jp"),
        ("user@gmail.localdomain", "user@gmail.localdomain"),
        ("user@[192.0.2.1]", "user@[192.0.2.1]"),
        ("a@b@c", "a@b@c"),
        ("user@[IPv6:2001:db8::1]", "user@[ipv6:2001:db8::1]"),
        ("user@b\u00fccher.example\u3002", "user@xn--bcher-kva.example"),
        ('"a,b;c:(d)"@example.com', '"a,b;c:(d)"@example.com'),
        ("jane@example.com <jane@example.com>", "jane@example.com"),
        ('"Doe, Jane @ Work" <jane@example.com>', "jane@example.com"),
    ],
)
def test_odd_addresses_are_addresses_too(spelling, key):
    assert parse_address(spelling).key == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nobody",
        "@example.com",
        "jane@",
        "jane@.",
        "<>",
        "<@>",
        "undisclosed recipients:;",
        "jane @example.com",
        "jane doe@example.com",
        "jane@exam ple.com",
        "jane\x00@example.com",
        "jane@example.com\x07x",
        "jane\u202e@example.com",
        "jane\ud800@example.com",
        "jane@example.com,joe@example.com",
        "Team:jane@example.com;",
        "jane@example.com(work)",
        "rfc822;jane@example.com",
        "jane@.com",
        "jane@example..com",
        "<jane@example.com>, <joe@example.com>",
        "jane@example.com, Joe <joe@example.com>",
        "Jane <jane@example.com> (was: <old@example.com>)",
        '"jane\ndoe"@example.com',
        "a" * LONGEST_ADDRESS + "@example.com",
        "a@" + "b" * LONGEST_ADDRESS,
    ],
)
def test_what_is_no_address(text):
    assert parse_address(text) is None


@given(st.text())
@example("\ud800@\udfff")
@example("<" * 1000 + "@" + ">" * 1000)
def test_any_text_is_an_address_or_none(text):
    parsed = parse_address(text)
    if parsed is not None:
        local, _, domain = parsed.key.rpartition("@")
        assert local
        assert domain
        assert len(parsed.mailed) <= LONGEST_ADDRESS
        assert parsed.key.isprintable()


@pytest.mark.parametrize(
    "text",
    ["<" + "@" * 2_000, "<@" * 1_000, '"' * 2_000 + "<a@b>", "<a@b>," * 400, ",@" * 999 + "<a@b>"],
)
def test_no_text_takes_long_to_read(text):
    started = time.process_time()
    for _ in range(10):
        parse_address(text)
    assert time.process_time() - started < 0.3


@given(st.emails())
def test_a_parsed_address_parses_to_itself(text):
    parsed = parse_address(text)
    assert parsed is not None
    for spelling in (parsed.key, parsed.key.upper(), parsed.mailed, f"Jane <{parsed.mailed}>"):
        assert parse_address(spelling).key == parsed.key
