"""What a plan is made of. Pure."""

import json
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from msgspec import Struct

from worker.topology.checks.statements import Caller, Verdict, judge, read_policy
from worker.topology.plan import desired


class Step(Struct, frozen=True, kw_only=True):
    """One call that makes or changes something."""

    service: str
    operation: str
    """As boto3 has it: `create_queue`."""
    arguments: Mapping[str, Any]
    description: str
    queue: str = ""
    """The name of the queue whose URL the call takes; it may have none before."""


class Plan(Struct, kw_only=True):
    """What is to be done, in order."""

    steps: list[Step] = []
    left: list[str] = []
    """What is otherwise than it would have been made, and stays so."""
    undone: list[str] = []
    """What was named and is not done, since it is configured otherwise."""


class Grant(Struct, frozen=True):
    """Whom a policy should let in to do what, and the statement that does."""

    statement: dict[str, Any]
    callers: Sequence[Caller]
    """Callers of the same service; each must be admitted."""
    action: str


def merge(plan: Plan, what: str, policy: str, grant: Grant) -> str | None:
    """The policy with our statement; None: it needs none, or is not ours to change."""
    statements = read_policy(policy)
    known = statements is not None
    about = grant.statement["Resource"]
    verdicts = {judge(statements or [], caller, grant.action, about) for caller in grant.callers}
    if Verdict.DENIED in verdicts:
        plan.undone.append(f"{what}: a Deny in its policy keeps {grant.callers[0].service} out")
        return None
    if not known or Verdict.NO not in verdicts:
        if not known or Verdict.PERHAPS in verdicts:
            plan.left.append(f"{what}: its policy has conditions that are not judged here")
        return None
    if not policy:
        return json.dumps(desired.policy(grant.statement))
    document = json.loads(policy)
    there = document["Statement"]
    others = there if isinstance(there, list) else [there]
    taken = {statement.get("Sid") for statement in others}
    sid = grant.statement["Sid"]
    # A statement of that name admits another topic, and is kept.
    free = next(name for n in count(1) if (name := f"{sid}{n if n > 1 else ''}") not in taken)
    return json.dumps(document | {"Statement": [*others, grant.statement | {"Sid": free}]})
