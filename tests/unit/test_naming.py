"""A known address is recognised in a text, and whatever spells it has a sign that SQL can look for."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.spellings import DISGUISED, KNOWN_AS, RAJ

from worker.core.naming import hide_all, names_any, names_people, signs_of

SPELLED = [(RAJ, spelling) for spelling in DISGUISED] + KNOWN_AS


def has_signs(text, keys):
    """As `worker.store.mentions` looks for them."""
    lowered = text.lower()
    signs = signs_of(keys)
    return not text.isascii() or any(all(part in lowered for part in each) for each in signs)


def written(text):
    """A text, and JSON with it, as programs write that: escaped or not, and in JSON again."""
    for is_ascii in (True, False):
        inner = json.dumps({"a": [text]}, ensure_ascii=is_ascii)
        yield from (inner, json.dumps({"Message": inner}, ensure_ascii=not is_ascii))
    yield text
    for character in ("&", "=", "?", "%", "a", "j", "@", " "):
        escaped = f"\\u{ord(character):04X}"
        yield json.dumps([text], ensure_ascii=False).replace(character, escaped)


@pytest.mark.parametrize(("key", "text"), SPELLED)
def test_every_spelling_is_recognised_and_masked(key, text):
    assert names_any(text, [key])
    masked = hide_all(f"{text}, ann@example.org", [key])
    assert masked.endswith(", ann@example.org")
    assert not names_any(masked, [key])
    assert not names_any(text, ["ann@example.org", f"x{key}", f"{key}.org"])


@pytest.mark.parametrize(("key", "text"), SPELLED)
def test_what_names_a_person_has_a_sign_of_it_also_in_json(key, text):
    for each in written(text):
        assert names_people(each, [key]), each
        assert has_signs(each, [key, "ann@example.org"]), each


PIECES = st.sampled_from([
    "raj", "Raj", "ra", "r a", "r\taj", "j", "@", " at ", "(at)", "example", "exa mple", ".", "com", " dot ",
    "%40", "%72", "=40", "=72aj", "\\", "\\u0040", "\\u0072", "\\x40", "&#64;", "&#114;", "&commat;", "=?utf-8?q?raj?=",
    "=?utf-8?b?", "?=", " ", "\n", "\t", "\x0b", "40", '"', "\u200b", "\uff52", "\xe9",
])  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join), st.booleans())
def test_whatever_names_a_person_has_a_sign(text, in_json):
    text = json.dumps([text]) if in_json else text
    if names_people(text, [RAJ]):
        assert has_signs(text, [RAJ])


@given(st.emails(), st.text(max_size=5), st.text(max_size=5), st.booleans())
def test_whatever_the_address_is_a_text_with_it_has_a_sign(address, before, behind, is_ascii):
    from worker.core.address import parse_address

    found = parse_address(address)
    if found is None:
        return
    for text in (f"{before} {address} {behind}", f"<{found.key.upper()}>"):
        in_json = json.dumps({"to": text}, ensure_ascii=is_ascii)
        for each in (text, in_json):
            if names_people(each, [found.key]):
                assert has_signs(each, [found.key])
    assert names_any(f"550 <{address}>: unknown", [found.key])
    assert names_any(f"550 <{found.key}>: unknown", [found.key])


def test_a_text_that_names_nobody_has_no_sign():
    """Else SQL would select every row."""
    for text in (
        "smtp; 550 5.1.1 <bob@example.com>: user unknown", '{"campaign": ["spring"], "a": "50 %"}',
        "0107019a-f3c1-4eaf-000000", "421 4.4.1 try again in 40 minutes", "a=b&c=d",
    ):  # fmt: skip
        assert not has_signs(text, [RAJ, "jane.doe@example.com"])


@pytest.mark.parametrize(
    "text",
    [
        "o'brien@example.com", "550 <o'brien@example.com> unknown", "o/brien@example.com",
        "o&brien@example.com", "O#Brien@Example.com", "o{brien@example.com", "x*brien@example.com",
        "x.brien@example.com", "brien@example.com.evil.example",
        "=?utf-8?q?o'brien=40example.com?=", "=?utf-8?q?brien=40example.com.evil.example?=",
    ],
)  # fmt: skip
def test_a_longer_address_that_ends_alike_is_somebody_elses(text):
    assert not names_any(text, ["brien@example.com"])
    assert hide_all(text, ["brien@example.com"]) == text


def test_in_quotes_an_address_is_the_person_s():
    for text in (
        "550 'brien@example.com' unknown",
        "'brien@example.com'",
        "to='brien@example.com'",
    ):
        assert names_any(text, ["brien@example.com"])


def test_both_values_of_a_name_are_read():
    assert names_people(f'{{"to": "{RAJ}", "to": "ann@example.com"}}', [RAJ])


def test_json_in_json_is_read_however_deep():
    text = "j\xfcrgen@example.com"
    for _ in range(12):
        text = json.dumps([text])
    assert names_people(text, ["j\xfcrgen@example.com"])
