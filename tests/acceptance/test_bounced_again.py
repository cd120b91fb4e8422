"""A story with the real daemon: two soft bounces, a hard bounce, reinstated, bounced again.

`pytest -s` prints it as a transcript.
"""

import re
import shlex
import time
from datetime import UTC, datetime, timedelta

from support import mail

JANE = "jane@example.com"
FULL = mail.recipient(JANE, status="4.2.2", diagnosticCode="smtp; 452 4.2.2 mailbox full")
GONE = mail.recipient(JANE, status="5.1.1", diagnosticCode="smtp; 550 5.1.1 no such user")


class Transcript:
    """Commands as a person types them, with what they print."""

    def __init__(self, run):
        self._run = run

    def __call__(self, *arguments, **more):
        done = self._run(*arguments, **more)
        print(f"\n$ ses-worker {shlex.join(arguments)}\n{done.err}{done.out}(exit {done.status})")  # noqa: T201 a transcript
        return done

    def why(self):
        return " ".join(self("why", JANE).out.split())

    def hard_bounces(self):
        """Print the report, and return its number of hard bounces."""
        assert self("report", "--days", "30").status == 0
        return self._run("report", "--days", "30", "--json").json["bounces"]["hard"]


def before(**past):
    return (datetime.now(UTC) - timedelta(**past)).isoformat()


def received(run, emulator, queue, **counts):
    """Wait until the daemon has written what was sent."""
    deadline = time.monotonic() + 20
    while True:
        user = run("users", "show", JANE, "--json").json
        if all(user[name] == count for name, count in counts.items()):
            return
        assert time.monotonic() < deadline, user
        time.sleep(0.1)


def test_an_address_that_was_reinstated_bounces_again(run, emulator, queue, ses, daemon):
    transcript = Transcript(run)
    transcript("users", "import", "-", input=f"email\n{JANE}\n")
    worker = daemon()
    worker.wait_for("worker.started")
    for hours in (30, 6):
        at = before(hours=hours)
        emulator.send(queue, mail.bounce(FULL, type="Transient", subtype="MailboxFull", at=at))
    received(run, emulator, queue, soft_bounce_count=2)
    soft = transcript("may-send", JANE)
    assert (soft.status, "soft_bounce" in soft.out) == (3, True)

    emulator.send(queue, mail.bounce(GONE, at=before(hours=2)))
    ses.list_address(JANE)
    received(run, emulator, queue, hard_bounce_count=1)
    hard = transcript("may-send", JANE)
    assert (hard.status, "hard_bounce" in hard.out) == (3, True)
    story = transcript.why()
    places = [story.index(words) for words in ("MailboxFull", "mailbox full", "no such user")]
    assert places == sorted(places)

    assert transcript.hard_bounces() == 1
    undone = transcript(
        "users", "reinstate", JANE, "--reason", "her provider fixed its server",
        "--also-suppression-list",
    )  # fmt: skip
    assert (undone.status, ses.listed) == (0, []), undone.err
    assert transcript("may-send", JANE).status == 0
    story = transcript.why()
    assert re.search(r"lifted pause and block, .*: her provider fixed its server", story)
    assert "requested by" in story

    emulator.send(queue, mail.bounce(GONE, at=before(hours=3)))  # late, about the time before
    received(run, emulator, queue, hard_bounce_count=2)
    assert transcript("may-send", JANE).status == 0

    emulator.send(queue, mail.bounce(GONE, at=datetime.now(UTC).isoformat()))
    received(run, emulator, queue, hard_bounce_count=3, soft_bounce_count=2)
    again = transcript("may-send", JANE)
    assert (again.status, "hard_bounce" in again.out) == (3, True)
    story = transcript.why()
    assert story.count("no such user") == 3
    assert story.index("lifted pause and block") < story.rindex("no such user")
    undo = f'ses-worker users reinstate {JANE} --also-suppression-list --reason "WHY"'
    assert undo in story
    assert transcript("users", "show", JANE).out.endswith(f"to lift it:          {undo}\n")
    assert transcript.hard_bounces() == 3  # with the late one and the new one
    assert worker.stop()[0] == 0
