"""Conditions of policies, as far as they concern a service that acts for a resource.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from enum import StrEnum
from fnmatch import fnmatchcase

from msgspec import Struct

SOURCE_ARN = "aws:sourcearn"
SOURCE_ACCOUNT = frozenset({"aws:sourceaccount", "aws:sourceowner"})
_TEXT_TESTS = frozenset({"stringequals", "stringlike"})
_ARN_TESTS = frozenset({"arnequals", "arnlike"}) | _TEXT_TESTS
_ABOUT_SERVICES = frozenset({"aws:securetransport", "aws:principalisawsservice"})
"""True for every call that a service makes on its own."""


class Verdict(StrEnum):
    """Whether a policy admits a caller."""

    YES = "yes"
    NO = "no"
    DENIED = "denied"
    PERHAPS = "perhaps"
    """It depends on conditions that are not evaluated here."""


class Caller(Struct, frozen=True, kw_only=True):
    """A service of AWS that acts for a resource."""

    service: str
    """Such as `sns.amazonaws.com`."""
    account: str
    arn: str = ""
    """The resource that it acts for; empty: any resource of the account."""


_OPPOSITE = {Verdict.YES: Verdict.NO, Verdict.NO: Verdict.YES}


class Condition(Struct, frozen=True):
    """A test of a condition key; both in lower case."""

    test: str
    key: str
    values: tuple[str, ...]

    @property
    def is_positive(self) -> bool:
        """It lists the values that are admitted, not those that are excluded."""
        return self.test.removesuffix("ifexists") in _ARN_TESTS

    @property
    def is_lenient(self) -> bool:
        """It is true for a call without the key."""
        return self.test.endswith("ifexists")

    @property
    def is_about_plain_text(self) -> bool:
        """It is true for requests without TLS only, which neither AWS nor the worker sends."""
        values = {value.lower() for value in self.values}
        return self.key == "aws:securetransport" and values == {"false"}


def meets(condition: Condition, caller: Caller) -> Verdict:
    """Return whether a service's call meets a condition."""
    # A service's call has the keys that are evaluated here, so IfExists changes nothing.
    test = condition.test.removesuffix("ifexists")
    if test == "bool" and condition.key in _ABOUT_SERVICES:
        return _as_verdict(any(value.lower() == "true" for value in condition.values))
    positive = test.replace("not", "", 1)
    if condition.key == SOURCE_ARN and positive in _ARN_TESTS:
        found = _meets_arn(positive, condition.values, caller)
    elif condition.key in SOURCE_ACCOUNT and positive in _TEXT_TESTS:
        found = _as_verdict(_fits(positive, condition.values, caller.account))
    else:
        return Verdict.PERHAPS
    return found if test == positive else _OPPOSITE.get(found, found)


def _meets_arn(test: str, values: tuple[str, ...], caller: Caller) -> Verdict:
    if caller.arn:
        return _as_verdict(_fits(test, values, caller.arn))
    # The caller acts for some resource of the account: it is enough if any fits.
    found = any(_may_be_of(value, caller, literally=test == "stringequals") for value in values)
    return _as_verdict(found)


def _may_be_of(pattern: str, caller: Caller, *, literally: bool) -> bool:
    parts = _whole(pattern)
    if len(parts) < 6 or (literally and "*" in pattern):
        return False
    service = caller.service.partition(".")[0]
    return fnmatchcase(service, parts[2]) and fnmatchcase(caller.account, parts[4])


def _fits(test: str, values: tuple[str, ...], text: str) -> bool:
    if test == "stringequals":
        return text in values
    fits = fnmatchcase if test == "stringlike" else _fits_arn
    return any(fits(text, value) for value in values)


def _fits_arn(arn: str, pattern: str) -> bool:
    """Compare part by part, as ArnEquals and ArnLike do: no wildcard matches a colon."""
    parts, patterns = arn.split(":", 5), _whole(pattern)
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def _whole(pattern: str) -> list[str]:
    """The parts of a pattern; a pattern that ends early with `*` covers the missing parts."""
    parts = pattern.split(":", 5)
    return parts + ["*"] * (6 - len(parts)) if parts[-1].endswith("*") else parts


def _as_verdict(found: bool) -> Verdict:  # noqa: FBT001
    return Verdict.YES if found else Verdict.NO
