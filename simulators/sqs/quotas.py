"""The quotas of SQS, with their units.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

LARGEST_BATCH = 10
"""Messages in one receive, entries in one batch call."""
LARGEST_MESSAGE_BYTES = 1_048_576
"""One message, or all of a batch together; names, types and values of attributes included."""
MOST_ATTRIBUTES = 10
"""Message attributes of one message."""
LONGEST_ATTRIBUTE_NAME = 256
"""Characters of a message attribute's name, and of its data type."""
MOST_IN_FLIGHT = 120_000
"""Messages of a standard queue that are received and neither deleted nor visible again."""
LONGEST_VISIBILITY_SECONDS = 43_200
"""12 hours, in one go and in all since the receive."""
LONGEST_WAIT_SECONDS = 20
LONGEST_DELAY_SECONDS = 900
DEFAULT_VISIBILITY_SECONDS = 30
SHORTEST_RETENTION_SECONDS = 60
DEFAULT_RETENTION_SECONDS = 345_600
LONGEST_RETENTION_SECONDS = 1_209_600
SMALLEST_LIMIT_BYTES = 1_024
"""The least that a queue's MaximumMessageSize can be."""
MOST_RECEIVES = 1_000
"""The largest maxReceiveCount of a redrive policy."""
PURGE_PAUSE_SECONDS = 60
"""Between two purges of one queue."""
NAME_PAUSE_SECONDS = 60
"""Before the name of a deleted queue can be used again."""
LARGEST_LIST = 1_000
"""Queues in one answer."""
MOST_MOVES_LISTED = 10
FASTEST_MOVE_PER_SECOND = 500
