"""No regular expression takes more than its text's length: nested and adjacent repeats do."""

import pytest
from support import patterns

IGNORED_TEXTS = {
    "aws/errors.py:_INVISIBLE": "it succeeds at the text's end at the latest, which is cut to 20,000 before",
    "aws/regions.py:_SQS_HOST": "the host of a URL in the settings, its words distinguished by hyphens",
    "core/others.py:_ENTRY": "possessive: it never goes back, so each character is looked at once",
    "core/masking.py:_SIGN": "a run of signs succeeds, if not whole, without its last one",
    "settings/toml_file.py:_DUPLICATE_SECTION": "what Python says about the settings file, once at the start",
}
"""By where it stands: why a flagged expression does no harm."""

FOUND = list(patterns.patterns())


def test_each_in_the_package_is_looked_at():
    assert len(FOUND) == patterns.mentions() > 25


@pytest.mark.parametrize("pattern", FOUND, ids=lambda pattern: pattern.where)
def test_none_has_nested_or_adjacent_repeats(pattern):
    found = patterns.faults(pattern.text, pattern.flags, searched=pattern.searched)
    assert bool(found) == (pattern.where in IGNORED_TEXTS), f"{pattern.text!r}: {found}"


def test_none_is_excused_that_is_not_there():
    assert IGNORED_TEXTS.keys() <= {pattern.where for pattern in FOUND}


@pytest.mark.parametrize(
    "text",
    [
        r"\s+(?=x)",
        r"(a+)+b",
        r"(?:a*)*",
        r"(?:[^<>@]*@)+",
        r"a*a*b",
        r"\d*?0*(?!\d)",
        r"\w+\d+x",
        r"a*(?:x?b?)a*c",
        r".*a.*b",
        r"@[^<>]*,",
        r"<[^<>]*@|@[^<>]*,",
        r"(?:x|@[^<>]*,)y",
        r"\s*$",
        r"[a-z]*\d",
        rb"a+a+",
    ],
)
def test_what_is_slow_is_reported(text):
    assert patterns.faults(text)


@pytest.mark.parametrize(
    "text", [r"<[^<>]*@", r"^\s*x", r"\A[a-z]*\d", r"a*+b*", r"\.\d*", r"x\s{0,3}y", r'"[^"]*"?']
)
def test_what_is_not_slow_is_not_reported(text):
    assert not patterns.faults(text)


def test_what_is_only_tried_from_the_beginning_may_begin_with_a_repeat():
    assert not patterns.faults(r"\s*\d", searched=False)
    assert patterns.faults(r"\s*\d")
