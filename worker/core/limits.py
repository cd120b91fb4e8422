"""Limits on how much of a message is read, stored and shown, each with its reason.

A body is untrusted input of up to 1 MiB
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html).
A text is cut to its limit before it is matched against a pattern, normalised or printed, so that no
message takes much longer than parsing its JSON. Lengths are in characters unless noted.
"""

DEEPEST_JSON = 100
"""Levels of nested objects and arrays; SES's messages have 5. The limit is far below those of
Python's and msgspec's parsers, which differ from version to version. It is above the number of
brackets in nearly every message, so that the depth of few messages has to be measured."""

MOST_RECIPIENTS = 1_000
"""Recipients in a bounce or complaint. SES allows 50 per message
(https://docs.aws.amazon.com/ses/latest/dg/quotas.html); each costs a row and a log line."""

DEEPEST_WRAPPING = 3
"""Wrappings around SES's message: envelopes, EventBridge's wrapper, lists of records. Three occur:
a forwarded record, with an envelope, with EventBridge's wrapper."""
MOST_RECORDS = 1_000
"""Records of a Lambda event. SNS gives a function 1, SQS 10 unless it is configured to give more;
each can be a message with a row and a log line."""
MOST_RESOURCES = 20
"""ARNs in EventBridge's wrapper that are looked at; SES names one."""

LONGEST_TIME = 64
"""An event time. With nanoseconds, a space and an offset it has 36 characters."""
LONGEST_TIME_IN_KEY = 100
"""An event time that cannot be parsed, in a key; a digest covers the rest."""
LONGEST_KIND = 200
"""`notificationType`, `eventType` and an envelope's `Type`; SES's have at most 30 characters."""
LONGEST_SHOWN_KIND = 60
"""An unknown kind in a log line."""
LONGEST_TYPE = 200
"""A type or sub-type of a bounce or complaint; SES's have at most 25 characters."""
LONGEST_ID = 1_000
"""A feedback id or message id; SES's have 60 characters."""
LONGEST_NAME = 128
"""A configuration set or tenant; SES allows 64 characters
(https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_CreateConfigurationSet.html)."""
LONGEST_ACCOUNT = 32
"""The id of an AWS account, which has 12 digits, or a region."""
LONGEST_RESOURCE = 400
"""The ARN of a tenant, identity or configuration set; a tenant's has about 120 characters."""
LONGEST_CAUSE = 1_000
"""Why SES stopped sending; it allows 512 characters
(https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_StatusRecord.html)."""
MOST_TAGS = 50
"""Tags of a mail; SES allows so many
(https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html). Further tags are left
out."""
MOST_TAG_VALUES = 10
"""Values of a tag; a mail has one."""
LONGEST_TAG = 256
"""The name, or a value, of a tag, as SES limits them
(https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html)."""
LONGEST_TAGS = 30_000
"""Characters of all tags of a mail, as JSON; those that SES allows have fewer. Each recipient's row
has them. Further tags are left out."""
MOST_HEADERS = 2_000
"""Headers of a mail among which its tags are looked for; SES includes 10 KB of them."""
LONGEST_TOPIC = 400
"""A topic ARN; the topic's name has at most 256 characters
(https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html)."""
LONGEST_USER_AGENT = 1_000
LONGEST_STATUS = 200
"""`action` and `status` of a recipient: `failed` (RFC 3464), `5.1.1` (RFC 3463)."""
LONGEST_TEXT = 10_000
"""Any other text. The longest that are stored are diagnostics, which rarely have 1,000."""
LONGEST_REPLY = 600
"""The beginning of a diagnostic, which says whose fault a bounce was. Few of them are longer."""
LONGEST_REPORTED = 2_000
"""An address as reported, with display name, comments and brackets."""
LONGEST_ADDRESS = 320
"""64 for the local part, 255 for the domain, 1 for the `@` (RFC 5321, section 4.5.3.1)."""
LONGEST_DOMAIN = 255
"""A domain (likewise). Converting to Punycode takes more than linear time."""
LONGEST_EXTRA = 20_000
"""Bytes of JSON per message, in recipients that have keys which SES does not document."""
LONGEST_EXTRA_NUMBER = 40
"""Digits of a number in such a recipient; a longer number is kept as text."""

LONGEST_DETAIL = 500
"""The detail that is logged about a message that cannot be understood."""
LONGEST_MESSAGE = 262_144
"""SES's JSON kept with a notice; SNS delivers no more unless a topic is configured to."""
LONGEST_SHOWN = 2_000
"""A text in a log line, or in a table for people."""
MOST_ADDRESSES_SHOWN = 50
"""Masked addresses per text; the text is cut after them, so that the time for a log line does not
depend on the untrusted sender."""
LONGEST_CELL = 500
"""A diagnostic in a table for people; `--json` prints all of it."""
LONGEST_PRINTED = 16_000
"""A message's JSON, printed for people; Slack messages show less."""
