"""Many messages, many workers, and a remote service that is slow: F27, F29 and F30 of
tests/FAULTS.md."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest
from support import mail
from support.running import Watched, patched
from support.waiting import wait_until

from simulators.slack.faults import broken, hanging
from simulators.sqs import DELETE, Fault
from worker.consumer.polling import GATHERED
from worker.settings import Settings


def outbox(database):
    return Counter(row["state"] for row in database.rows("SELECT state FROM outbox"))


class TestASlowOrUnreachableSlack:
    """F27."""

    def test_costs_the_queue_nothing_though_each_call_takes_half_a_minute(
        self, daemon, emulator, queue, slack, database
    ):
        slack.always = hanging(30, accepts=False)
        patient = (
            "import worker.notifiers.slack.client as c; c.SlackClient.by_webhook.__kwdefaults__"
        )
        daemon(program=patched(f"{patient}['timeout'] = 60"))
        for address in mail.addresses(300):
            emulator.send(queue, mail.bounce(address))
        wait_until(lambda: slack.requests)
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
        assert (database.count("events"), sum(outbox(database).values())) == (300, 300)
        assert outbox(database)["claimed"] > 0, "the first call has not been answered yet"
        assert len(slack.requests) == 1

    def test_is_probed_by_a_single_worker_and_gets_a_handful_of_messages_when_it_is_back(
        self, daemon, emulator, queue, slack, database
    ):
        quickly = "r.back_off = lambda _: 0.2; r.effect_delay = lambda _: 0.3"
        slack.always = broken(503)
        daemon(program=patched(f"import worker.timing.retries as r; {quickly}"))
        emulator.send(queue, mail.bounce("first@example.com"))
        wait_until(lambda: len(slack.requests) > 3)  # it has been tried again
        for address in mail.addresses(299):
            emulator.send(queue, mail.bounce(address))
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
        requested = len(slack.requests)
        time.sleep(1)
        assert len(slack.requests) - requested <= 10
        slack.always = None
        wait_until(lambda: outbox(database)["delivered"] > 250)
        assert len(slack.posts) <= 5
        assert sum(outbox(database).values()) == 300


def test_a_burst_from_idle_stays_within_the_budget_and_leaves_no_memory_behind(
    daemon, run, emulator, queue, database
):
    """F29; ten thousand, and a backlog of a hundred thousand, are in bench/soak.py."""
    worker = daemon(forked=False)
    assert emulator.wait_for(lambda: emulator.long_polls)
    sizes = []
    for burst in range(3):
        for number in range(1_000):
            emulator.send(queue, mail.bounce(f"person{burst}.{number}@example.com"))
        assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=60)
        sizes.append(resident_megabytes(worker.process.pid))
    assert emulator.journal.most_in_flight() <= Settings().queue.pollers * GATHERED
    assert sizes[2] - sizes[1] < 8, sizes
    assert worker.stop()[0] == 0
    assert database.count("events") == 3_000


def resident_megabytes(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4_096 / 1_000_000


@pytest.fixture
def together(start, environment, emulator):
    """Start a command with keys of its own; count who deletes."""
    deletes = Counter()

    def note(call):
        deletes[call.access_key] += len(call.arguments["Entries"])
        return False

    emulator.faults.add(Fault(), on=DELETE, when=note)
    environment["SES_WORKER_QUEUE__WAIT_SECONDS"] = "1"

    soon = patched(
        "import worker.commands.deliveries as d; assert d.DELIVERY_SECONDS; d.DELIVERY_SECONDS = 1"
    )

    def begin(name, *arguments):
        return start(*arguments, program=soon, AWS_ACCESS_KEY_ID=name)

    begin.deletes = deletes
    return begin


def test_two_workers_and_a_drain_share_a_queue_and_its_database(
    together, run, emulator, queue, database, slack, either_store
):
    """F30: each has its share, each event one row, each row one effect, no message is left."""
    run("users", "import", "-", input="email\n" + "\n".join(mail.addresses(50)) + "\n")
    workers = [Watched(together(f"AKIA{name}", "run")) for name in ("ONE", "TWO")]
    drain = together("AKIADRAIN", "drain", "--json")
    sent = 0
    while sent < 200 or (len(together.deletes) < 3 and sent < 20_000):
        bodies = [mail.bounce(address) for address in mail.addresses(50)]
        for body in (*bodies, *bodies):  # apart: for another of them, and for another commit
            emulator.send(queue, body)
        sent += 50
        time.sleep(0.1)
    out, _ = drain.communicate(timeout=90)
    assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=60)
    for worker in workers:
        assert worker.stop()[0] == 0
    assert set(together.deletes) == {"AKIAONE", "AKIATWO", "AKIADRAIN"}
    assert json.loads(out)["received"] > 0
    assert database.count("events") == sent
    assert sum(outbox(database).values()) == sent
    counts = database.rows("SELECT hard_bounce_count AS n FROM users")
    assert [row["n"] for row in counts] == [sent // 50] * 50
    assert emulator.messages("feedback-dlq") == []
