"""No untrusted text reaches a log as it was written."""

import re
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.limits import LONGEST_SHOWN, MOST_ADDRESSES_SHOWN
from worker.core.masking import (
    is_sanitary,
    is_sanitary_json,
    mask_addresses,
    printable,
    sanitized,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no address here", "no address here"),
        ("jane@example.com", "***@example.com"),
        ("550 5.1.1 <jane.o'x+y@example.com>: unknown", "550 5.1.1 <***@example.com>: unknown"),
        ('"jane doe"@example.com and joan@b.c', "***@example.com and ***@b.c"),
        ("user=jane@example.com;x", "***@example.com;x"),
        ("smtp;550-jane@example.com", "***@example.com"),
        ("to jane[doe@example.com now", "to ***@example.com now"),
        ("jane,doe@example.com", "***@example.com"),
        ("to jane(doe)@example.com", "to ***@example.com"),
        ('to jane"doe@example.com', "to ***@example.com"),
        ('to jane"@example.com', "to ***@example.com"),
        ('to jane"d. o"@example.com', "to ***@example.com"),
        ("to jane\uff08doe\uff09@example.com", "to ***@example.com"),
        ("to jane\uff0cdoe\u201d@example.com", "to ***@example.com"),
        ('{"a":"jane@b.c","d":"joe@e.f"}', '{"a":"***@b.c","d":"***@e.f"}'),
        ("a@b.c,d@e.f;g@h.i", "***@b.c,***@e.f;***@h.i"),
        ("a@b@c.example", "***@c.example"),
        ("odd)@example.com", "***@example.com"),
        ("jörg@bücher.example", "***@bücher.example"),
        ("@ alone, and one at the end @", "@ alone, and one at the end @"),
        ("jane%40example.com", "***%40example.com"),
        ("see http://spf.example/why?id=jane%40example.com", "see ***%40example.com"),
        ("jane=40example.com but size=400", "***=40example.com but size=400"),
        ("jane&#64;example.com &#x40; R&D", "***&#64;example.com &#x40; R&D"),
        ("jane\uff20example.com", "***\uff20example.com"),
        ("jane @example.com", "*** @example.com"),
        ("jane@ example.com", "***@ example.com"),
        ("jane@\r\n example.com", "***@\r\n example.com"),
        ("jane\xa0@example.com", "***\xa0@example.com"),
        ("jane(the one)@example.com", "***@example.com"),
        ('"a b\\"c"@example.com', "***@example.com"),
        ('to \\"jane d. o\\"@example.com', "to ***@example.com"),
        ('to \\"jane d. o"@example.com', "to ***@example.com"),
        ("@example.com", "@example.com"),
        (r"jane\u0040example.com", r"***\u0040example.com"),
        (r"jane\\u0040example.com", r"***\\u0040example.com"),
        (r"jane\U00000040example.com \u{40}", r"***\U00000040example.com \u{40}"),
        (r"jane\x40example.com", r"***\x40example.com"),
        ("jane%2540example.com", "***%2540example.com"),
        ("jane&amp;#64;example.com", "***&amp;#64;example.com"),
        ("to jane(at)example.com", "to ***(at)example.com"),
        ("to jane [at] example.com", "to *** [at] example.com"),
        ("to jane{AT}example.com", "to ***{AT}example.com"),
        ("to jane <at> example.com", "to *** <at> example.com"),
        ("to jane ( at ) example.com", "to *** ( at ) example.com"),
        ("to jane (@) example.com", "to *** (@) example.com"),
        ("jane@example[.]com", "***@example[.]com"),
        ("jane (at) example (dot) com", "*** (at) example (dot) com"),
        ("jane (at) example dot com", "*** (at) example dot com"),
        ("jane(at)example . com", "***(at)example . com"),
        ("jane @ example[.]com", "*** @ example[.]com"),
        ("jane%40example(dot)com", "***%40example(dot)com"),
        ("jane\uff20example\uff0ecom", "***\uff20example\uff0ecom"),
        ("greylisted (at) 12", "greylisted (at) 12"),
    ],
)
def test_whole_addresses_are_masked(text, shown):
    assert mask_addresses(text) == shown


@given(st.emails(), st.text(max_size=20), st.text(max_size=20))
def test_no_address_survives_wherever_it_stands(address, before, after):
    # Of `*@b.c` the mask itself would be taken for what survives.
    shown = mask_addresses(f"{before} {address} {after}").replace("***@", "@")
    assert address not in shown or address in f"{before}{after}"


NO_END = st.characters(exclude_characters='<>"@=%&\uff20\ufe6b').filter(
    lambda character: not character.isspace()
)


@given(st.text(NO_END, min_size=1), st.sampled_from(["", "to ", "<", "to:\u3000", 'a="']))
def test_nothing_is_left_of_a_word_before_the_sign(word, before):
    assert mask_addresses(f"{before}{word}@example.com") == f"{before}***@example.com"


@given(st.text())
def test_what_is_shown_is_short_and_printable(text):
    shown = sanitized(text)
    assert shown.isprintable()
    assert len(shown) <= 12 * (LONGEST_SHOWN + 1)


LOGGED_TEXTS = st.text(alphabet="atZ9 .@%&40=x;-_()[]\uff20\u202e\n") | st.text() | st.emails()
ASCII_TEXTS = st.text(st.characters(max_codepoint=127), max_size=6)


@given(LOGGED_TEXTS)
def test_what_is_sanitary_is_shown_as_it_is(text):
    if is_sanitary(text):
        assert printable(mask_addresses(text)) == text


@given(st.dictionaries(st.just("text"), LOGGED_TEXTS | ASCII_TEXTS))
def test_texts_in_sanitary_json_are_shown_as_they_are(line):
    if is_sanitary_json(msgspec.json.encode(line).decode()):
        assert {name: sanitized(text) for name, text in line.items()} == line


@pytest.mark.parametrize("number", range(128))
def test_json_with_a_control_character_is_not_sanitary(number):
    written = msgspec.json.encode({"text": chr(number)}).decode()
    assert chr(number).isprintable() or not is_sanitary_json(written)


def test_most_log_texts_are_recognised_as_sanitary():
    assert is_sanitary("smtp; 550 5.1.1 no such user Permanent General found hard_bounce")
    assert is_sanitary_json('{"domain":"example.com","count":3,"message_id":"4040-40"}')
    assert is_sanitary("550 Host [192.0.2.1] is busy at this time (in reply to RCPT TO) found")


def test_line_breaks_and_control_characters_are_spelled_out():
    assert sanitized("a\nb\r\x1b[31m\u202e\u2028\x00") == "a\\nb\\r\\x1b[31m\\u202e\\u2028\\x00"


def test_long_texts_are_cut():
    assert sanitized("x" * 5_000) == "x" * LONGEST_SHOWN + "…"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 100_000 + " b@c",
        "@ " + "a" * 100_000,
        '"' * 100_000 + "@",
        "\\" * 50_000 + '"@x',
        '"' + '\\"' * 50_000 + "@x",
        ")@" * 50_000,
        "<" + "@" * 100_000 + "x",
        " " * 100_000 + "@x",
        "(at)" * 50_000,
        "\\u0040" * 50_000,
        "(   at" * 30_000,
        "%25" * 50_000 + "40",
        "a(at)" + "b" * 100_000,
        "a(at)b" + " " * 100_000,
    ],
)
def test_no_text_takes_more_than_its_length_to_mask(text):
    """A hundred times as long takes a hundred times as long, and not ten thousand times."""
    assert _cpu(text) < 1_000 * max(_cpu(text[: len(text) // 200]), 1e-4)


def _cpu(text):
    started = time.process_time()
    mask_addresses(text)
    return time.process_time() - started


def test_a_log_line_shows_so_many_addresses_and_no_more():
    shown = sanitized("(a@b)" * 300)
    assert shown.count("@") == MOST_ADDRESSES_SHOWN
    assert shown.endswith("…")


def test_the_pattern_is_not_fooled_by_what_surrounds_an_address():
    for left in "<([{,;:\"'=| /\\":
        for right in ">)]},;:\"'=| /\\":
            assert not re.search(r"jane@example", mask_addresses(f"{left}jane@example.com{right}"))
