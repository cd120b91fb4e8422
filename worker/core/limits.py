"""Bounds of everything that comes in, and of what is shown of it, each with its reason.

docs/bounds.md has all of them in a table, with what becomes of what is beyond.

A body is untrusted input of up to 1 MiB
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html).
A text is cut to its limit before it is matched against a pattern, normalised or printed, so that no
message takes much longer than parsing its JSON. Lengths are in characters unless noted.
"""

LONGEST_BODY = 1_048_576
"""A body; SQS carries as many bytes. What stands in for SQS may carry more."""
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
"""ARNs in EventBridge's wrapper that are looked at; SES names a single ARN."""

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
"""Values of a tag; a mail has a single value."""
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
LONGEST_STAMP = 200
"""Bytes of a `lastUpdatedTimestamp`: seven numbers, or a text."""
LONGEST_S3_KEY = 300
"""An S3 key, or an alarm's name, in the detail of a dead letter."""
LONGEST_USER_AGENT = 1_000
"""The program that reported a complaint."""
LONGEST_STATUS = 200
"""`action` and `status` of a recipient: `failed` (RFC 3464), `5.1.1` (RFC 3463)."""
LONGEST_TEXT = 10_000
"""Any other text. The longest that are stored are diagnostics, which rarely have 1,000."""
LONGEST_REPLY = 600
"""The beginning of a diagnostic, which says whose fault a bounce was. Few of them are longer."""
MOST_ADDRESSES_READ = 10
"""Addresses up to which a reply is read for its words. Each takes time, and no reply echoes more
than two."""
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

MOST_IN_DETAIL = 250
"""Events about an address, within an hour, that a worker keeps with all their texts. Of the others
it keeps what decides: keys, types, times, the rule. A person who gets a mail a minute, reported by
both routes, causes 120."""
MOST_FLOODED = 20_000
"""Addresses whose events are counted for that; beyond them, only those with many are remembered."""

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

LARGEST_HEAD_BYTES = 65_536
"""The head of SQS's answer; it has some 300 bytes, and proxies add cookies."""
LARGEST_BODY_BYTES = 64 * 1_048_576
"""SQS's answer: ten messages of 1 MiB, each character escaped in six bytes, as JSON allows."""
MOST_INTERIM = 10
"""1xx responses before SQS's answer; none is expected."""
LONGEST_LINE_BYTES = 1_024
"""A line with a chunk's size, or of a trailer, in SQS's answer."""
MOST_TRAILERS = 100
"""Lines after the chunks of SQS's answer; none is expected."""
LONGEST_SIGNATURE = 2_048
"""Characters of base64; a key of 4,096 bits makes 684."""
LARGEST_CERTIFICATE_BYTES = 65_536
"""What SNS serves as certificate: that has 2,000 bytes, and a chain of four 8,000."""
LARGEST_SLACK_ANSWER_BYTES = 100_000
"""What is read of Slack's answer, which has some hundred."""
LARGEST_REQUEST_HEAD_BYTES = 16_384
"""The head of a request to our own HTTP server."""
LARGEST_REQUEST_BODY_BYTES = 1_024
"""The body of such a request, which no page asks for."""
