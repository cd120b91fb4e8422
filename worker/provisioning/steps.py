"""What a plan is made of. Pure."""

import json
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from msgspec import Struct

from worker.checks.statements import Caller, Verdict, judge, read_policy
from worker.provisioning import wanted


class Step(Struct, frozen=True, kw_only=True):
    """One call that makes or changes something."""

    service: str
    operation: str
    """As boto3 has it: `create_queue`."""
    arguments: Mapping[str, Any]
    said: str
    queue: str = ""
    """The name of the queue whose URL the call takes; it may have none before."""


class Plan(Struct, kw_only=True):
    """What is to be done, in order."""

    steps: list[Step] = []
    left: list[str] = []
    """What is otherwise than it would have been made, and stays so."""
    undone: list[str] = []
    """What was asked for by name, and is not done, since somebody has set it otherwise."""


class Door(Struct, frozen=True):
    """Whom a policy should let in to do what, and the statement that does."""

    statement: dict[str, Any]
    callers: Sequence[Caller]
    """Of one service; each must be let in."""
    action: str


def merge(plan: Plan, what: str, policy: str, door: Door) -> str | None:
    """The policy with our statement; None: it needs none, or is not ours to change."""
    statements = read_policy(policy)
    known = statements is not None
    about = door.statement["Resource"]
    verdicts = {judge(statements or [], caller, door.action, about) for caller in door.callers}
    if Verdict.DENIED in verdicts:
        plan.undone.append(f"{what}: a Deny in its policy keeps {door.callers[0].service} out")
        return None
    if not known or Verdict.NO not in verdicts:
        if not known or Verdict.PERHAPS in verdicts:
            plan.left.append(f"{what}: its policy has conditions that are not judged here")
        return None
    if not policy:
        return json.dumps(wanted.policy(door.statement))
    document = json.loads(policy)
    there = document["Statement"]
    others = there if isinstance(there, list) else [there]
    taken = {one.get("Sid") for one in others}
    sid = door.statement["Sid"]
    # One of that name lets another topic in, and goes on doing so.
    free = next(name for n in count(1) if (name := f"{sid}{n if n > 1 else ''}") not in taken)
    return json.dumps(document | {"Statement": [*others, door.statement | {"Sid": free}]})
