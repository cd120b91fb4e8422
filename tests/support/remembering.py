"""A store of one user in memory, for policies that ask for earlier events."""

import json
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from support import mail
from worker.core.batch import decide_batch, decode_batch
from worker.core.messages import Received
from worker.core.model import User
from worker.core.past import OnRecord

WHO = "jane@example.com"
JANE = User(email=WHO, email_key=WHO)
DAY = timedelta(days=1)
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def on(day):
    return BEGIN + day * DAY


def delivery(at):
    text = {"timestamp": at, "recipients": [WHO]}
    return json.dumps({"notificationType": "Delivery", "delivery": text, "mail": {}})


SORTS = {
    "hard": lambda at: mail.bounce(WHO, at=at),
    "soft": lambda at: mail.bounce(WHO, type="Transient", subtype="MailboxFull", at=at),
    "refusal": lambda at: mail.bounce(WHO, subtype="Suppressed", at=at),
    "complaint": lambda at: mail.complaint(WHO, at=at),
    "spam": lambda at: mail.bounce(mail.recipient(WHO, diagnosticCode="spam"), at=at),
    "out_of_office": lambda at: mail.bounce(WHO, type="Transient", at=at),
    "5.x.x": lambda at: mail.bounce(
        mail.recipient(WHO, status="5.3.0"), type="Transient", subtype="MailboxFull", at=at
    ),
    "delivery": delivery,
}


def event(sort, day):
    return SORTS[sort](on(day).isoformat())


class Store:
    """A store of one user, in memory."""

    locked = ()
    key_id = ""

    def __init__(self, user=JANE):
        self.user, self.keys, self.recorded, self.reasons = user, set(), [], []

    def users(self, keys):
        return {WHO: self.user} if self.user and WHO in keys else {}

    def known_keys(self, _):
        return self.keys

    def past(self, keys):
        return {WHO: self.recorded} if WHO in keys else {}

    def commit(self, bodies, policy):
        batch = decode_batch([received(body) for body in bodies], policy)
        unit, _ = decide_batch(batch, policy, self)
        self.user = (unit.created | unit.changed).get(WHO, self.user)
        if at := unit.deliveries.get(WHO):
            last = self.user.last_delivery
            self.user = replace(self.user, last_delivery=max(at, last or at))
        for decision in unit.decisions:
            self.keys |= {decision.feedback.dedupe_key, decision.feedback.route_key}
            self.recorded.append(OnRecord(decision.occurred_at, decision.feedback))
            self.reasons.append(decision.reason)
        for forgiveness in unit.memory.forgivenesses:
            self.recorded.append(OnRecord(forgiveness.delivered_at, None))

    def reinstate(self, at):
        self.user = replace(
            self.user,
            auto_block_spam=False,
            paused_until=None,
            pause_reason=None,
            reinstated_at=at,
        )


def received(body):
    return Received(
        message_id="m",
        body=body,
        receipt_handle="",
        receive_count=1,
        received_at=on(400),
        lease_until=0,
    )


def kept(bodies, policy, sizes=(1,)):
    """What a store has after these, in batches of these sizes, over and over."""
    store, left, sizes = Store(), list(bodies), list(sizes)
    while left:
        sizes.append(size := sizes.pop(0))
        store.commit(left[:size], policy)
        left = left[size:]
    return store
