"""Decodes the body of an SQS message. Pure, and it raises nothing.

A body is read in steps, each in a module of its own:

1. `bodies` parses JSON; `wrappings` takes SES's message out of SNS's envelope, EventBridge's
   wrapper (`eventbridge`) and lists of records.
2. `kinds` looks at the type of SES's message.
3. `reports` makes a `Feedback` for each recipient of a bounce or complaint, `account_events` an
   `AccountEvent` of what SES says about sending itself.

Values of undocumented types are read by `lenient`; `shapes` has the documented types; `foreign`
recognises what others put into the queue.
"""

from collections.abc import Iterable, Iterator

from worker.core.acceptance import EVERYTHING, Acceptance
from worker.core.decode.bodies import TOPIC_VALIDATED
from worker.core.decode.errors import Undecodable
from worker.core.decode.kinds import SETUP_MESSAGE_ID
from worker.core.decode.wrappings import Several, Single, read_message
from worker.core.limits import LONGEST_BODY
from worker.core.model import Feedback, Malformed, Reason

__all__ = [
    "SETUP_MESSAGE_ID",
    "TOPIC_VALIDATED",
    "Decoded",
    "Several",
    "Single",
    "decode",
    "feedback_in",
    "parts_of",
]

Decoded = Single | Several


def decode(body: str, acceptance: Acceptance = EVERYTHING) -> Decoded:
    """Decode the body of an SQS message: a `Feedback` per recipient, or what else it says.

    The body is SES's message, or wrapped as `wrappings` says. What `acceptance` does not allow is
    `Malformed`.
    """
    if len(body) > LONGEST_BODY:
        what = f"{len(body):,} characters, more than {LONGEST_BODY:,}"
        return Malformed(Reason.TOO_LONG, what)
    try:
        return read_message(body, acceptance)
    except Undecodable as error:
        return error.malformed


def feedback_in(parts: Iterable[Single]) -> list[Feedback]:
    """Return the feedback of all parts of a body."""
    return [item for part in parts if isinstance(part, tuple) for item in part]


def parts_of(content: Decoded) -> Iterator[Single]:
    """Yield what each message of SES's in a body says; nearly every body has one."""
    if isinstance(content, Several):
        yield from content.parts
    else:
        yield content
