"""Several workers on one PostgreSQL share what is in the outbox, and survive each other."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from support import mail
from support.lanes import SLACK

from worker.core.decode import decode
from worker.core.policy import Policy
from worker.core.unit_of_work import UnitOfWork
from worker.store import ensure_schema, open_store
from worker.store.schema import outbox

EFFECTS = 1_000
SECONDS = 110
SHARE = 350
"""What the killed worker delivers before."""


@pytest.fixture
def enqueued(environment, message, request, slack):
    """A thousand notices that are enqueued, in PostgreSQL."""
    environment["SES_WORKER_STORE__URL"] = request.getfixturevalue("postgresql_url")
    environment["SES_WORKER_SLACK__MESSAGES_PER_MINUTE"] = "6000"
    store = open_store(environment["SES_WORKER_STORE__URL"])
    ensure_schema(store, migrate=True)
    unit = UnitOfWork(Policy(notify=(SLACK,)), known_keys=(), users={})
    for number in range(EFFECTS):
        body = mail.bounce(f"user{number}@example.com")
        unit.decide_message(message(body), decode(body))
    with store.transaction() as transaction:
        transaction.save(unit)
    yield store
    store.close()


def wait_for(condition, seconds=SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_two_share_a_thousand_effects_and_a_worker_is_killed_with_a_lease(
    start, enqueued, queue, slack, environment, tmp_path
):
    """Both have their share; deliveries are at most the effects and the kill; none is missing."""
    script = Path(__file__).with_name("failing.py")
    environment["SES_WORKER_QUEUE__WAIT_SECONDS"] = "1"
    environment["SES_WORKER_LOG__LEVEL"] = "warning"  # nobody reads their log
    doomed = subprocess.Popen(
        [sys.executable, script, f"posted:{SHARE}", "kill", "--", "run"],
        env=environment,
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    start("run")
    assert doomed.wait(SECONDS) == -9
    wait_for(lambda: len(slack.posts) >= EFFECTS)
    with enqueued.write_transaction() as connection:  # the lease of the dead would end in a minute
        left = connection.execute(
            outbox.update().where(outbox.c.state == "claimed").values(due_at=mail.NOW)
        )
        assert left.rowcount <= 2
    wait_for(lambda: not _open(enqueued))
    reported = Counter(post["text"] for post in slack.posts)
    assert set(reported) == {f"BOUNCE: user{number}@example.com" for number in range(EFFECTS)}
    assert sum(reported.values()) <= EFFECTS + 1
    assert EFFECTS - SHARE >= 0.3 * EFFECTS, "the other's share"


def _open(store):
    with store.read_transaction() as connection:
        rows = connection.execute(outbox.select().where(outbox.c.state != "delivered"))
        return len(rows.all())
