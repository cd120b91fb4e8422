"""Any body has a meaning; nothing is raised, and all that is kept of it can be stored and shown."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from fuzz.texts import payloads, text_of
from worker.core import limits
from worker.core.account_events import AccountEvent
from worker.core.batch import decide_batch, decode_batch
from worker.core.decode import decode, feedback_in, parts_of
from worker.core.effects import Lane
from worker.core.messages import Received
from worker.core.model import Ignored, Malformed, User
from worker.core.patterns import Patterns
from worker.core.policy import Policy, UnknownRecipients
from worker.core.times import time_text
from worker.observability.telemetry import fields
from worker.store.rows import account_event_row, event_row, outbox_row

CODE = (
    "worker.core.decode", "worker.core.batch", "worker.core.unit_of_work", "worker.core.decide",
    "worker.core.keys", "worker.core.parsing", "worker.core.nesting", "worker.core.outbox",
    "worker.core.echoes", "worker.core.parts", "worker.store.rows",
)  # fmt: skip
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
POLICY = Policy(
    unknown_recipients=UnknownRecipients.CREATE,
    soft_bounces_to_pause=2,
    track_deliveries=True,
    ignore_out_of_office=True,
    trust_status=True,
    notify=(Lane("slack"),),
    remove=Patterns(("@example.com",)),
)
LONGEST = limits.LONGEST_TAGS + 1


class _Empty:
    """A transaction on an empty store."""

    locked = ()
    key_id = ""

    def users(self, _: object) -> dict[str, User]:
        return {}

    def on_record(self, _: object) -> list[object]:
        return []

    def known_keys(self, _: object) -> set[str]:
        return set()

    def known_account_events(self, _: object) -> set[str]:
        return set()

    def past(self, _: object) -> dict[str, list[object]]:
        return {}


def seeds() -> Iterator[bytes]:
    """Yield messages of SES, and hostile ones that are not large."""
    from support.hostile import KINDS

    yield from payloads()
    for kind in KINDS:
        body = kind.make("hostile-1-1").encode("utf-8", "surrogatepass")
        if len(body) < 5_000:
            yield body


def check(data: bytes) -> None:
    """Decode, decide, and write down."""
    body = text_of(data)
    decoded = decode(body)
    assert decode(body) == decoded, "the same body has two meanings"
    for part in parts_of(decoded):
        assert isinstance(part, tuple | AccountEvent | Ignored | Malformed)
        if isinstance(part, Malformed):
            _storable(part.detail, limits.LONGEST_DETAIL)
    feedback = feedback_in(parts_of(decoded))
    assert len(feedback) <= limits.MOST_RECIPIENTS
    for item in feedback:
        for key in (item.dedupe_key, item.route_key):
            assert 24 <= len(key) <= 125
            _storable(key, 125)
    received = Received(
        message_id="m", body=body, receipt_handle="h", receive_count=1, received_at=NOW,
        lease_until=0.0,
    )  # fmt: skip
    batch = decode_batch([received], POLICY)
    unit, handled = decide_batch(batch, POLICY, _Empty())  # type: ignore[arg-type]
    assert len(handled) == 1
    assert handled[0].error is None
    for decision in unit.decisions:
        for value in event_row(decision, time_text):
            if isinstance(value, str):
                _storable(value, LONGEST)
        assert decision.occurred_at <= NOW
        json.dumps(fields(decision, []))
    for new in unit.account_events:
        for value in account_event_row(new):
            if isinstance(value, str):
                _storable(value, LONGEST)
    for entry in unit.entries:
        for value in outbox_row(entry):
            if isinstance(value, str):
                value.encode()
    for user in unit.created.values():
        _storable(user.email, limits.LONGEST_ADDRESS)


def _storable(text: str, longest: int) -> None:
    """PostgreSQL takes neither NUL nor half a surrogate pair."""
    assert "\0" not in text
    text.encode()
    assert len(text) <= longest, f"{len(text)} characters"
