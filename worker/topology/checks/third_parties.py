"""Whom a policy admits besides the expected sources. Pure."""

from collections.abc import Iterator, Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from worker.topology.checks.conditions import SOURCE_ACCOUNT, SOURCE_ARN, Condition
from worker.topology.checks.facts import read_arn
from worker.topology.checks.statements import Statement

_OF_CALLS_FOR_OTHERS = SOURCE_ACCOUNT | {SOURCE_ARN}


class Reach(StrEnum):
    """How many third parties a policy admits by a statement."""

    SINGLE = "one"
    """A named resource, or a named principal of an account."""
    MANY = "many"
    UNKNOWN = "unknown"
    """It depends on conditions that are not evaluated here."""


class ThirdParty(Struct, frozen=True):
    """A principal, or a group of them, that a policy admits."""

    who: str
    reach: Reach


def third_parties(
    statements: Sequence[Statement],
    action: str,
    account: str,
    expected: Sequence[str],
    resource: str = "",
) -> list[ThirdParty]:
    """List the admitted third parties: all except the account and the `expected` ARNs."""
    return [
        found
        for statement in statements
        if statement.allows
        and statement.covers(action)
        and (not resource or statement.names(resource))
        for found in _third_parties(statement, account, expected)
    ]


def source_arns(statements: Sequence[Statement], service: str, action: str) -> list[str]:
    """The ARNs, without patterns, for which a policy admits a service."""
    found = [
        arn
        for statement in statements
        if statement.allows
        and statement.covers(action)
        and (statement.is_open or f"Service:{service}" in statement.principals)
        for arn in _values(statement, SOURCE_ARN)
        if not set("*?") & set(arn)
        and (named := read_arn(arn))
        and named.service == service.partition(".")[0]
    ]
    return list(dict.fromkeys(found))


def _third_parties(
    statement: Statement, account: str, expected: Sequence[str]
) -> Iterator[ThirdParty]:
    if not statement.is_plain:
        message = "everybody that a NotPrincipal, NotAction or NotResource does not exclude"
        yield ThirdParty(message, Reach.MANY)
        return
    restricting = tuple(
        condition for condition in statement.conditions if _restricts(condition, statement)
    )
    statement = replace(statement, conditions=restricting)
    arns = _values(statement, SOURCE_ARN)
    owners = _values(statement, *SOURCE_ACCOUNT, "aws:principalaccount")
    people = _values(statement, "aws:principalarn")
    if arns:
        yield from (s for arn in arns if arn not in expected for s in _source(arn, owners, account))
    elif owners:
        yield from _owned(owners, account)
    elif people:
        yield from (ThirdParty(arn, _reach(arn)) for arn in people if _account_of(arn) != account)
    elif not statement.is_open:
        yield from (
            _named(who) for who in sorted(statement.principals) if _account_of(who) != account
        )
    elif not statement.conditions:
        yield ThirdParty("everybody", Reach.MANY)
    else:
        message = "everybody, under conditions that check cannot evaluate"
        yield ThirdParty(message, Reach.UNKNOWN)


def _source(arn: str, owners: Sequence[str], account: str) -> Iterator[ThirdParty]:
    if not set("*?") & set(_account_of(arn) or "*"):
        yield ThirdParty(arn, _reach(arn))
    elif owners:
        yield from _owned(owners, account)
    else:
        yield ThirdParty(f"any account's {arn}", Reach.MANY)


def _owned(owners: Sequence[str], account: str) -> Iterator[ThirdParty]:
    others = (owner for owner in owners if owner != account)
    return (ThirdParty(f"all of account {owner}", Reach.MANY) for owner in others)


def _reach(arn: str) -> Reach:
    return Reach.MANY if set("*?") & set(_account_of(arn) or "*") else Reach.SINGLE


def _account_of(principal: str) -> str:
    """The account in an ARN, or in a principal such as `AWS:ARN` or `AWS:ACCOUNT`."""
    who = principal.removeprefix("AWS:")
    found = read_arn(who)
    return found.account if found else who


def _named(principal: str) -> ThirdParty:
    kind, _, who = principal.partition(":")
    if kind == "Service":
        return ThirdParty(f"{who} for any account", Reach.MANY)
    return ThirdParty(who, Reach.SINGLE if read_arn(who) else Reach.MANY)


def _values(statement: Statement, *keys: str) -> tuple[str, ...]:
    """The values that positive conditions on these keys list."""
    return tuple(
        value
        for condition in statement.conditions
        if condition.key in keys and condition.is_positive
        for value in condition.values
    )


def _restricts(condition: Condition, statement: Statement) -> bool:
    """Return whether a condition restricts callers that name no resource.

    A service always names the resource that it acts for; people do not, and pass an IfExists.
    """
    services_only = all(who.startswith("Service:") for who in statement.principals)
    return services_only or not (condition.is_lenient and condition.key in _OF_CALLS_FOR_OTHERS)
