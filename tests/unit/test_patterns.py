"""`notify.ignore` and `suppression.remove`: which addresses a pattern means."""

import pytest

from worker.core.address import parse_address
from worker.core.patterns import Patterns


def matches(pattern: str, address: str) -> bool:
    parsed = parse_address(address)
    assert parsed
    return Patterns([pattern]).match(parsed)


@pytest.mark.parametrize(
    ("pattern", "address"),
    [
        ("ignore@example.com", "ignore@example.com"),
        ("ignore@example.com", "Ignore@Example.COM"),
        ("Ignore@Example.com", '"Who" <ignore@example.com>'),
        ("@ignore.example", "anybody@IGNORE.example"),
        ("@.example.com", "a@example.com"),
        ("@.example.com", "a@deep.down.example.com"),
        ("@bücher.example", "a@xn--bcher-kva.example"),
        ("no-suppress*", "no-suppress+1@example.com"),
        ("*no-suppress*", "a-NO-SUPPRESS-b@example.com"),
        ("*-test", "load-test@example.com"),
        ("a*z", "abcz@example.com"),
        ("*b*d*", "abcde@example.com"),
        ("e\u0301*", "\u00e9a@example.com"),
        ("*" + "a*" * 12, "a" * 12 + "@example.com"),
        ("\u200bwes@example.com\u00a0", "wes@example.com"),
        ("wes@example.com", "\u200bwes@example.com\u00a0"),
        ("\u200b@example.com\u200b", "wes@example.com"),
        ("\ufeffno-suppress*\u200b", "no-suppress+1@example.com"),
        ("rfc822;gil@example.com", "gil@example.com"),
        ("gil@example.com", "rfc822; gil@example.com"),
        ("=?utf-8?q?=C3=B1?=@example.com", "\xf1@example.com"),
        ("\xf1@example.com", "=?utf-8?b?w7E=?=@example.com"),
        ("\xf1*", "=?utf-8?b?w7Fh?=@example.com"),
    ],
)
def test_a_pattern_means_this_address(pattern: str, address: str) -> None:
    """Case does not count."""
    assert matches(pattern, address)


@pytest.mark.parametrize(
    ("pattern", "address"),
    [
        ("ignore@example.com", "xignore@example.com"),
        ("ignore@example.com", "ignore@example.com.evil.example"),
        ("@ignore.example", "a@sub.ignore.example"),
        ("@ignore.example", "a@xignore.example"),
        ("@.example.com", "a@notexample.com"),
        ("*no-suppress*", "user@no-suppress.evil.example"),
        ("no-suppress*", "a-no-suppress@example.com"),
        ("a.c*", "abc@example.com"),
        ("ab*ba", "aba@example.com"),
        ("*d*b*", "abcd@example.com"),
        ("*" + "a*" * 30 + "b", "a" * 60 + "@example.com"),
        ("a[b]*", "ab@example.com"),
        ("?x*", "ax@example.com"),
    ],
)
def test_a_pattern_does_not_mean_that_address(pattern: str, address: str) -> None:
    """A glob looks at the local part only, for an untrusted sender chooses the domain."""
    assert not matches(pattern, address)


def test_no_patterns_mean_nobody() -> None:
    parsed = parse_address("a@example.com")
    assert parsed
    assert not Patterns()
    assert not Patterns().match(parsed)


@pytest.mark.parametrize(
    "pattern",
    ["", "*", "**", "name", "@", "@.", "a@b@*", "a b@example.com", "a b*", "@*.example.com", "@x*"],
)
def test_what_is_no_pattern_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Patterns([pattern])
