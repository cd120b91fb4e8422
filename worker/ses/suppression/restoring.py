"""Puts removed entries back on the suppression list."""

from msgspec import Struct

from worker.ses.suppression.listing import Entry, SuppressionList


class Restored(Struct, frozen=True, kw_only=True):
    """The outcome of putting an entry back."""

    done: bool
    """False: it was listed already, or SES did not keep it."""
    message: str
    """SES's answer, for people."""
    entry: Entry | None
    """The current entry."""


def restore(listing: SuppressionList, entry: Entry, tenant: str = "") -> Restored:
    """Put an entry back for its former reason; an existing entry stays unchanged.

    SES would overwrite its reason: an old bounce would hide a complaint.

    Raises:
        Unavailable: SES cannot be reached or is busy.
        AwsRefused: SES refuses; an account in the sandbox may not add addresses.

    """
    name = f"the list of tenant {tenant}" if tenant else "the list"
    if there := listing.look_up(entry.address, tenant):
        return Restored(done=False, message=f"it is on {name}: {_shown(there)}", entry=there)
    listing.put_back(entry, tenant)
    if there := listing.look_up(entry.address, tenant):
        return Restored(done=True, message=f"it is on {name} again: {_shown(there)}", entry=there)
    message = f"SES accepted the call and does not list the address on {name} (NotFoundException)"
    return Restored(done=False, message=message, entry=None)


def _shown(entry: Entry) -> str:
    return f"{entry.address}, {entry.reason}, since {entry.last_update_time.isoformat()}"
