"""The AWS side as configured: queues, topics, SES's publishing, keys.

What the worker does with messages is not here: that is `worker.sqs.queue` and `worker.suppression`.
"""

from worker.topology.aws import Aws, denied_action, known

__all__ = ["Aws", "denied_action", "known"]
