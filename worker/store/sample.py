"""The sample that a probe of the store writes: a bounce with its notice, which is rolled back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

from worker.core.batch import Reader, decide_batch, decode_batch
from worker.core.effects import Lane
from worker.core.errors import Misconfigured, Unavailable
from worker.core.messages import Received
from worker.core.policy import Policy, UnknownRecipients
from worker.core.ports import Transaction
from worker.core.unit_of_work import UnitOfWork


class RollBack(Exception):
    """The sample was written; roll the transaction back, so that nothing of it remains."""


@contextmanager
def probing() -> Iterator[None]:
    """Swallow `RollBack`. Any other error is the store's fault, for the sample is valid.

    Raises:
        Unavailable, Misconfigured: the store cannot be written.

    """
    try:
        yield
    except RollBack:
        pass
    except (Unavailable, Misconfigured):
        raise
    except Exception as error:
        raise Unavailable(f"a sample cannot be written: {type(error).__name__}") from error


class _NobodyForgotten:
    """A transaction without tombstones: who probes a store has no key, and the sample no person."""

    key_id = ""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def __getattr__(self, name: str) -> Any:
        """Do all else as the transaction does."""
        return getattr(self._transaction, name)


def write_sample(transaction: Transaction) -> None:
    """Do what the message path does: look up, add a user, an event and a notice, change a user."""
    name = f"ses-worker-probe-{uuid4()}"
    message = {
        "bounceType": "Transient",
        "feedbackId": name,
        "bouncedRecipients": [{"emailAddress": f"{name}@ses-worker.invalid"}],
    }
    body = json.dumps(
        {"notificationType": "Bounce", "bounce": message, "mail": {"messageId": name}},
    )
    received = Received(
        message_id=name,
        body=body,
        receipt_handle="",
        receive_count=1,
        received_at=datetime.now(UTC),
        lease_until=0,
    )
    policy = Policy(unknown_recipients=UnknownRecipients.CREATE, notify=(Lane("sample"),))
    reader = cast("Reader", _NobodyForgotten(transaction))
    unit, _ = decide_batch(decode_batch([received], policy), policy, reader)
    transaction.save(unit)
    changes = UnitOfWork(policy, (), {})
    changes.changed = unit.created
    transaction.save(changes)
