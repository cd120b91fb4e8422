"""What the queue's own policy denies the worker.

A receive is not tried: it would hide messages from the worker.
"""

from worker.topology.checks.conditions import Verdict
from worker.topology.checks.facts import QueueFacts
from worker.topology.checks.findings import Check, Finding
from worker.topology.checks.statements import denied_to_all, read_policy

PERMISSIONS = Check("permissions")
_NEEDED = (
    "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes",
)  # fmt: skip


def judge_permissions(queue: QueueFacts) -> Finding:
    """Judge whether a Deny in the queue's policy applies to everybody, and so to the worker."""
    statements = read_policy(queue.text("Policy"))
    if statements is None:
        return PERMISSIONS.unknown(f"the policy of {queue.name} cannot be read")
    verdicts = {action: denied_to_all(statements, action, queue.arn) for action in _NEEDED}
    if denied := [action for action, verdict in verdicts.items() if verdict is Verdict.YES]:
        message = f"a Deny in the policy of {queue.name} denies everybody {' and '.join(denied)}"
        return PERMISSIONS.wrong(message, "remove that statement from the queue's policy")
    if some := [action for action, verdict in verdicts.items() if verdict is Verdict.PERHAPS]:
        message = f"a Deny in the policy of {queue.name} may deny the worker {' and '.join(some)}"
        return PERMISSIONS.unknown(f"{message}: it has conditions that check cannot evaluate")
    return PERMISSIONS.ok(
        f"the policy of {queue.name} denies the worker nothing. What IAM allows the worker was not "
        "checked; it needs config/iam-run.json"
    )
