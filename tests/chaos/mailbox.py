"""What SES and others put on the queue in a schedule: drawn by a seed, much of it more than
once."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from support import mail

QUIET, GONE, REPORTED = "quiet.example", "gone.example", "told.example"
"""Domains: of addresses that no notice is about, of those that leave the suppression list, and
others."""
_FIRST = datetime(2024, 3, 1, tzinfo=UTC)
"""Long ago, so that no event lies in the future."""
_REPORTS = ("Bounce", "Complaint")
_RECIPIENTS = (2, 3, 5, 12, 25)
"""Of a bounce of several people. The larger ones have more than one statement of ten rows writes,
so that a worker that writes only some of a commit's rows or users does not pass."""


class Mailbox:
    """Draws messages; `take` gives those that go out next, copies among them."""

    def __init__(self, seed: int, users: int, *, quiet: float = 0.8) -> None:
        self._random = random.Random(f"mailbox {seed}")
        self._seed = seed
        self._quiet = quiet
        self._numbers = iter(range(1, 10_000_000))
        self._later: list[str] = []
        """Copies that go out some time after the first."""
        self._first = [self._unreadable, self._ignored, self._of_nobody, self._of_several] * 2
        self.people = [self._address(number) for number in range(users)]

    def take(self, count: int) -> list[str]:
        """Draw so many bodies."""
        bodies: list[str] = []
        while len(bodies) < count:
            if self._later and self._random.random() < 0.25:
                bodies.append(self._later.pop(self._random.randrange(len(self._later))))
            else:
                bodies.append(self._draw())
        return bodies

    def good(self, count: int) -> list[str]:
        """Draw so many new bounces, each of a single person."""
        return [self._bounce([self._someone()]) for _ in range(count)]

    def _draw(self) -> str:
        kinds = {
            self._a_bounce: 50, self._a_complaint: 14, self._of_several: 14,
            self._of_nobody: 3, self._ignored: 6, self._unreadable: 6,
        }  # fmt: skip
        drawn = self._random.choices(list(kinds), list(kinds.values()))
        # Each of them is among the first, so that the shortest schedule has them all.
        draw = self._first.pop() if self._first else drawn[0]
        body: str = draw()
        return body

    def _a_bounce(self) -> str:
        return self._bounce([self._someone()])

    def _a_complaint(self) -> str:
        feedback = self._random.choice(["abuse", "abuse", "fraud", "not-spam", None])
        return self._published(
            mail.complaint, [self._spelled(self._someone())], feedback=feedback, subtype=None
        )

    def _of_several(self) -> str:
        most = min(self._random.choice(_RECIPIENTS), len(self.people))
        return self._bounce(self._random.sample(self.people, most))

    def _of_nobody(self) -> str:
        nobody: list[Any] = self._random.choice([
            [], [mail.recipient(None)], [mail.recipient("no address"), mail.recipient(None)],
        ])  # fmt: skip
        return self._published(mail.bounce, nobody, type="Permanent", subtype="General")

    def _bounce(self, people: Sequence[str]) -> str:
        type_, subtype = self._random.choice([
            ("Permanent", "General"), ("Permanent", "NoEmail"), ("Transient", "General"),
            ("Transient", "MailboxFull"), ("Undetermined", "Undetermined"),
            ("Permanent", "Suppressed"), ("Permanent", "OnAccountSuppressionList"),
        ])  # fmt: skip
        spam = {"diagnosticCode": "smtp; 550 looks like SPAM"} if self._chance(0.05) else {}
        entries = [mail.recipient(self._spelled(person), **spam) for person in people]
        return self._published(mail.bounce, entries, type=type_, subtype=subtype)

    def _published(self, make: Any, recipients: Sequence[Any], **what: Any) -> str:
        """An event as SES reports it, and perhaps, later, again by some route."""
        number = next(self._numbers)
        at = _FIRST + timedelta(milliseconds=self._random.randrange(50_000_000_000))
        what |= {
            "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "feedback_id": f"0100-{self._seed}-feedback-{number}",
            "message_id": f"0100-{self._seed}-mail-{number}",
        }
        first = self._wrapped(make(*recipients, **what))
        if self._chance(0.3):
            other = {"feedback_id": f"{what['feedback_id']}-b"} if self._chance(0.3) else {}
            again = make(*recipients, **what | other, event=True)
            self._later.append(self._random.choice([first, self._wrapped(again)]))
        return first

    def _ignored(self) -> str:
        kind = self._random.choice(["Delivery", "Send", "Open", "DeliveryDelay", "SomethingNew"])
        name = self._random.choice(["notificationType", "eventType"])
        mailed = {"messageId": f"0100-{self._seed}-mail-{next(self._numbers)}"}
        return self._wrapped(json.dumps({name: kind, "mail": mailed}))

    def _unreadable(self) -> str:
        number = f"{self._seed}-{next(self._numbers)}"
        return self._random.choice([
            f"no JSON, {number}",
            f'{{"notificationType": "Bounce", "cut": "{number}',
            json.dumps([number]),
            json.dumps({"mail": number}),
            json.dumps({"notificationType": "Bounce", "mail": {"messageId": number}}),
            mail.enveloped(f"words, {number}"),
            json.dumps({"Type": "SubscriptionConfirmation", "Token": number}),
        ])  # fmt: skip

    def _wrapped(self, message: str) -> str:
        """Wrap it as one of the routes does: raw, in envelopes, or from EventBridge."""
        if self._chance(0.3) and '"Bounce"' in message:
            message = mail.in_eventbridge(message)
        if self._chance(0.7):
            message = mail.enveloped(message)
        return mail.enveloped(message) if self._chance(0.05) else message

    def _someone(self) -> str:
        return self._random.choice(self.people)

    def _address(self, number: int) -> str:
        domain = QUIET if self._chance(self._quiet) else REPORTED
        return f"person{number}@{GONE if domain == REPORTED and number % 10 == 0 else domain}"

    def _spelled(self, address: str) -> str:
        """As mail servers write it."""
        name, _, domain = address.partition("@")
        return self._random.choice([
            address, address, address, f"{name}@{domain.upper()}", f"Some Body <{address}>",
            f"{name.title()}@{domain}.",
        ])  # fmt: skip

    def _chance(self, share: float) -> bool:
        return self._random.random() < share
