"""Nothing of a stranger's reaches a log as it was written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.masking import LONGEST, harmless, mask_addresses


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no address here", "no address here"),
        ("jane@example.com", "***@example.com"),
        ("550 5.1.1 <jane.o'x+y@example.com>: unknown", "550 5.1.1 <***@example.com>: unknown"),
        ('"jane doe"@example.com and joan@b.c', "***@example.com and ***@b.c"),
        ("user=jane@example.com;x", "***@example.com;x"),
        ("smtp;550-jane@example.com", "smtp;***@example.com"),
        ("a@b@c.example", "***@c.example"),
        ("odd)@example.com", "***@example.com"),
        ("jörg@bücher.example", "***@bücher.example"),
        ("@ alone, and one at the end @", "@ alone, and one at the end @"),
    ],
)
def test_whole_addresses_are_masked(text, shown):
    assert mask_addresses(text) == shown


@given(st.emails(), st.text(max_size=20), st.text(max_size=20))
def test_no_address_survives_wherever_it_stands(address, before, after):
    shown = mask_addresses(f"{before} {address} {after}")
    assert address not in shown or address in f"{before}{after}"


@given(st.text())
def test_what_is_shown_is_short_and_printable(text):
    shown = harmless(text)
    assert shown.isprintable()
    assert len(shown) <= 12 * (LONGEST + 1)


def test_line_breaks_and_control_characters_are_spelled_out():
    assert harmless("a\nb\r\x1b[31m\u202e\u2028\x00") == "a\\nb\\r\\x1b[31m\\u202e\\u2028\\x00"


def test_long_texts_are_cut():
    assert harmless("x" * 5_000) == "x" * LONGEST + "…"


@pytest.mark.parametrize(
    "text", ["a" * 200_000 + " b@c", '"' * 200_000 + "@", "\\" * 100_000 + '"@']
)
def test_no_text_takes_long_to_mask(text):
    import time

    started = time.process_time()
    harmless(text)
    assert time.process_time() - started < 1


def test_the_pattern_is_not_fooled_by_what_surrounds_an_address():
    for left in "<([{,;:\"'=| /\\":
        for right in ">)]},;:\"'=| /\\":
            assert not re.search(r"jane@example", mask_addresses(f"{left}jane@example.com{right}"))
