"""A plan, its steps, and the grants that policies must contain. Pure."""

import json
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from msgspec import Struct

from worker.topology.checks.statements import Caller, Verdict, judge, read_policy
from worker.topology.plan import desired


class Step(Struct, frozen=True, kw_only=True):
    """A call that creates or changes something."""

    service: str
    operation: str
    """boto3's name, such as `create_queue`."""
    arguments: Mapping[str, Any]
    description: str
    """What it does, as in `create the queue x`."""
    result: str
    """What it has done, as in `created the queue x`."""
    queue: str = ""
    """The name of the queue whose URL the call needs; known only when the queue exists."""


class Plan(Struct, kw_only=True):
    """The steps in order, and what they leave as it is."""

    steps: list[Step] = []
    left: list[str] = []
    """What differs from the desired state, and is not changed."""
    undone: list[str] = []
    """What the operator named, but is configured differently, and is not changed."""


class Grant(Struct, frozen=True):
    """Callers and action that a policy must admit, and the statement that does so."""

    statement: dict[str, Any]
    callers: Sequence[Caller]
    """Callers of the same service; each must be admitted."""
    action: str


def merge(plan: Plan, what: str, policy: str, grant: Grant) -> str | None:
    """The policy with our statement added; None: it needs none, or cannot be evaluated."""
    statements = read_policy(policy)
    known = statements is not None
    about = grant.statement["Resource"]
    verdicts = {judge(statements or [], caller, grant.action, about) for caller in grant.callers}
    if Verdict.DENIED in verdicts:
        plan.undone.append(f"{what}: a Deny in its policy excludes {grant.callers[0].service}")
        return None
    if not known or Verdict.NO not in verdicts:
        message = f"{what}: its policy has conditions that cannot be evaluated"
        if (not known or Verdict.PERHAPS in verdicts) and message not in plan.left:
            plan.left.append(message)
        return None
    if not policy:
        return json.dumps(desired.policy(grant.statement))
    document = json.loads(policy)
    there = document["Statement"]
    others = there if isinstance(there, list) else [there]
    taken = {statement.get("Sid") for statement in others}
    sid = grant.statement["Sid"]
    # A statement with our Sid admits another topic, and is kept.
    free = next(name for n in count(1) if (name := f"{sid}{n if n > 1 else ''}") not in taken)
    return json.dumps(document | {"Statement": [*others, grant.statement | {"Sid": free}]})
