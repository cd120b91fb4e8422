"""A known address is hidden in a text, however it is spelled there."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.spellings import DISGUISED, RAJ

from worker.core.disguise import hide
from worker.core.masking import sanitized


def read(text):
    """What a person makes of it: letters and digits only, of any width."""
    folded = unicodedata.normalize("NFKC", text).lower()
    return "".join(filter(str.isalnum, folded.replace("%72%61%6a", "raj")))


@pytest.mark.parametrize("before", ["", "550 no such user <", "unknown: ", "at "])
@pytest.mark.parametrize("spelling", DISGUISED)
def test_a_known_address_is_hidden_however_it_is_spelled(spelling, before):
    shown = sanitized(hide(f"{before}{spelling} is unknown", [RAJ]))
    assert "raj" not in read(shown)
    assert "***" in shown
    assert shown.endswith(" is unknown")


@pytest.mark.parametrize("spelling", DISGUISED)
def test_all_of_several_are_hidden(spelling):
    text = f"{spelling}, {spelling.replace('raj', 'eva')}; {RAJ}"
    shown = read(sanitized(hide(text, ["joe@b.c", "eva@example.com", RAJ])))
    assert "raj" not in shown
    assert "eva" not in shown


@pytest.mark.parametrize(
    ("key", "text", "shown"),
    [
        ("jane.okafor+x@example.com", "jane.okafor+x at example.com", "*** at example.com"),
        ("jane.okafor@example.com", "Jane dot Okafor at example dot com", "*** at example dot com"),
        ("jane.okafor@example.com", "jane(dot)okafor(at)example.com", "***(at)example.com"),
        ("look.at.me@example.com", "look.at.me at example.com", "*** at example.com"),
        ("a\xf1a@example.com", "AN\u0303A at example.com", "*** at example.com"),
        ("raj@xn--bcher-kva.example", "raj at b\xfccher.example", "*** at b\xfccher.example"),
        (
            "raj@xn--bcher-kva.example",
            "raj at xn--bcher-kva.example",
            "*** at xn--bcher-kva.example",
        ),
    ],
)
def test_what_else_people_have_in_their_addresses(key, text, shown):
    assert hide(text, [key]) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "550 5.1.1 user unknown",
        "look at example.com",
        "the host at example.org knows no raj",
        "raj at lunch; see example.com",
        "smtp; 450 4.2.0 try again at 14:40 & later (at your leisure)",
        "\u4e0d\u5b58\u5728 at example.com",
    ],
)
def test_other_texts_stay_as_they_are(text):
    assert hide(text, [RAJ]) == text


def test_an_address_at_the_end_of_what_is_shown_is_hidden_too():
    shown = sanitized(hide("x" * 1_990 + " raj at example.com", [RAJ]))
    assert "raj" not in shown


@given(st.text(), st.sampled_from(DISGUISED), st.text())
def test_whatever_stands_around_it(before, spelling, behind):
    shown = sanitized(hide(f"{before[:500]} {spelling} {behind}", [RAJ]))
    assert f" {spelling} " not in shown or spelling in before + behind


@given(st.text(), st.lists(st.emails(), max_size=3))
def test_nothing_is_raised(text, keys):
    hide(text, keys)


@pytest.mark.parametrize(
    "unit",
    [
        "a ",
        "raj at example.com ",
        "(at)",
        "( a",
        "%40",
        "\\u0040",
        "&#64;",
        "_at_",
        "\uff20",
        "--",
        "raj@",
    ],
)
def test_no_text_takes_long(unit):
    text = (f"raj example & &# 40% {unit}" + unit * 10_000)[:10_000]
    started = time.process_time()
    for _ in range(10):
        hide(text, [RAJ] * 50)
    assert time.process_time() - started < 1
