"""Putting back what was taken off the suppression list."""

from msgspec import Struct

from worker.suppression.listing import Entry, SuppressionList


class Restored(Struct, frozen=True, kw_only=True):
    """What came of it."""

    done: bool
    """False: it was there already, or SES did not keep it."""
    message: str
    """For people: SES's answer."""
    entry: Entry | None
    """As it is listed now."""


def restore(listing: SuppressionList, entry: Entry) -> Restored:
    """Put an entry back for its former reason; one that is there is left as it is.

    SES would let the new reason win: an old bounce would hide a complaint.

    Raises:
        Unavailable: SES cannot be reached or is busy.
        AwsRefused: an account in the sandbox may not add addresses.

    """
    if there := listing.look_up(entry.address):
        return Restored(done=False, message=f"it is on the list: {_shown(there)}", entry=there)
    listing.put_back(entry)
    if there := listing.look_up(entry.address):
        return Restored(done=True, message=f"it is on the list again: {_shown(there)}", entry=there)
    message = "SES took the call and does not list the address (NotFoundException)"
    return Restored(done=False, message=message, entry=None)


def _shown(entry: Entry) -> str:
    return f"{entry.address}, {entry.reason}, since {entry.last_update_time.isoformat()}"
