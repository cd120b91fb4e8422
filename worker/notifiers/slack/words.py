"""Texts that several notices share: times, and commands that show more. Pure."""

import shlex
from datetime import UTC, datetime

OUTBOX = "`ses-worker outbox list`"
DELIVERED = "`ses-worker outbox list --state delivered`"
"""Where the notified message is stored."""
DEAD_LETTERS = "`ses-worker dlq list`"
LONGEST_POINTER = 120


def moment(at: datetime) -> str:
    """Format a time as SES does: `2026-11-20T08:15:33.000Z`."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def why(address: str) -> str | None:
    """Return the command for an address; None where a shell would read it differently.

    The address is untrusted, and people paste commands.
    """
    fits = 0 < len(address) <= LONGEST_POINTER and "@" in address and address[0] != "-"
    return f"`ses-worker why {address}`" if fits and shlex.quote(address) == address else None


def dead_letters(reason: str) -> str:
    """Return the command that lists dead letters by reason; without an unknown reason."""
    if not (reason.isascii() and reason.isidentifier() and len(reason) <= LONGEST_POINTER):
        return DEAD_LETTERS
    return f"{DEAD_LETTERS.removesuffix('`')} --reason {reason}`"


def with_messages(pointer: str) -> str:
    """Add `--messages` to a `why` command: it then shows SES's messages in full."""
    return pointer if pointer == DELIVERED else f"{pointer.removesuffix('`')} --messages`"
