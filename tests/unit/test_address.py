"""What makes two spellings one person, and what is no address at all."""

import encodings
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worker.core.address import decoded_spelling, parse_address
from worker.core.invisible import INVISIBLE
from worker.core.limits import LONGEST_ADDRESS
from worker.core.model import Address

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
    "rfc822;jane.okafor@example.com",
    "RFC822; Jane.Okafor@Example.com ",
    "rfc822 ; <jane.okafor@example.com>",
    "<rfc822;jane.okafor@example.com>",
    "utf-8; jane.okafor@example.com",
    r"UTF-8;jane.\x{6F}kafor@example.com",
    "smtp;jane.okafor@example.com",
    "SMTP:jane.okafor@example.com",
    "mailto:jane.okafor@example.com",
    "<mailto:jane.okafor@example.com?subject=hello>",
    "'jane.okafor@example.com'",
    '"jane.okafor@example.com"',
    '"jane.okafor"@example.com',
    "\u200bjane.okafor@example.com\u00a0",
    "\ufeff\u200e<\u2060jane.okafor@example.com\u200d>\u00ad",
    "\u202a\u202fjane.okafor@example.com\u202c\u3000",
    "Jane <\u200bjane.okafor@example.com>",
    "rfc822;\u00a0jane.okafor@example.com",
    "jane.okafor@example.com\u3164",
    "jane.okafor@example.com\ufe0f",
    "=?utf-8?q?jane.okafor?=@example.com",
    "=?UTF-8?B?amFuZS5va2Fmb3I=?=@EXAMPLE.com",
    "=?us-ascii?Q?Jane.O=6bafor?=@example.com",
    "=?utf-8*en?q?jane.okafor?=@example.com",
    "jane.=?utf-8?q?okafor?=@example.com",
    "=?utf-8?q?jane?=.=?utf-8?b?b2thZm9y?=@example.com",
    "=?utf-8?q?jane?= =?utf-8?q?.okafor?=@example.com",
    '"=?utf-8?q?jane.okafor?="@example.com',
    "<=?utf-8?q?jane.okafor?=@example.com>",
    "rfc822;=?utf-8?q?jane.okafor?=@example.com",
    "=?utf-8?q?jane.okafor=40example.com?=",
    "=?utf-8?q?=E2=80=8Bjane.okafor?=@example.com",
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
        ("=?utf-8?q?a=C3=B1a.mu=C3=B1oz?=@example.com", "a\xf1a.mu\xf1oz@example.com"),
        ("=?UTF-8?B?SmVzw7pzLmRhbg==?=@example.com", "jes\xfas.dan@example.com"),
        ("=?utf-8?b?SmVzw7pzLmRhbg?=@example.com", "jes\xfas.dan@example.com"),
        ("=?iso-8859-1?Q?a=F1a?=@example.com", "a\xf1a@example.com"),
        ("=?windows-1252?q?A=D1A?=@example.com", "a\xf1a@example.com"),
        ("=?koi8-r?b?ydfBzg==?=@example.com", "\u0438\u0432\u0430\u043d@example.com"),
        ("=?koi8-u?b?ydfBzg==?=@example.com", "\u0438\u0432\u0430\u043d@example.com"),
        ("=?iso-2022-jp?b?GyRCOzNFRBsoQg==?=@example.com", "\u5c71\u7530@example.com"),
        ("=?utf-8?q?an=CC=83a?=@example.com", "a\xf1a@example.com"),
        ("=?utf-8?q?a=C3?==?utf-8?q?=B1a?=@example.com", "a\xf1a@example.com"),
        ("=?utf-8?q?a=C3=B1?==?iso-8859-1?q?=F1a?=@example.com", "a\xf1\xf1a@example.com"),
        ("=?utf-8?q?ana?=+tag@example.com", "ana+tag@example.com"),
        (r"utf-8;a\x{F1}a@example.com", "a\xf1a@example.com"),
        ("'jane@example.com", "'jane@example.com"),
        ("rfc822@example.com", "rfc822@example.com"),
        ("prvs=123=jane@example.com", "prvs=123=jane@example.com"),
        ('"jane;"@example.com', '"jane;"@example.com'),
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
        "jane\u200b@example.com",
        "ja\u00adne@example.com",
        "jane@exa\u00admple.com",
        "jane@exa\u200dmple.com",
        "jane@\u2060example.com",
        "jane\u00a0doe@example.com",
        "jane\u3164@example.com",
        "jane\ufe0f@example.com",
        '"jane\u200bdoe"@example.com',
        '"jane\u00a0doe"@example.com',
        "x400;jane@example.com",
        "rfc822;",
        "rfc822;jane@example.com,joe@example.com",
        "mailto:jane%40example.com",
        "mailto:ja%6Ee@example.com",
        r"utf-8;jane\x{200B}x@example.com",
        r"utf-8;jane\x{FFFFFF}@example.com",
        "jane@example.com'",
        "jane@example.com?subject=x",
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


HIDDEN_ELSEWHERE = [
    "=?utf-8?q?jane=40example.com?=@attacker.example",
    "=?utf-8?q?=22jane=40example.com=22?=@attacker.example",
    "=?utf-8?q?=40evil.example=00?=@example.com",
    "=?utf-8?q?jane_doe?=@example.com",
    "=?utf-8?q?=3Cjane=3E?=@example.com",
    "=?utf-8?q?ja=E2=80=8Bne?=@example.com",
    "=?utf-8?q?=3D=3Futf-8=3Fq=3Fjane=3F=3D?=@example.com",
]
BROKEN = [
    "=?utf-8?q?a=C3?=@example.com",
    "=?utf-8?q?a=zz?=@example.com",
    "=?utf-8?b?!!!?=@example.com",
    "=?utf-8?b?AA==?=@example.com",
    "=?utf-8?x?jane?=@example.com",
    "=?utf-8?q?jane@example.com",
    "=?no-such-charset?q?jane?=@example.com",
    "=?unicode_escape?q?jane?=@example.com",
    "=?rot13?q?wnar?=@example.com",
    "=??q?jane?=@example.com",
    "=?utf-8?q??=@example.com",
]


@pytest.mark.parametrize("text", HIDDEN_ELSEWHERE + BROKEN)
def test_an_encoded_word_that_is_no_local_part_stays_as_it_is_written(text):
    parsed = parse_address(text)
    assert parsed.mailed == text
    assert parsed.key in {text, text.lower()}
    assert parse_address(parsed.key) == Address(key=parsed.key, mailed=parsed.key)


def test_the_mailed_spelling_has_the_encoded_word_as_it_was_written():
    parsed = parse_address("rfc822; =?UTF-8?B?SmVzw7pzLmRhbg==?=@EXAMPLE.com")
    assert parsed.mailed == "=?UTF-8?B?SmVzw7pzLmRhbg==?=@example.com"
    assert decoded_spelling(parsed.mailed) == "Jes\xfas.dan@example.com"


def test_no_charset_is_remembered_that_python_does_not_have():
    """Python keeps each name that was ever imported."""
    before = len(encodings._cache)
    for number in range(100):
        parse_address(f"=?invented-{number}?q?jane?=@example.com")
    assert len(encodings._cache) == before


WORDS = st.builds(
    "=?{}?{}?{}?={}".format,
    st.sampled_from(["utf-8", "UTF-8", "iso-8859-1", "utf-7", "iso-2022-jp", "hz", "utf-16", "x"]),
    st.sampled_from("bBqQ"),
    st.text("aAZ09=+/_$~{}@!<>;", max_size=12),
    st.text("aA.@=? ", max_size=3),
)
ANY_TEXT = (
    st.text()
    | st.emails()
    | st.text("aA@.=?\"'<>;:\\ \u200b\u00adrfc82mailto")
    | st.builds(
        "{}{}{}@{}".format, st.text(max_size=2), WORDS, WORDS | st.just(""), st.just("b.example")
    )
    | st.builds('"{}"@b.example'.format, WORDS)
    | WORDS
)


@settings(max_examples=500)
@given(ANY_TEXT)
def test_a_key_is_its_own_key(text):
    if parsed := parse_address(text):
        assert parse_address(parsed.key).key == parsed.key
        assert parse_address(parsed.mailed).key == parsed.key


@given(
    ANY_TEXT,
    st.text(st.sampled_from(sorted(INVISIBLE)), max_size=4),
    st.text(st.sampled_from(sorted(INVISIBLE)), max_size=4),
)
def test_what_is_invisible_around_an_address_changes_nothing(text, before, behind):
    assert parse_address(f"{before}{text}{behind}") == parse_address(text)


@given(st.emails(), st.sampled_from(sorted(INVISIBLE)), st.data())
def test_what_is_invisible_in_an_address_makes_it_unusable(address, character, data):
    at = data.draw(st.integers(1, len(address) - 1))
    if address[at] not in '<>"' and address[at - 1] not in '<>"':
        assert parse_address(address[:at] + character + address[at:]) is None


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
    [
        "=?utf-8?q?" * 200 + "@b.c",
        "=?utf-8?q?a?=" * 20 + "@b.c",
        "=?" * 1_000,
        "=?utf-8?q?" + "=41" * 600 + "?=",
        "\u200b" * 2_000,
        "\u200b@" * 1_000,
        "rfc822;" * 280 + "a@b.c",
        "utf-8;" + "\\x{41}" * 300 + "@b.c",
        "<" + "@" * 2_000,
        "<@" * 1_000,
        '"' * 2_000 + "<a@b>",
        "<a@b>," * 400,
        ",@" * 999 + "<a@b>",
    ],
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


@pytest.mark.parametrize("domain", ["example.com..", "[..", "\u3002.", "bücher.example.."])
def test_a_domain_has_a_single_trailing_dot_at_most(domain):
    assert parse_address(f"jane@{domain}") is None
    assert parse_address("jane@example.com.").key == "jane@example.com"
