"""A database full of old events, and messages like those that made them."""

import json
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from sqlalchemy import text

from worker.core.messages import Received
from worker.store import Store

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
AT_ONCE = 20_000
SHOWN_SECONDS = 10.0
_NUMBERS = count()
_CHANCE = random.Random(17)


def progress(verb: str, of: int) -> Callable[[int], None]:
    """Report now and then on standard error how far the work is, and when it will be done."""
    began = shown = time.monotonic()

    def show(done: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if done and now - shown > SHOWN_SECONDS:
            shown = now
            left = (now - began) * (of - done) / done
            line = f"{verb} {done:,} of {of:,} in {now - began:,.0f} s; {left:,.0f} s to go"
            print(line, file=sys.stderr, flush=True)

    return show


def event_id(at: datetime) -> str:
    """An id as SES makes them: a region, milliseconds, and chance."""
    return f"0100{int(at.timestamp() * 1000):012x}-{_CHANCE.getrandbits(128):032x}-000000"


def digest() -> str:
    """The end of a key."""
    return f"{_CHANCE.getrandbits(96):024x}"


def body(at: datetime, number: int) -> str:
    """A hard bounce of one of a million people."""
    time_ = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    who = f"person{number % 1_000_003}@example{number % 97}.com"
    return json.dumps({
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": "Permanent", "bounceSubType": "General", "timestamp": time_,
            "feedbackId": event_id(at),
            "bouncedRecipients": [{"emailAddress": who, "status": "5.1.1", "action": "failed",
                                   "diagnosticCode": "smtp; 550 5.1.1 user unknown"}],
        },
        "mail": {"timestamp": time_, "source": "us@example.com", "messageId": event_id(at),
                 "destination": [who]},
    })  # fmt: skip


def received(at: datetime) -> Received:
    """A message that came now; what it is about was at that time."""
    number = next(_NUMBERS)
    return Received(
        message_id=f"m{number}", body=body(at, number), receipt_handle="h", receive_count=1,
        received_at=datetime.now(UTC), lease_until=float("inf"),
    )  # fmt: skip


_ROW = """
    INSERT INTO events (dedupe_key, route_key, kind, type, subtype, recipient,
        recipient_as_reported, user_match, action, reason, occurred_at, received_at, feedback_id,
        ses_message_id, diagnostic, status, route, fault, mentions_spam, out_of_office,
        permanent_status)
    VALUES (:dedupe, :route, 'bounce', 'Permanent', 'General', :who, :who, :match, :action,
        :reason, :at, :at, :feedback, :mail, 'smtp; 550 5.1.1 user unknown', '5.1.1', 'raw',
        'recipient', :no, :no, :no)
"""


def fill(store: Store, events: int, users: int) -> None:
    """Old events, one a second, of as many people; some of them are users with a record."""
    is_sqlite = store.place.startswith("/")
    show = progress("filled", events)
    for start in range(0, events, AT_ONCE):
        rows = []
        for number in range(start, min(events, start + AT_ONCE)):
            at = NOW - 400 * DAY + timedelta(seconds=number * 300 * 86_400 / events)
            feedback, mail = event_id(at), event_id(at)
            written = at.strftime("%Y-%m-%d %H:%M:%S.%f") if is_sqlite else at
            is_user = number % 1_000 < users
            rows.append({
                "dedupe": f"{feedback}:{digest()}",
                "route": f"{mail}:{digest()}",
                "who": f"old{number}@example{number % 97}.com", "at": written,
                "feedback": feedback, "mail": mail, "no": False,
                "match": "found" if is_user else "missing",
                "action": "hard_bounce" if is_user else "no_action",
                "reason": "permanent" if is_user else "unknown_recipient",
                "is_user": is_user,
            })  # fmt: skip
        with store.write_transaction() as connection:
            connection.execute(text(_ROW), rows)
            known = [row for row in rows if row["is_user"]]
            if known:
                connection.execute(text(
                    "INSERT INTO users (email, email_key, hard_bounce_count, last_hard_bounce)"
                    " VALUES (:who, :who, 1, :at)"
                ), known)  # fmt: skip
        show(start + len(rows))
