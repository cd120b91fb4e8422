"""How much of a message is looked at, kept and shown: one limit for each thing, with its reason.

Every byte of a body is a stranger's, and SQS delivers up to 1 MiB of them
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html).
A text is cut to its limit before a pattern, a normalisation or a printer sees it, so that no
message costs more than reading its JSON does. Lengths are characters, unless they say otherwise.
"""

DEEPEST_JSON = 100
"""Levels of objects and arrays. SES's own messages have 5. Far below what Python's and msgspec's
readers bear, which is another depth in each version, and above the number of brackets in nearly
every message, so that the depth of few has to be measured."""

MOST_RECIPIENTS = 1_000
"""Entries of one bounce or complaint. A message has at most 50 recipients
(https://docs.aws.amazon.com/ses/latest/dg/quotas.html); each costs a row and a log line."""

LONGEST_TIME = 64
"""A time with nanoseconds, a space and an offset has 36."""
LONGEST_TIME_IN_KEY = 100
"""Of one that cannot be read, in a key, which has a digest of the whole."""
LONGEST_KIND = 200
"""Of `notificationType`, `eventType` and an envelope's `Type`; the longest that SES has is 30."""
LONGEST_SHOWN_KIND = 60
"""Of one that is unknown, in a log line."""
LONGEST_TYPE = 200
"""Types and sub-types of bounces and complaints; SES's have at most 25."""
LONGEST_ID = 1_000
"""Feedback and message ids; SES's have 60."""
LONGEST_TOPIC = 400
"""An ARN with a topic's name of 256
(https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html)."""
LONGEST_USER_AGENT = 1_000
LONGEST_STATUS = 200
"""`action` and `status` of a recipient: `5.1.1` (RFC 3463), `failed` (RFC 3464)."""
LONGEST_TEXT = 10_000
"""Kept of any other text; diagnostics are the longest that are stored, and rarely reach 1,000."""
LONGEST_REPORTED = 2_000
"""An address with the name, the comments and the brackets that may surround it."""
LONGEST_ADDRESS = 320
"""64 for the local part, 255 for the domain, 1 for the `@` (RFC 5321, section 4.5.3.1)."""
LONGEST_DOMAIN = 255
"""Likewise. What makes Punycode of it takes more time the longer it is, and not in proportion."""
LONGEST_EXTRA = 20_000
"""Bytes of JSON, of all entries of one message that have keys which SES has not documented."""
LONGEST_EXTRA_NUMBER = 40
"""Digits of a number among those: a longer one is kept as text."""

LONGEST_DETAIL = 500
"""What is logged about a message that cannot be understood."""
LONGEST_MESSAGE = 262_144
"""Kept of SES's JSON beside a notice: what SNS delivers, unless a topic is set to carry more."""
LONGEST_SHOWN = 2_000
"""Of one text in a log line, or in a table for people."""
MOST_ADDRESSES_SHOWN = 50
"""In one text, masked: what follows is left out, so no untrusted text decides what a log line
costs."""
LONGEST_CELL = 500
"""Of a diagnostic in a table for people; `--json` has it whole."""
LONGEST_PRINTED = 16_000
"""Of a message's JSON, printed for people; a Slack message shows fewer."""
