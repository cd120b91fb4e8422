"""The AWS side as configured: queues, topics, SES's publishing, keys.

Messages are not handled here, but in `worker.sqs.queue` and `worker.ses.suppression`.
"""

from worker.topology.aws import Aws, denied_action, known

__all__ = ["Aws", "denied_action", "known"]
