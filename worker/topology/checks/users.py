"""The users: without them nobody is paused."""

from worker.topology.checks.findings import Check, Finding

USERS = Check("users")
_WAYS_OUT = 'ses-worker users import users.csv, or set policy.unknown_recipients = "create"'


def judge_users(count: int, *, creates: bool) -> Finding:
    """Judge how many there are; `creates`: a recipient who is no user becomes a user."""
    if count:
        return USERS.ok(f"{count:,} user{'s' if count > 1 else ''}")
    if creates:
        return USERS.ok("0 users: each recipient who bounces or complains becomes a user")
    return USERS.note("0 users: nobody will be paused", _WAYS_OUT)
