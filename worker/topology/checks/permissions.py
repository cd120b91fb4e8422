"""What the worker may do with the queue, as far as the queue's own policy says.

To receive is not tried: it would take messages from the worker.
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
    """Judge whether a Deny of the queue's policy keeps everybody, and so the worker, out."""
    statements = read_policy(queue.text("Policy"))
    if statements is None:
        return PERMISSIONS.unknown(f"the policy of {queue.name} cannot be read")
    verdicts = {action: denied_to_all(statements, action, queue.arn) for action in _NEEDED}
    if denied := [action for action, verdict in verdicts.items() if verdict is Verdict.YES]:
        message = f"a Deny in the policy of {queue.name} refuses everybody {' and '.join(denied)}"
        return PERMISSIONS.wrong(message, "take that statement out of the queue's policy")
    if some := [action for action, verdict in verdicts.items() if verdict is Verdict.PERHAPS]:
        message = f"a Deny in the policy of {queue.name} may refuse the worker {' and '.join(some)}"
        return PERMISSIONS.unknown(f"{message}: it has conditions that are not judged here")
    return PERMISSIONS.ok(
        f"the policy of {queue.name} denies the worker nothing; what IAM allows it was not looked "
        "at: config/iam-run.json"
    )
