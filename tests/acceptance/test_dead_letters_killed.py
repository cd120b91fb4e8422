"""Replays that are killed or interrupted: nothing is lost, nothing counts twice, all is visible."""

import json
import signal

import mail
import pytest
from dead import DLQ, MovedSlowly, all_visible, bodies, bounces, fill, hold, quarantined, users
from twin import RECEIVE, Delay


@pytest.fixture
def twelve(twin, queue, environment):
    """Twelve users, with a bounce each: ten in the dead-letter queue, two in the table."""
    people = mail.addresses(12)
    *ten, eleventh, twelfth = map(mail.bounce, people)
    quarantined(environment, ("no_type", eleventh), ("no_type", twelfth))
    users(environment, people)
    fill(twin, *ten)


def hard_bounces(books):
    return [user["hard_bounce_count"] for user in books.rows("SELECT * FROM users")]


class TestKills:
    @pytest.mark.parametrize(
        "point", ["letters-looked-at", "in-transaction", "rows-removed", "deleting", "deleted"]
    )
    def test_a_kill_loses_no_letter_and_applies_none_twice(
        self, failing, run, twin, books, twelve, point
    ):
        killed_and_run_again(failing, run, twin, books, point)

    def test_nor_does_it_between_commit_and_delete_in_either_place(
        self, failing, run, twin, queue, books, either_store, twelve
    ):
        assert failing("letters-committed", "kill", "dlq", "replay").status == -9
        assert (books.count("events"), books.count("quarantine")) == (2, 2)
        killed_and_run_again(failing, run, twin, books, "letters-committed:2")

    @pytest.mark.parametrize("point", ["letters-sent:2", "deleting"])
    def test_a_kill_between_send_and_delete_makes_second_copies_at_most(
        self, failing, run, twin, queue, books, twelve, point
    ):
        before = set(bodies(twin))
        assert failing(point, "kill", "dlq", "replay", "--to-queue").status == -9
        assert set(bodies(twin) + bodies(twin, queue)) >= before
        assert len(twin.messages(DLQ)) == 10
        twin.clock.advance(60)
        assert run("dlq", "replay", "--to-queue").status == 0
        assert twin.messages(DLQ) == []
        drained = run("drain", "--json").json
        assert (drained["applied"], drained["duplicate"]) == (12, 10)
        assert hard_bounces(books) == [1] * 12


def killed_and_run_again(failing, run, twin, books, point):
    assert failing(point, "kill", "dlq", "replay", "--json").status == -9
    left = len(twin.messages(DLQ)) + books.count("quarantine")
    assert left + books.count("events") >= 12
    twin.clock.advance(60)
    again = run("dlq", "replay", "--json")
    assert (again.status, again.json["received"]) == (0, left)
    assert hard_bounces(books) == [1] * 12
    assert (twin.messages(DLQ), books.count("quarantine")) == ([], 0)


class TestSignals:
    @pytest.fixture
    def slowly(self, twin):
        """Looking takes so long that a signal comes in the middle of it."""
        twin.faults.add(Delay(0.3), on=RECEIVE, queue=DLQ)

    def test_a_replay_finishes_its_batch_and_gives_back_the_rest(
        self, start, environment, twin, queue, slowly
    ):
        users(environment, [])
        fill(twin, *(f"nonsense {n}" for n in range(100)))
        process = start("dlq", "replay", "--json")
        assert twin.wait_for(lambda: twin.counts(DLQ).in_flight >= 20, seconds=30)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
        done = json.loads(out)
        assert process.returncode == 4
        assert 20 <= done["received"] == done["dead_lettered"] < 100
        assert done["remaining"] == 100 - done["received"]
        assert all_visible(twin, 100)

    def test_who_lost_patience_with_sending_back_is_told_of_sqs_own_way(
        self, start, environment, twin, queue, slowly
    ):
        users(environment, [])
        fill(twin, *bounces(60))
        process = start("dlq", "replay", "--to-queue")
        assert twin.wait_for(lambda: len(twin.messages(DLQ)) <= 50, seconds=30)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 4
        assert "add --by-sqs. It moves other queues' letters here, too" in err
        assert "remain: a signal ended it" in err

    def test_a_list_gives_back_what_it_has_seen(self, start, environment, twin, queue, slowly):
        users(environment, [])
        fill(twin, *bounces(100))
        process = start("dlq", "list", "--json")
        assert twin.wait_for(lambda: twin.counts(DLQ).in_flight >= 20, seconds=30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, json.loads(out)["complete"]) == (1, False)
        assert "interrupted" in err
        assert all_visible(twin, 100)

    def test_a_second_signal_leaves_at_once_and_all_shows_within_a_minute(
        self, start, environment, twin, queue, slowly
    ):
        users(environment, [])
        fill(twin, *(f"nonsense {n}" for n in range(40)))
        process = start("dlq", "replay", "--json")
        assert twin.wait_for(lambda: twin.counts(DLQ).in_flight >= 10, seconds=30)
        long = twin.faults.add(Delay(20), on=RECEIVE, queue=DLQ)
        assert twin.wait_for(lambda: long.struck)
        for number in (signal.SIGTERM, signal.SIGINT):
            process.send_signal(number)
        out, err = process.communicate(timeout=15)
        assert (process.returncode, "left at once" in err) == (1, True)
        done = json.loads(out)
        assert done["remaining"] == 40 - done["dead_lettered"] > 0
        twin.clock.advance(60)
        assert all_visible(twin, 40)

    def test_a_move_by_sqs_is_cancelled_and_what_was_moved_stays_moved(
        self, start, environment, twin, queue
    ):
        users(environment, [])
        fill(twin, *bounces(500))
        twin.faults.add(MovedSlowly(2), on="StartMessageMoveTask")
        process = start("dlq", "replay", "--to-queue", "--by-sqs", "--json")
        assert twin.wait_for(lambda: twin.journal.requests("ListMessageMoveTasks"), seconds=30)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        done = json.loads(out)
        assert process.returncode == 4
        assert len(twin.journal.requests("CancelMessageMoveTask")) == 1
        assert 1 <= done["sent"] == len(twin.messages(queue)) == 500 - done["remaining"]


class TestOnATerminal:
    def test_it_asks_with_the_count_before_it_deletes(self, terminal, twin, environment, books):
        environment["SES_WORKER_QUEUE__URL"] = twin.create_queue("alone")
        quarantined(environment, ("not_json", "one"), ("no_type", "two"))
        done = terminal("dlq", "delete", "--all", answer="n\n")
        asked = " ".join(done.out.split())
        what = "from the table quarantine: 1 not_json, 1 no_type."
        assert (done.status, f"Delete 2 letters for good {what} Sure?" in asked) == (1, True)
        assert books.count("quarantine") == 2
        done = terminal("dlq", "delete", "--all", answer="y\n")
        assert (done.status, "2 letters deleted" in done.out) == (0, True)
        assert books.count("quarantine") == 0

    def test_it_asks_with_the_queue_and_with_what_others_hold(
        self, terminal, twin, queue, environment
    ):
        users(environment, [])
        fill(twin, "one", "two", "three")
        hold(twin)
        done = terminal("dlq", "delete", "--all", answer="n\n")
        asked = " ".join(done.out.split())
        assert f"Delete 2 letters for good from the dead-letter queue {DLQ}: 2 not_json." in asked
        assert "1 other letter that others hold" in asked
        assert len(twin.messages(DLQ)) == 3

    def test_progress_is_shown_and_a_body_does_nothing(self, terminal, twin, queue):
        (evil,) = fill(twin, "\u009b31mred \u202e\r\nsecond line")
        done = terminal("dlq", "replay")
        assert (done.status, "of 1 letters" in done.out) == (3, True)
        done = terminal("dlq", "show", evil)
        assert done.status == 0
        assert "\\x9b31mred \\u202e\r\nsecond line\r\n" in done.out
        assert "\u009b" not in done.out
