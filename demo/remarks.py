"""A sentence under each table of the demo."""

from demo import script
from demo.audit_effects import ignored
from demo.figures import is_paused
from demo.installing import NOTICES_A_MINUTE, POSTS_A_SECOND
from demo.notices import about_removals, digests, folded
from demo.story import Findings
from worker.core.model import Outcome


def totals(findings: Findings) -> str:
    """What the daemon counted."""
    counts = ", ".join(f"{count} {name}" for name, count in findings.totals.items())
    return f"the daemon's own count: {counts}"


def rows(findings: Findings) -> str:
    """What the rows of `events` are."""
    events = findings.database.events
    spelled = [
        row["recipient_as_reported"]
        for row in events
        if row["user_match"] == "found" and row["recipient_as_reported"] != row["recipient"]
    ]
    return (
        f"{len(events)} rows of the table events, one a recipient; user_match is found where it "
        f"says nothing else\nfound in spite of their spelling: {' · '.join(spelled)}"
    )


def crowd(findings: Findings) -> str:
    """How many users are concerned, and how many are not."""
    users = findings.database.users
    paused = sum(is_paused(user, findings.now) for user in users)
    ended = sum(bool(user["paused_until"]) for user in users) - paused
    blocked = sum(bool(user["auto_block_spam"]) for user in users)
    return (
        f"of {len(users)} users {paused} are paused now and {blocked} are blocked; the pauses of "
        f"{ended} have ended; nobody else was touched (times are UTC)"
    )


def kept(findings: Findings) -> str:
    """What is in the dead-letter queue."""
    count = len(findings.dead_letters)
    return (
        f"{count} messages in the dead-letter queue, bodies unchanged; "
        "`ses-worker dlq` lists them, shows them, works on them again"
    )


def repeats(findings: Findings) -> str:
    """What the last chapter has changed."""
    again = [m for m in findings.messages if m.outcome is Outcome.DUPLICATE]
    new = len(findings.database.events) - len(findings.before_the_last.events)
    pairs = zip(findings.before_the_last.users, findings.database.users, strict=False)
    changed = sum(before != after for before, after in pairs)
    return (
        f"{len(again)} messages were published again: repeated deliveries, and bounces by the "
        "other route, as a notification and as an event with a feedback id of its own. "
        f"Events added: {new}. Users changed: {changed}."
    )


def notices(findings: Findings) -> str:
    """How much became how many messages."""
    recipients = len(findings.database.events) - ignored(findings)
    many, all_of_them = len(digests(findings.posts)), len(findings.posts)
    return (
        f"{recipients} recipients, {len(findings.dead_letters)} dead-lettered messages and "
        f"{len(about_removals(findings.posts))} removals became {all_of_them} messages: "
        f"{all_of_them - many} notices and {_digests(many)} of {folded(findings.posts).total()}. "
        f"None is about {script.IGNORED} (notify.ignore)."
    )


def pauses() -> str:
    """Why it went so fast, and why there was a digest."""
    return (
        "Slack was made to answer slowly, so that notices piled up above slack.messages_per_minute"
        f" ({NOTICES_A_MINUTE} here). Real Slack gets one a second; here it is up to"
        f" {POSTS_A_SECOND}."
    )


def listing() -> str:
    """The calls to SES."""
    return (
        "suppression.remove names both; an entry for a complaint stays, unless "
        "suppression.remove_complaints is set"
    )


def _digests(count: int) -> str:
    return "a digest" if count == 1 else f"{count} digests"
