"""Conditions of policies, as far as they are about a service that acts for somebody's resource.

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
"""What holds of every call that a service makes by itself."""


class Verdict(StrEnum):
    """Whether a policy lets somebody in."""

    YES = "yes"
    NO = "no"
    DENIED = "denied"
    PERHAPS = "perhaps"
    """It depends on conditions that are not judged here."""


class Caller(Struct, frozen=True, kw_only=True):
    """A service of AWS that acts for a resource of somebody's."""

    service: str
    """Such as `sns.amazonaws.com`."""
    account: str
    arn: str = ""
    """Of the resource that it acts for; empty: any of the account's."""


_OPPOSITE = {Verdict.YES: Verdict.NO, Verdict.NO: Verdict.YES}


class Condition(Struct, frozen=True):
    """One test of one key; test and key in lower case."""

    test: str
    key: str
    values: tuple[str, ...]

    @property
    def is_positive(self) -> bool:
        """It lists what is meant, and not what is not."""
        return self.test.removesuffix("ifexists") in _ARN_TESTS

    @property
    def is_lenient(self) -> bool:
        """It holds of a call that does not have the key at all."""
        return self.test.endswith("ifexists")

    @property
    def is_about_plain_text(self) -> bool:
        """It holds for requests without TLS only, and nobody here sends those."""
        values = {value.lower() for value in self.values}
        return self.key == "aws:securetransport" and values == {"false"}


def meets(condition: Condition, caller: Caller) -> Verdict:
    """Return whether a service's call meets a condition."""
    # A service's call has the keys that are judged here, so IfExists changes nothing.
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
    # For some resource of the account; any will do.
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
    """Part by part, as ArnEquals and ArnLike do: no wildcard goes beyond its colon."""
    parts, patterns = arn.split(":", 5), _whole(pattern)
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def _whole(pattern: str) -> list[str]:
    """The parts of a pattern; one that ends early, by a wildcard, is about whatever follows."""
    parts = pattern.split(":", 5)
    return parts + ["*"] * (6 - len(parts)) if parts[-1].endswith("*") else parts


def _as_verdict(found: bool) -> Verdict:  # noqa: FBT001
    return Verdict.YES if found else Verdict.NO
