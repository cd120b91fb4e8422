"""Policies of queues, topics and keys: whom they admit.

Only what such policies contain in practice is evaluated; the rest is reported as unknown.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from worker.topology.checks.conditions import Caller, Condition, Verdict, meets

__all__ = ["Caller", "Statement", "Verdict", "judge", "read_policy"]


class Statement(Struct, frozen=True, kw_only=True):
    """A statement of a policy; single values are lists here."""

    allows: bool
    principals: frozenset[str]
    """`AWS:…`, `Service:…`; `*`: everybody."""
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...]
    is_plain: bool
    """It has no NotPrincipal, NotAction or NotResource."""

    def covers(self, action: str) -> bool:
        """Return whether it covers an action."""
        return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in self.actions)

    def names(self, resource: str) -> bool:
        """Return whether it covers a resource."""
        return any(fnmatchcase(resource, pattern) for pattern in self.resources)

    @property
    def is_open(self) -> bool:
        """It applies to everybody."""
        return bool({"*", "AWS:*", "Service:*"} & self.principals)


def read_policy(text: str) -> list[Statement] | None:
    """Read a policy; None if it is not a policy, an empty list if the text is empty."""
    if not text:
        return []
    try:
        found = json.loads(text)["Statement"]
        return [_read(item) for item in _listed(found)]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def judge(
    statements: Sequence[Statement], caller: Caller, action: str, resource: str = ""
) -> Verdict:
    """Return whether a service may call an action on the resource that has this policy.

    `resource` is its ARN; empty if a policy is always about its own resource, like a key's.
    """
    about = [s for s in statements if not resource or s.names(resource)]
    denying = [_matches(s, caller, action) for s in about if not s.allows]
    allowing = [_matches(s, caller, action) for s in about if s.allows]
    if Verdict.YES in denying:
        return Verdict.DENIED
    if not {Verdict.YES, Verdict.PERHAPS} & {*allowing}:
        return Verdict.NO  # whatever a Deny says
    if Verdict.PERHAPS in denying or Verdict.YES not in allowing:
        return Verdict.PERHAPS
    return Verdict.YES


def denied_to_all(statements: Sequence[Statement], action: str, resource: str) -> Verdict:
    """Return whether a policy denies an action to all callers that use TLS."""
    found = {
        _holds(statement)
        for statement in statements
        if not statement.allows and statement.covers(action) and statement.names(resource)
        if statement.is_open or not statement.is_plain
    }
    return next((v for v in (Verdict.YES, Verdict.PERHAPS) if v in found), Verdict.NO)


def _holds(statement: Statement) -> Verdict:
    if any(condition.is_about_plain_text for condition in statement.conditions):
        return Verdict.NO
    if statement.is_plain and not statement.conditions:
        return Verdict.YES
    return Verdict.PERHAPS


def _matches(statement: Statement, caller: Caller, action: str) -> Verdict:
    if not statement.covers(action):
        return Verdict.NO
    if not statement.is_plain:
        return Verdict.PERHAPS
    if not (statement.is_open or f"Service:{caller.service}" in statement.principals):
        return Verdict.NO
    verdicts = [meets(condition, caller) for condition in statement.conditions]
    for verdict in (Verdict.NO, Verdict.PERHAPS):
        if verdict in verdicts:
            return verdict
    return Verdict.YES


def _read(item: Mapping[str, Any]) -> Statement:
    conditions = [
        Condition(test.lower(), key.lower(), tuple(_text(value) for value in _listed(values)))
        for test, keys in item.get("Condition", {}).items()
        for key, values in keys.items()
    ]
    return Statement(
        allows=item["Effect"] == "Allow",
        principals=frozenset(_principals(item.get("Principal", {}))),
        actions=tuple(_listed(item.get("Action", []))) or ("*",),
        resources=tuple(_listed(item.get("Resource", []))) or ("*",),
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


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)
