"""What a probe writes: a bounce like any other, of nobody's, with its notice; it is rolled back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

from worker.core.decode import decode
from worker.core.effects import Lane
from worker.core.errors import Misconfigured, Unavailable
from worker.core.model import Received
from worker.core.policy import Policy, UnknownRecipients
from worker.core.ports import Transaction
from worker.core.unit_of_work import UnitOfWork


class RollBack(Exception):
    """The sample has been written, and is to leave no trace."""


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


def write_sample(transaction: Transaction) -> None:
    """Do all that the path does: look up, add a user, an event and a notice, change a user."""
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
    feedback = decode(body)
    assert isinstance(feedback, tuple)  # noqa: S101 for the type checker: it is a bounce
    found = transaction.users([item.address.key for item in feedback if item.address])
    policy = Policy(unknown_recipients=UnknownRecipients.CREATE, notify=(Lane("sample"),))
    unit = UnitOfWork(policy, transaction.known_keys(feedback), found)
    unit.enter(received, feedback)
    transaction.save(unit)
    changes = UnitOfWork(policy, (), {})
    changes.changed = unit.created
    transaction.save(changes)
