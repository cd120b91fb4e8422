"""Replays that are killed or interrupted: nothing is lost, nothing counts twice, all is visible."""

import json
import signal

import pytest
from support import mail
from support.dead import (
    DLQ,
    MovedSlowly,
    all_visible,
    bodies,
    bounces,
    fill,
    hold,
    quarantined,
    users,
)

from simulators.sqs import RECEIVE, Delay


@pytest.fixture
def twelve(emulator, queue, environment):
    """Twelve users, with a bounce each: ten in the dead-letter queue, two in the table."""
    people = mail.addresses(12)
    *ten, eleventh, twelfth = map(mail.bounce, people)
    quarantined(environment, ("no_type", eleventh), ("no_type", twelfth))
    users(environment, people)
    fill(emulator, *ten)


def hard_bounces(database):
    return [user["hard_bounce_count"] for user in database.rows("SELECT * FROM users")]


class TestKills:
    @pytest.mark.parametrize(
        "point", ["letters-looked-at", "in-transaction", "rows-removed", "deleting", "deleted"]
    )
    def test_a_kill_loses_no_dead_letter_and_applies_none_twice(
        self, failing, run, emulator, database, twelve, point
    ):
        killed_and_run_again(failing, run, emulator, database, point)

    def test_nor_does_it_between_commit_and_delete_in_either_place(
        self, failing, run, emulator, queue, database, either_store, twelve
    ):
        assert failing("letters-committed", "kill", "dlq", "replay").status == -9
        assert (database.count("events"), database.count("quarantine")) == (2, 2)
        killed_and_run_again(failing, run, emulator, database, "letters-committed:2")

    @pytest.mark.parametrize("point", ["letters-sent:2", "deleting"])
    def test_a_kill_between_send_and_delete_makes_second_copies_at_most(
        self, failing, run, emulator, queue, database, twelve, point
    ):
        before = set(bodies(emulator))
        assert failing(point, "kill", "dlq", "replay", "--to-queue").status == -9
        assert set(bodies(emulator) + bodies(emulator, queue)) >= before
        assert len(emulator.messages(DLQ)) == 10
        emulator.clock.advance(60)
        assert run("dlq", "replay", "--to-queue").status == 0
        assert emulator.messages(DLQ) == []
        drained = run("drain", "--json").json
        assert (drained["applied"], drained["duplicate"]) == (12, 10)
        assert hard_bounces(database) == [1] * 12


def killed_and_run_again(failing, run, emulator, database, point):
    assert failing(point, "kill", "dlq", "replay", "--json").status == -9
    left = len(emulator.messages(DLQ)) + database.count("quarantine")
    assert left + database.count("events") >= 12
    emulator.clock.advance(60)
    again = run("dlq", "replay", "--json")
    assert (again.status, again.json["received"]) == (0, left)
    assert hard_bounces(database) == [1] * 12
    assert (emulator.messages(DLQ), database.count("quarantine")) == ([], 0)


class TestSignals:
    @pytest.fixture
    def slowly(self, emulator):
        """Looking takes so long that a signal comes in the middle of it."""
        emulator.faults.add(Delay(0.3), on=RECEIVE, queue=DLQ)

    def test_a_replay_finishes_its_batch_and_gives_back_the_rest(
        self, start, environment, emulator, queue, slowly
    ):
        users(environment, [])
        fill(emulator, *(f"nonsense {n}" for n in range(100)))
        process = start("dlq", "replay", "--json")
        assert emulator.wait_for(lambda: emulator.counts(DLQ).in_flight >= 20, seconds=30)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
        done = json.loads(out)
        assert process.returncode == 4
        assert 20 <= done["received"] == done["dead_lettered"] < 100
        assert done["remaining"] == 100 - done["received"]
        assert all_visible(emulator, 100)

    def test_a_canceled_sending_back_advises_the_move_by_sqs(
        self, start, environment, emulator, queue, slowly
    ):
        users(environment, [])
        fill(emulator, *bounces(60))
        process = start("dlq", "replay", "--to-queue")
        assert emulator.wait_for(lambda: len(emulator.messages(DLQ)) <= 50, seconds=30)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 4
        assert "add --by-sqs. That also moves other queues' dead letters to this queue" in err
        assert "remain: a signal ended the command" in err

    def test_a_listing_gives_back_what_it_received(
        self, start, environment, emulator, queue, slowly
    ):
        users(environment, [])
        fill(emulator, *bounces(100))
        process = start("dlq", "list", "--json")
        assert emulator.wait_for(lambda: emulator.counts(DLQ).in_flight >= 20, seconds=30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, json.loads(out)["complete"]) == (1, False)
        assert "interrupted" in err
        assert all_visible(emulator, 100)

    def test_a_second_signal_leaves_at_once_and_all_shows_within_a_minute(
        self, start, environment, emulator, queue, slowly
    ):
        users(environment, [])
        fill(emulator, *(f"nonsense {n}" for n in range(40)))
        process = start("dlq", "replay", "--json")
        assert emulator.wait_for(lambda: emulator.counts(DLQ).in_flight >= 10, seconds=30)
        long = emulator.faults.add(Delay(20), on=RECEIVE, queue=DLQ)
        assert emulator.wait_for(lambda: long.struck)
        for number in (signal.SIGTERM, signal.SIGINT):
            process.send_signal(number)
        out, err = process.communicate(timeout=15)
        assert (process.returncode, "ended at once" in err) == (1, True)
        done = json.loads(out)
        assert done["remaining"] == 40 - done["dead_lettered"] > 0
        emulator.clock.advance(60)
        assert all_visible(emulator, 40)

    def test_a_move_by_sqs_is_cancelled_and_what_was_moved_stays_moved(
        self, start, environment, emulator, queue
    ):
        users(environment, [])
        fill(emulator, *bounces(500))
        emulator.faults.add(MovedSlowly(2), on="StartMessageMoveTask")
        process = start("dlq", "replay", "--to-queue", "--by-sqs", "--json")
        assert emulator.wait_for(
            lambda: emulator.journal.requests("ListMessageMoveTasks"), seconds=30
        )
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        done = json.loads(out)
        assert process.returncode == 4
        assert len(emulator.journal.requests("CancelMessageMoveTask")) == 1
        assert 1 <= done["sent"] == len(emulator.messages(queue)) == 500 - done["remaining"]


class TestOnATerminal:
    def test_it_asks_with_the_count_before_it_deletes(
        self, terminal, emulator, environment, database
    ):
        environment["SES_WORKER_QUEUE__URL"] = emulator.create_queue("alone")
        quarantined(environment, ("not_json", "one"), ("no_type", "two"))
        done = terminal("dlq", "delete", "--all", answer="n\n")
        requested = " ".join(done.out.split())
        what = "from the table quarantine: 1 not_json, 1 no_type."
        assert (done.status, f"Delete 2 dead letters for good {what} Sure?" in requested) == (
            1,
            True,
        )
        assert database.count("quarantine") == 2
        done = terminal("dlq", "delete", "--all", answer="y\n")
        assert (done.status, "2 dead letters deleted" in done.out) == (0, True)
        assert database.count("quarantine") == 0

    def test_it_asks_with_the_queue_and_with_what_others_hold(
        self, terminal, emulator, queue, environment
    ):
        users(environment, [])
        fill(emulator, "one", "two", "three")
        hold(emulator)
        done = terminal("dlq", "delete", "--all", answer="n\n")
        requested = " ".join(done.out.split())
        assert (
            f"Delete 2 dead letters for good from the dead-letter queue {DLQ}: 2 not_json."
            in requested
        )
        assert "1 other dead letter held by others" in requested
        assert len(emulator.messages(DLQ)) == 3

    def test_progress_is_shown_and_a_body_does_nothing(self, terminal, emulator, queue):
        (evil,) = fill(emulator, "\u009b31mred \u202e\r\nsecond line")
        done = terminal("dlq", "replay")
        assert (done.status, "of 1 dead letter" in done.out) == (3, True)
        done = terminal("dlq", "show", evil)
        assert done.status == 0
        assert "\\x9b31mred \\u202e\r\nsecond line\r\n" in done.out
        assert "\u009b" not in done.out
