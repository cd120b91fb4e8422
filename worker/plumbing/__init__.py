"""The far side as it is set up: queues, topics, SES's publishing, keys; to look at and to make.

What the worker does with messages is not here: that is `worker.queue` and `worker.suppression`.
"""

from worker.plumbing.aws import Aws, denied_action, known

__all__ = ["Aws", "denied_action", "known"]
