"""Policies on queues, topics and keys: whom they let in.

Only what such policies say in practice is read; of anything else it is said that it cannot be
judged. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

_SOURCE_ARN = "aws:sourcearn"
_SOURCE_ACCOUNT = frozenset({"aws:sourceaccount", "aws:sourceowner"})
_ARN_TESTS = frozenset({"arnequals", "arnlike", "stringequals", "stringlike"})
_TEXT_TESTS = frozenset({"stringequals", "stringlike"})
_NOT_US = {"bool": ("aws:securetransport", "false")}
"""A statement with this condition is about requests without TLS, and no service sends those."""


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


class Statement(Struct, frozen=True, kw_only=True):
    """One statement of a policy, its lists made whole."""

    allows: bool
    principals: frozenset[str]
    """`AWS:…`, `Service:…`; `*` for everybody."""
    actions: tuple[str, ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]
    """Test, key and values; test and key in lower case."""
    is_plain: bool
    """It has no NotPrincipal, NotAction or NotResource."""

    def covers(self, action: str) -> bool:
        """Tell whether it is about that action."""
        return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in self.actions)

    @property
    def is_open(self) -> bool:
        """It is about everybody."""
        return bool({"*", "AWS:*", "Service:*"} & self.principals)

    def values(self, *keys: str) -> tuple[str, ...]:
        """What a positive condition on these keys lists; nothing where there is none."""
        return tuple(
            value
            for test, key, values in self.conditions
            if key in keys and test in _ARN_TESTS
            for value in values
        )


def read_policy(text: str) -> list[Statement] | None:
    """Read a policy; None where it is none, an empty list where there is nothing."""
    if not text:
        return []
    try:
        found = json.loads(text)["Statement"]
        return [_read(item) for item in _listed(found)]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def judge(statements: Sequence[Statement], caller: Caller, action: str) -> Verdict:
    """Tell whether a service may do something to what has this policy."""
    denying = [_matches(s, caller, action) for s in statements if not s.allows]
    allowing = [_matches(s, caller, action) for s in statements if s.allows]
    if Verdict.YES in denying:
        return Verdict.DENIED
    if Verdict.PERHAPS in denying:
        return Verdict.PERHAPS
    for verdict in (Verdict.YES, Verdict.PERHAPS):
        if verdict in allowing:
            return verdict
    return Verdict.NO


def strangers(
    statements: Sequence[Statement], action: str, account: str, expected: Sequence[str]
) -> list[str]:
    """Name who else is let in, beside the account itself and the `expected` sources."""
    return [who for s in statements if s.allows for who in _strangers(s, action, account, expected)]


def sources(statements: Sequence[Statement], service: str, action: str) -> list[str]:
    """The ARNs, without patterns, for which a service is let in."""
    found = [
        arn
        for s in statements
        if s.allows and s.covers(action) and (s.is_open or f"Service:{service}" in s.principals)
        for arn in s.values(_SOURCE_ARN)
        if not set("*?") & set(arn)
    ]
    return list(dict.fromkeys(found))


def _strangers(
    statement: Statement, action: str, account: str, expected: Sequence[str]
) -> Iterator[str]:
    if not statement.covers(action):
        return
    if not statement.is_plain:
        yield "whoever a NotPrincipal, NotAction or NotResource leaves over"
        return
    arns = statement.values(_SOURCE_ARN)
    owners = statement.values(*_SOURCE_ACCOUNT, "aws:principalaccount")
    if arns:
        yield from (arn for arn in arns if arn not in expected)
    elif owners:
        yield from (f"all of account {owner}" for owner in owners if owner != account)
    elif statement.is_open and not statement.conditions:
        yield "everybody"
    elif statement.is_open:
        yield "everybody, under conditions that are not judged here"
    else:
        yield from (_named(who) for who in sorted(statement.principals) if account not in who)


def _named(principal: str) -> str:
    kind, _, who = principal.partition(":")
    return f"{who} for any account" if kind == "Service" else who


def _matches(statement: Statement, caller: Caller, action: str) -> Verdict:
    if not statement.covers(action):
        return Verdict.NO
    if not statement.is_plain:
        return Verdict.PERHAPS
    if not (statement.is_open or f"Service:{caller.service}" in statement.principals):
        return Verdict.NO
    verdicts = [_meets(condition, caller) for condition in statement.conditions]
    for verdict in (Verdict.NO, Verdict.PERHAPS):
        if verdict in verdicts:
            return verdict
    return Verdict.YES


def _meets(condition: tuple[str, str, tuple[str, ...]], caller: Caller) -> Verdict:
    test, key, values = condition
    if _NOT_US.get(test) == (key, *values):
        return Verdict.NO
    if key == _SOURCE_ARN and test in _ARN_TESTS:
        return _meets_arn(test, values, caller)
    if key in _SOURCE_ACCOUNT and test in _TEXT_TESTS:
        return Verdict.YES if _fits(test, values, caller.account) else Verdict.NO
    return Verdict.PERHAPS


def _meets_arn(test: str, values: tuple[str, ...], caller: Caller) -> Verdict:
    if caller.arn:
        return Verdict.YES if _fits(test, values, caller.arn) else Verdict.NO
    # For some resources of the account, and which of them is not asked here.
    return Verdict.YES if any(f":{caller.account}:" in value for value in values) else Verdict.NO


def _fits(test: str, values: tuple[str, ...], text: str) -> bool:
    if test == "stringequals":
        return text in values
    return any(fnmatchcase(text, value) for value in values)


def _read(item: Mapping[str, Any]) -> Statement:
    conditions = [
        (test.lower(), key.lower(), tuple(str(value) for value in _listed(values)))
        for test, keys in item.get("Condition", {}).items()
        for key, values in keys.items()
    ]
    return Statement(
        allows=item["Effect"] == "Allow",
        principals=frozenset(_principals(item.get("Principal", {}))),
        actions=tuple(_listed(item.get("Action", []))) or ("*",),
        conditions=tuple(conditions),
        is_plain=not {"NotPrincipal", "NotAction", "NotResource"} & item.keys(),
    )


def _principals(found: Any) -> Iterator[str]:
    if isinstance(found, str):
        yield found
        return
    for kind, names in found.items():
        yield from (f"{kind}:{name}" for name in _listed(names))


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]
