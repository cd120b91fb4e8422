"""Replays that are killed or interrupted: nothing is lost, nothing counts twice, all is visible."""

import json
import os
import pty
import signal
import subprocess

import mail
import pytest
from dead import DLQ, all_visible, bodies, bounces, fill, quarantined
from twin import RECEIVE, Delay


@pytest.fixture
def twelve(run, twin, queue, environment):
    """Twelve users, with a bounce each: ten in the dead-letter queue, two in the table."""
    people = mail.addresses(12)
    run("users", "import", "-", input="email\n" + "\n".join(people) + "\n")
    *ten, eleventh, twelfth = map(mail.bounce, people)
    quarantined(environment, ("no_type", eleventh), ("no_type", twelfth))
    fill(twin, *ten)


@pytest.mark.parametrize(
    "point",
    [
        "letters-looked-at",
        "in-transaction",
        "letters-committed",
        "rows-removed",
        "letters-committed:2",
        "deleting",
        "deleted",
    ],
)
def test_a_kill_loses_no_letter_and_applies_none_twice(
    failing, run, twin, queue, books, either_store, twelve, point
):
    assert failing(point, "kill", "dlq", "replay", "--json").status == -9
    left = len(twin.messages(DLQ)) + books.count("quarantine")
    assert left + books.count("events") >= 12
    twin.clock.advance(60)
    again = run("dlq", "replay", "--json")
    assert (again.status, again.json["received"]) == (0, left)
    assert [user["hard_bounce_count"] for user in books.rows("SELECT * FROM users")] == [1] * 12
    assert (twin.messages(DLQ), books.count("quarantine")) == ([], 0)


@pytest.mark.parametrize("point", ["letters-sent", "letters-sent:2", "deleting"])
def test_a_kill_between_send_and_delete_makes_second_copies_at_most(
    failing, run, twin, queue, books, twelve, point
):
    before = set(bodies(twin))
    assert failing(point, "kill", "dlq", "replay", "--to-queue").status == -9
    assert set(bodies(twin) + bodies(twin, queue)) >= before
    twin.clock.advance(60)
    assert run("dlq", "replay", "--to-queue").status == 0
    assert twin.messages(DLQ) == []
    drained = run("drain", "--json").json
    assert (drained["applied"], drained["dead_lettered"]) == (12, 0)
    assert [user["hard_bounce_count"] for user in books.rows("SELECT * FROM users")] == [1] * 12


class TestSignals:
    @pytest.fixture
    def slowly(self, twin):
        """Looking takes so long that a signal comes in the middle of it."""
        twin.faults.add(Delay(0.3), on=RECEIVE, queue=DLQ)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_replay_finishes_its_batch_and_gives_back_the_rest(
        self, start, run, twin, queue, books, slowly, number
    ):
        run("db", "upgrade")
        fill(twin, *(f"nonsense {n}" for n in range(100)))
        process = start("dlq", "replay", "--json")
        assert twin.wait_for(lambda: twin.counts(DLQ).in_flight >= 20, seconds=30)
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
        done = json.loads(out)
        assert process.returncode == 4
        assert 20 <= done["received"] == done["dead_lettered"] < 100
        assert done["remaining"] == 100 - done["received"]
        assert all_visible(twin, 100)

    def test_a_list_gives_back_what_it_has_seen(self, start, run, twin, queue, slowly):
        run("db", "upgrade")
        fill(twin, *bounces(100))
        process = start("dlq", "list", "--json")
        assert twin.wait_for(lambda: twin.counts(DLQ).in_flight >= 20, seconds=30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, json.loads(out)["complete"]) == (1, False)
        assert "interrupted" in err
        assert all_visible(twin, 100)

    def test_a_second_signal_leaves_at_once_and_all_shows_within_a_minute(
        self, start, run, twin, queue, slowly
    ):
        run("db", "upgrade")
        fill(twin, *(f"nonsense {n}" for n in range(40)))
        process = start("dlq", "replay")
        assert twin.wait_for(lambda: twin.counts(DLQ).in_flight >= 10, seconds=30)
        twin.faults.add(Delay(20), on=RECEIVE, queue=DLQ)
        for _ in range(2):
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=15)
        assert (process.returncode, "left at once" in err) == (1, True)
        twin.clock.advance(60)
        assert all_visible(twin, 40)


class TestOnATerminal:
    @pytest.fixture
    def terminal(self, command, environment, tmp_path):
        """Run a command on a terminal, with somebody's answer."""

        def terminal(*arguments, answer=""):
            ours, theirs = pty.openpty()
            process = subprocess.Popen(
                [command, *arguments],
                env=environment | {"TERM": "xterm", "COLUMNS": "80"},
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                cwd=tmp_path,
            )
            os.close(theirs)
            os.write(ours, answer.encode())
            shown = b""
            try:
                while chunk := os.read(ours, 10_000):
                    shown += chunk
            except OSError:
                pass  # it has left
            os.close(ours)
            return process.wait(), shown.decode()

        return terminal

    def test_it_asks_with_the_count_before_it_deletes(self, terminal, run, twin, queue):
        run("db", "upgrade")
        fill(twin, "one", "two")
        status, shown = terminal("dlq", "delete", "--all", answer="n\n")
        assert (status, "Delete 2 letters for good?" in shown) == (1, True)
        assert all_visible(twin, 2)
        status, shown = terminal("dlq", "delete", "--all", answer="y\n")
        assert (status, "2 letters deleted" in shown) == (0, True)
        assert twin.messages(DLQ) == []

    def test_progress_is_shown_and_a_body_does_nothing(self, terminal, twin, queue):
        (evil,) = fill(twin, "\u009b31mred \u202e\r\nsecond line")
        status, shown = terminal("dlq", "replay")
        assert (status, "of 1 letters" in shown) == (3, True)
        status, shown = terminal("dlq", "show", evil)
        assert status == 0
        assert "\\x9b31mred \\u202e\r\nsecond line\r\n" in shown
        assert "\u009b" not in shown
