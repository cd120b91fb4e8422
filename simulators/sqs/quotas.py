"""The quotas of SQS, with their units.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

LARGEST_BATCH = 10
"""Messages per receive, entries per batch call."""
LARGEST_MESSAGE_BYTES = 1_048_576
"""A message, or a whole batch; names, types and values of attributes included."""
MOST_ATTRIBUTES = 10
"""Message attributes per message."""
LONGEST_ATTRIBUTE_NAME = 256
"""Characters of a message attribute's name, and of its data type."""
MOST_IN_FLIGHT = 120_000
"""Messages in flight per standard queue."""
LONGEST_VISIBILITY_SECONDS = 43_200
"""12 hours: of a visibility timeout, and in total since the receive."""
LONGEST_WAIT_SECONDS = 20
LONGEST_DELAY_SECONDS = 900
DEFAULT_VISIBILITY_SECONDS = 30
SHORTEST_RETENTION_SECONDS = 60
DEFAULT_RETENTION_SECONDS = 345_600
LONGEST_RETENTION_SECONDS = 1_209_600
SMALLEST_LIMIT_BYTES = 1_024
"""The smallest MaximumMessageSize of a queue."""
MOST_RECEIVES = 1_000
"""The largest maxReceiveCount of a redrive policy."""
PURGE_PAUSE_SECONDS = 60
"""Between two purges of a queue."""
NAME_PAUSE_SECONDS = 60
"""Before the name of a deleted queue can be used again."""
LARGEST_LIST = 1_000
"""Queues per answer."""
MOST_MOVES_LISTED = 10
FASTEST_MOVE_PER_SECOND = 500
