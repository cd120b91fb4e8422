"""Replays and deletions against a real queue over HTTP and real books, without a process each."""

import os
import signal
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import mail
import pytest
from dead import (
    BROKEN,
    DLQ,
    MovedSlowly,
    all_visible,
    bodies,
    bounces,
    fill,
    hold,
    let_go,
    outcomes,
    quarantined,
    redriven,
)
from twin import (
    ACCESS_DENIED,
    CHANGE_VISIBILITY,
    DELETE,
    RECEIVE,
    SEND,
    SERVICE_UNAVAILABLE,
    Cut,
    FailEntries,
    ForgetDelete,
    HandOutTwice,
    OmitEntries,
    Refuse,
)

from worker import dead_letter_queue, process, signals
from worker.app import open_ready_store
from worker.cli import remarks
from worker.cli import replayed as shown
from worker.dead_letters import applying, in_queue, listing, replaying
from worker.dead_letters.deleting import Deletion
from worker.errors import Unavailable
from worker.letters import Wanted
from worker.model import Handled, Release
from worker.sources import load_settings


@pytest.fixture
def surroundings(environment, queue, monkeypatch):
    """The environment of a command, for this process; an empty queue is told at once."""
    for name, value in environment.items():
        if name.startswith(("AWS_", "SES_WORKER_")):
            monkeypatch.setenv(name, value)
    for module in (dead_letter_queue, in_queue):
        monkeypatch.setattr(module, "POLL_SECONDS", 0)
    monkeypatch.setattr(replaying, "PATIENCE_SECONDS", 0.5)
    return environment


@pytest.fixture
def settings(surroundings):
    return lambda: load_settings(surroundings)


@pytest.fixture
def schema(settings):
    """Books that are there."""
    open_ready_store(settings()).close()


@pytest.fixture
def replay(settings):
    """Replay; return the figures and the exit status, as the command has them."""

    def replay(*, reasons=(), ids=(), **more):
        wanted = Wanted(reasons=frozenset(reasons), message_ids=frozenset(ids))
        plan = replaying.Plan(wanted=wanted, **more)
        replayed = replaying.replay(settings(), plan)
        figures = shown.figures(replayed, plan)
        said = [*remarks.remarks(replayed, plan), str(replayed.failure or "")]
        return figures | {"status": int(shown.status(replayed, plan)), "said": "\n".join(said)}

    return replay


@pytest.fixture
def delete(settings):
    def delete(*, reasons=(), ids=(), only=None):
        wanted = Wanted(reasons=frozenset(reasons), message_ids=frozenset(ids))
        deletion = Deletion(settings(), wanted)
        deletion.delete(only)
        return deletion

    return delete


@pytest.fixture
def patient(surroundings, monkeypatch):
    """Patience for longer than anything here takes."""
    monkeypatch.setattr(replaying, "PATIENCE_SECONDS", 60)


@contextmanager
def meanwhile(twin, moment, what):
    """Do something at a moment of what goes on in the block."""

    def wait():
        assert twin.wait_for(moment, seconds=60)
        what()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


class TestWhatIsReplayed:
    def test_every_outcome_by_the_path_of_every_message(self, replay, twin, books, either_store):
        jane = mail.bounce("jane@example.com")
        fill(twin, jane, jane, '{"eventType": "Open"}', *BROKEN)
        done = replay()
        assert outcomes(done) == [1, 1, 1, 0, 3]
        assert (done["received"], done["remaining"], done["status"]) == (6, 0, 3)
        assert bodies(twin) == sorted(BROKEN)
        assert all_visible(twin, 3)
        assert books.count("events") == 1

    def test_the_quarantine_likewise(self, replay, twin, environment, books, either_store):
        quarantined(
            environment,
            ("unknown_recipient", mail.bounce("jane@example.com")),
            ("not_json", "nonsense"),
        )
        done = replay()
        assert (outcomes(done), done["status"]) == ([1, 0, 0, 0, 1], 3)
        assert [row["reason"] for row in books.rows("SELECT * FROM quarantine")] == ["not_json"]

    def test_what_stays_is_named_up_to_twenty(self, replay, twin):
        ids = fill(twin, *(f"nonsense {n}" for n in range(25)), mail.bounce("jane@example.com"))
        named = replay()["letters_that_stayed"]
        assert len({one["message_id"] for one in named} & set(ids[:25])) == 20
        assert {one["reason"] for one in named} == {"not_json"}

    def test_what_stays_is_not_looped_on(self, replay, twin):
        ids = fill(twin, *BROKEN)
        replay()
        assert [twin.journal.fate(name).received for name in ids] == [1, 1, 1]

    def test_a_letter_that_is_handed_out_twice_is_handled_once(self, replay, twin):
        fill(twin, *bounces(3))
        twin.faults.add(HandOutTwice(), on=RECEIVE, times=1)
        assert replay()["received"] == 3
        assert twin.messages(DLQ) == []

    def test_what_was_deleted_and_comes_again_is_deleted_again(self, replay, twin, patient):
        fill(twin, mail.bounce("jane@example.com"), "nonsense")
        forgotten = twin.faults.add(ForgetDelete(), on=DELETE, times=1)
        with meanwhile(twin, lambda: forgotten.struck, lambda: twin.clock.advance(61)):
            done = replay()
        assert (done["applied"], done["received"]) == (1, 2)
        assert bodies(twin) == ["nonsense"]

    def test_users_that_were_unknown_are_users_by_now(self, replay, twin, books, run, environment):
        environment["SES_WORKER_POLICY__UNKNOWN_RECIPIENTS"] = "dead_letter"
        run("users", "import", "-", input="email\njane@example.com\n")
        fill(twin, mail.bounce("jane@example.com", "joe@example.com"), reason="unknown_recipient")
        assert outcomes(replay()) == [0, 0, 0, 0, 1]
        assert books.user("jane@example.com")["hard_bounce_count"] == 1
        run("users", "import", "-", input="email\njoe@example.com\n")
        assert outcomes(replay()) == [1, 0, 0, 0, 0]
        counts = [user["hard_bounce_count"] for user in books.rows("SELECT * FROM users")]
        assert counts == [1, 1]


class TestWhatIsMoot:
    def test_an_older_bounce_does_not_move_dates_or_pauses_back(self, replay, run, twin, books):
        run("users", "import", "-", input="email\njane@example.com\n")
        fill(twin, mail.bounce("jane@example.com", at="2026-11-20T08:00:00Z"))
        replay()
        newer = books.user("jane@example.com")
        fill(twin, mail.bounce("jane@example.com", at="2026-11-01T08:00:00Z"))
        assert replay()["applied"] == 1
        user = books.user("jane@example.com")
        assert user["hard_bounce_count"] == 2
        for column in ("last_hard_bounce", "paused_until", "pause_reason"):
            assert user[column] == newer[column]

    def test_what_came_by_the_other_route_is_a_duplicate_and_is_not_told_again(
        self, replay, twin, slack, surroundings, monkeypatch
    ):
        for key in ("WEBHOOK_URL", "MESSAGES_PER_SECOND"):
            name = f"SES_WORKER_SLACK__{key}"
            monkeypatch.setenv(name, surroundings[name])
        fill(twin, mail.bounce("jane@example.com", message_id="m", feedback_id="a"))
        assert replay()["effects_delivered"] == 1
        fill(twin, mail.bounce("jane@example.com", message_id="m", feedback_id="b", event=True))
        done = replay()
        assert (done["duplicate"], done["effects_delivered"], done["status"]) == (1, 0, 0)
        assert len(slack.posts) == 1

    def test_a_message_that_sqs_moved_while_it_was_applied_is_a_duplicate(
        self, replay, run, twin, queue, books
    ):
        """F20: applied, the delete lost, received too often, and so in the dead-letter queue."""
        twin.send(queue, mail.bounce("jane@example.com"))
        twin.faults.add(ForgetDelete(), on=DELETE, queue="feedback", times=1)
        run("drain", "--max-messages", 1)
        twin.clock.advance(61)
        redriven(twin, queue)
        assert len(twin.messages(DLQ)) == 1
        assert outcomes(replay()) == [0, 1, 0, 0, 0]
        assert (books.count("events"), twin.messages(DLQ)) == (1, [])

    def test_an_event_without_a_time_counts_from_when_it_first_came(self, replay, twin, run, books):
        run("users", "import", "-", input="email\njane@example.com\n")
        fill(
            twin,
            mail.bounce("jane@example.com", at="soon"),
            first_seen="2026-10-01T08:00:00+00:00",
        )
        replay()
        assert str(books.user("jane@example.com")["last_hard_bounce"]).startswith(
            "2026-10-01 08:00"
        )


class TestFilters:
    def test_five_hundred_letters_and_two_reasons(self, replay, twin, books):
        fill(twin, *bounces(150), reason="unknown_recipient")
        fill(twin, *bounces(150), reason="foreign_topic")
        fill(twin, *bounces(200), reason="processing_failed")
        done = replay(reasons=["unknown_recipient", "foreign_topic"])
        assert (done["applied"], done["received"], done["remaining"]) == (300, 300, 0)
        assert done["status"] == 0
        assert books.count("events") == 300
        assert all_visible(twin, 200)

    def test_letters_by_their_ids_in_both_places(self, replay, twin, environment, books):
        one, *_ = fill(twin, *bounces(30))
        quarantined(environment, ("not_json", "nonsense"), ("no_type", mail.bounce("a@b.c")))
        done = replay(ids=[one, "kept-1"])
        assert (done["applied"], done["remaining"], done["status"]) == (2, 0, 0)
        assert (books.count("quarantine"), all_visible(twin, 29)) == (1, True)

    def test_an_id_that_is_not_there_is_told_and_fails(self, replay, twin):
        (one,) = fill(twin, mail.bounce("a@b.c"))
        done = replay(ids=[one, "nowhere"])
        assert (done["applied"], done["status"]) == (1, 1)
        assert "no letter nowhere" in done["said"]

    def test_a_limit_takes_that_many_and_says_what_remains(self, replay, twin):
        fill(twin, *bounces(25))
        done = replay(limit=12)
        assert (done["received"], done["remaining"], done["status"]) == (12, 13, 4)
        assert all_visible(twin, 13)
        assert len(twin.journal.requests("ReceiveMessage")) == 2

    def test_with_a_reason_the_remaining_are_those_with_that_reason(self, replay, twin):
        fill(twin, *bounces(20), reason="foreign_topic")
        fill(twin, *bounces(15), reason="no_type")
        done = replay(reasons=["foreign_topic"], limit=12)
        assert (done["received"], done["remaining"], done["status"]) == (12, 8, 4)
        assert all_visible(twin, 23)

    def test_a_limit_counts_in_both_places_together(self, replay, twin, environment):
        quarantined(environment, *[("not_json", body) for body in bounces(5)])
        fill(twin, *bounces(5))
        done = replay(limit=3)
        assert (done["received"], done["remaining"]) == (3, 7)
        done = replay(limit=4)
        assert (done["received"], done["remaining"]) == (4, 3)
        assert replay(limit=3)["status"] == 0


class TestLettersThatOthersHold:
    def test_they_are_waited_for_and_then_remain(self, replay, twin):
        fill(twin, *bounces(5))
        hold(twin, 2)
        began = time.monotonic()
        done = replay()
        assert time.monotonic() - began >= replaying.PATIENCE_SECONDS
        assert (done["applied"], done["remaining"], done["status"]) == (3, 2, 4)

    def test_those_that_come_back_in_time_are_taken(self, replay, twin, patient):
        fill(twin, *bounces(3))
        held = hold(twin)
        with meanwhile(twin, lambda: len(twin.messages(DLQ)) == 1, lambda: let_go(twin, held)):
            done = replay()
        assert (done["applied"], done["remaining"], done["status"]) == (3, 0, 0)

    def test_what_stays_is_not_counted_as_held_by_others(self, replay, twin, patient):
        fill(twin, *BROKEN)
        began = time.monotonic()
        assert replay()["remaining"] == 0
        assert time.monotonic() - began < 30

    def test_new_ones_behind_many_that_stay_are_found_without_a_pause(
        self, replay, twin, patient, monkeypatch
    ):
        """Those that stay show again after a minute, and stand before whatever comes then."""
        pauses = []
        monkeypatch.setattr(signals.Asked, "pause", lambda _, seconds: pauses.append(seconds))
        fill(twin, *(f"nonsense {n}" for n in range(40)))
        hold(twin, seconds=50)

        def a_minute_later():
            twin.clock.advance(61)
            fill(twin, mail.bounce("jane@example.com"))

        with meanwhile(twin, lambda: twin.counts(DLQ).in_flight == 40, a_minute_later):
            done = replay()
        assert (done["applied"], done["dead_lettered"], done["remaining"]) == (1, 40, 0)
        assert (pauses, all_visible(twin, 40)) == ([], True)

    def test_it_is_sixty_seconds(self):
        assert replaying.PATIENCE_SECONDS == 60


class TestDryRuns:
    def test_it_says_what_a_replay_then_does_and_changes_nothing(
        self, replay, twin, environment, books, either_store
    ):
        jane = mail.bounce("jane@example.com")
        quarantined(environment, ("foreign_topic", mail.bounce("joe@example.com", "jane@a.b")))
        fill(twin, jane, *bounces(25), jane, '{"eventType": "Open"}', *BROKEN)
        ahead = replay(dry_run=True)
        assert (ahead["status"], ahead["dry_run"]) == (0, True)
        assert (books.count("events"), books.count("quarantine")) == (0, 1)
        assert all_visible(twin, 31)
        done = replay()
        assert outcomes(ahead) == outcomes(done) == [27, 1, 1, 0, 3]
        assert ahead["stayed"] == done["stayed"]

    def test_each_letter_is_told_with_its_reason(self, replay, twin, schema):
        (broken, fine) = fill(twin, "nonsense", mail.bounce("a@b.c"))
        told = {one["message_id"]: one for one in replay(dry_run=True)["letters"]}
        assert (told[broken]["outcome"], told[broken]["reason"]) == ("dead_lettered", "not_json")
        assert (told[fine]["outcome"], told[fine]["reason"]) == ("applied", "")

    def test_it_makes_no_database(self, settings, twin, tmp_path):
        from worker.errors import Refused

        with pytest.raises(Refused, match="no database"):
            replaying.replay(settings(), replaying.Plan(dry_run=True))
        assert not (tmp_path / "worker.db").exists()

    def test_with_to_queue_it_sends_nothing_and_tells_of_each_letter(
        self, replay, schema, twin, queue
    ):
        ours = fill(twin, "one", "two")
        theirs = fill(twin, "three", source="orders")
        ahead = replay(dry_run=True, to_queue=True)
        assert (ahead["looked_at"], ahead["sent"], ahead["status"]) == (3, 2, 0)
        told = {one["message_id"]: (one["outcome"], one["reason"]) for one in ahead["letters"]}
        assert told == dict.fromkeys(ours, ("sent", "")) | dict.fromkeys(
            theirs, ("stays", "of the queue orders")
        )
        assert (twin.messages(queue), all_visible(twin, 3)) == ([], True)

    def test_one_that_has_not_seen_all_leaves_with_4(self, replay, schema, twin):
        fill(twin, *bounces(12))
        ahead = replay(dry_run=True, limit=5)
        assert (ahead["status"], ahead["remaining"]) == (4, 7)
        assert "7 remain: left at the limit" in ahead["said"]
        hold(twin, 2)
        ahead = replay(dry_run=True)
        assert (ahead["status"], ahead["remaining"]) == (4, 2)
        assert "2 remain: held by others" in ahead["said"]
        for some in ({"limit": 3}, {"dry_run": True}, {}):
            assert "--by-sqs" not in replay(to_queue=True, **some)["said"]


class TestTrouble:
    def test_entries_of_a_delete_that_fail_through_sqs_are_deleted_again(self, replay, twin):
        fill(twin, *bounces(10))
        rule = twin.faults.add(FailEntries({"0", "3"}), on=DELETE, times=1)
        assert (replay()["applied"], rule.struck, twin.messages(DLQ)) == (10, 1, [])

    def test_entries_that_fail_through_us_stay_and_are_duplicates_next_time(self, replay, twin):
        fill(twin, *bounces(3))
        twin.faults.add(FailEntries({"1"}, sender_fault=True), on=DELETE, times=1)
        done = replay()
        assert (done["applied"], done["remaining"], done["status"]) == (3, 1, 4)
        assert "1 remain though they are done with" in done["said"]
        assert all_visible(twin, 1)
        assert outcomes(replay()) == [0, 1, 0, 0, 0]

    def test_a_handle_that_has_run_out_deletes_nothing(self, replay, twin, monkeypatch):
        """Somebody else may have the letter by now."""
        fill(twin, mail.bounce("jane@example.com"))
        monkeypatch.setattr(dead_letter_queue, "HIDDEN_SECONDS", 1)
        real = applying.process

        def slow(*arguments):
            time.sleep(1.1)
            return real(*arguments)

        monkeypatch.setattr(applying, "process", slow)
        done = replay(limit=1)
        assert (done["applied"], done["remaining"], done["status"]) == (1, 1, 4)
        assert twin.journal.requests("DeleteMessageBatch") == []
        assert twin.journal.requests("ChangeMessageVisibilityBatch") == []
        assert len(twin.messages(DLQ)) == 1

    def test_deletes_that_are_refused_end_it(self, replay, twin, books):
        fill(twin, *bounces(25))
        twin.faults.add(ACCESS_DENIED, on=DELETE)
        done = replay()
        assert (done["status"], "AccessDenied" in done["said"]) == (1, True)
        assert books.count("events") == 10
        assert all_visible(twin, 25)

    def test_an_outage_of_the_books_ends_it_and_all_is_given_back(self, replay, twin, monkeypatch):
        fill(twin, *bounces(25))
        away = Unavailable("the books are away")

        def fail(batch, *_):
            return [Handled(received, Release(0), error=away) for received in batch]

        monkeypatch.setattr(applying, "process", fail)
        monkeypatch.setattr(applying.Store, "probe", None, raising=False)
        done = replay()
        assert (done["status"], done["deferred"], done["remaining"]) == (1, 10, 15)
        assert "the books are away" in done["said"]
        assert all_visible(twin, 25)

    @pytest.fixture
    def bombs(self, monkeypatch):
        """Messages that break whatever reads them."""
        real = process.decode

        def explode(body, topics):
            if body.startswith("bomb"):
                raise ZeroDivisionError
            return real(body, topics)

        for module in (process, applying):
            monkeypatch.setattr(module, "decode", explode)
        return [f"bomb {number}" for number in range(3)]

    def test_letters_that_all_break_alike_are_no_outage(self, replay, twin, bombs):
        fill(twin, *bombs, reason="processing_failed")
        done = replay()
        assert (outcomes(done), done["status"]) == ([0, 0, 0, 3, 0], 3)
        assert all_visible(twin, 3)

    def test_a_dry_run_foretells_that(self, replay, twin, schema, bombs):
        fill(twin, bombs[0], mail.bounce("jane@example.com"), *bombs[1:])
        ahead = replay(dry_run=True)
        assert (outcomes(ahead), ahead["status"]) == ([1, 0, 0, 3, 0], 0)
        assert outcomes(replay()) == [1, 0, 0, 3, 0]

    def test_one_that_breaks_is_deferred_however_often_it_was_looked_at(self, replay, twin, bombs):
        fill(twin, bombs[0], mail.bounce("jane@example.com"))
        for _ in range(5):
            let_go(twin, hold(twin, 2))
        done = replay()
        assert (outcomes(done), done["status"]) == ([1, 0, 0, 1, 0], 3)
        assert done["stayed"] == [
            {"outcome": "deferred", "reason": "ZeroDivisionError", "count": 1}
        ]

    def test_a_queue_that_is_away_ends_it_and_what_was_done_stands(self, replay, twin, books):
        fill(twin, *bounces(30))
        twin.faults.add(ACCESS_DENIED, on=RECEIVE, first=3)
        done = replay()
        assert (done["status"], done["applied"], done["remaining"]) == (1, 20, 10)
        assert all_visible(twin, 10)

    def test_a_hiccup_is_got_over(self, replay, twin):
        fill(twin, *bounces(3))
        twin.faults.add(SERVICE_UNAVAILABLE, on=RECEIVE, times=2)
        assert (replay()["applied"], twin.messages(DLQ)) == (3, [])

    def test_what_cannot_be_given_back_shows_by_itself_in_a_minute(self, replay, twin):
        fill(twin, *BROKEN)
        twin.faults.add(ACCESS_DENIED, on=CHANGE_VISIBILITY)
        assert replay()["status"] == 3
        assert twin.counts(DLQ).in_flight == 3
        twin.clock.advance(60)
        assert all_visible(twin, 3)

    def test_looking_never_asks_for_more_than_a_minute(self, replay, settings, twin):
        fill(twin, *BROKEN)
        replay()
        listing.look(settings(), Wanted())
        hidden = {one.arguments["VisibilityTimeout"] for one in twin.journal.requests(RECEIVED)}
        assert hidden == {60}


RECEIVED = "ReceiveMessage"


class TestSendingBack:
    def test_entries_that_fail_through_sqs_are_sent_again_and_once(self, replay, twin, queue):
        fill(twin, *bounces(10))
        rule = twin.faults.add(FailEntries({"0", "3"}), on=SEND, times=1)
        done = replay(to_queue=True)
        assert (done["sent"], done["status"], rule.struck) == (10, 0, 1)
        assert (len(twin.messages(queue)), twin.messages(DLQ)) == (10, [])

    def test_what_the_queue_refuses_stays_and_is_told(self, replay, twin, queue):
        fill(twin, *(f"letter {n}" for n in range(4)))
        code = "InvalidMessageContents"
        twin.faults.add(FailEntries({"1"}, sender_fault=True, code=code), on=SEND, times=1)
        done = replay(to_queue=True)
        assert (done["sent"], done["remaining"], done["status"]) == (3, 1, 4)
        assert code in done["said"]
        assert all_visible(twin, 1)
        assert sorted(bodies(twin) + bodies(twin, queue)) == [f"letter {n}" for n in range(4)]

    def test_what_is_no_text_stays_and_keeps_nobody_else(self, replay, twin, queue, environment):
        quarantined(environment, ("not_json", "half \ud800"), ("not_json", "whole"))
        done = replay(to_queue=True)
        assert (done["sent"], done["remaining"], done["status"]) == (1, 1, 4)
        assert bodies(twin, queue) == ["whole"]

    @pytest.mark.parametrize(
        "fault", [OmitEntries({"2"}, done=True), Cut(done=True)], ids=["omitted", "cut"]
    )
    def test_an_answer_that_is_lost_makes_a_second_copy_at_most(self, replay, twin, queue, fault):
        fill(twin, "one", "two", "three")
        twin.faults.add(fault, on=SEND, times=1)
        assert replay(to_queue=True)["sent"] == 3
        assert set(bodies(twin, queue)) == {"one", "two", "three"}
        assert twin.messages(DLQ) == []

    def test_a_queue_that_takes_nothing_leaves_all_where_it_was(self, replay, twin, queue):
        fill(twin, *bounces(15))
        twin.faults.add(SERVICE_UNAVAILABLE, on=SEND)
        done = replay(to_queue=True)
        assert (done["status"], done["sent"], done["remaining"]) == (1, 0, 15)
        assert all_visible(twin, 15)

    def test_nothing_is_deleted_before_it_was_accepted(self, replay, twin, queue):
        fill(twin, *(f"letter {n}" for n in range(25)))
        accepted = []
        twin.on_delete(lambda deletion: accepted.append(deletion.body in bodies(twin, queue)))
        replay(to_queue=True)
        assert accepted == [True] * 25

    def test_a_batch_is_no_larger_than_sqs_takes(self, replay, twin, queue):
        fill(twin, *(letter * 400_000 for letter in "abcde"))
        assert replay(to_queue=True)["sent"] == 5
        sizes = [len(one.arguments["Entries"]) for one in twin.journal.requests("SendMessageBatch")]
        assert sizes == [2, 2, 1]

    def test_what_a_worker_sets_aside_again_meanwhile_is_not_sent_for_ever(
        self, replay, twin, queue
    ):
        fill(twin, "nonsense")
        twin.on_delete(lambda _: fill(twin, "nonsense"))
        done = replay(to_queue=True)
        assert (done["sent"], done["status"]) == (1, 0)
        assert "1 came since this began" in done["said"]
        assert all_visible(twin, 1)

    @pytest.mark.parametrize("days", [0, 40])
    def test_a_clock_of_ours_that_is_behind_keeps_none_back(self, replay, twin, queue, days):
        twin.clock.advance(days * 86_400)
        fill(twin, "nonsense")
        twin.clock.advance(2)  # a Date has whole seconds: what came in the last one may be new
        twin.date_ahead = days * 86_400 + 2
        twin.on_delete(lambda _: fill(twin, "nonsense"))
        done = replay(to_queue=True)
        assert (done["sent"], done["status"]) == (1, 0)
        assert all_visible(twin, 1)

    def test_letters_of_another_queue_stay_unless_they_are_named(self, replay, twin, queue):
        (theirs,) = fill(twin, "theirs", source="orders")
        fill(twin, "ours")
        done = replay(to_queue=True)
        assert (done["sent"], done["remaining"], done["status"]) == (1, 0, 0)
        assert "the queue orders" in done["said"]
        assert "--by-sqs" not in done["said"], "which would send theirs here"
        assert bodies(twin) == ["theirs"]
        assert replay(to_queue=True, ids=[theirs])["sent"] == 1


class TestMovesBySqs:
    def test_sqs_moves_the_queue_and_the_quarantine_is_sent(
        self, replay, twin, queue, environment, books
    ):
        quarantined(environment, ("not_json", "from the table"))
        fill(twin, *bounces(25))
        done = replay(to_queue=True, by_sqs=True)
        assert (done["sent"], done["status"], books.count("quarantine")) == (26, 0, 0)
        assert (len(twin.messages(queue)), twin.messages(DLQ)) == (26, [])
        (task,) = twin.journal.requests("StartMessageMoveTask")
        assert task.arguments["DestinationArn"] == twin.arn(queue)

    def test_it_is_waited_for(self, replay, twin, queue):
        fill(twin, *bounces(10))
        twin.faults.add(MovedSlowly(20), on="StartMessageMoveTask")
        assert replay(to_queue=True, by_sqs=True)["sent"] == 10

    def test_what_others_hold_remains(self, replay, twin):
        fill(twin, *bounces(3))
        hold(twin)
        done = replay(to_queue=True, by_sqs=True)
        assert (done["sent"], done["remaining"], done["status"]) == (2, 1, 4)

    @pytest.mark.parametrize(
        "refusal", [ACCESS_DENIED, Refuse("UnsupportedOperation", 400)], ids=lambda one: one.code
    )
    def test_where_the_service_or_the_permission_lacks_it_that_is_said(self, replay, twin, refusal):
        fill(twin, "nonsense")
        twin.faults.add(refusal, on="StartMessageMoveTask")
        done = replay(to_queue=True, by_sqs=True)
        assert (done["status"], done["sent"], done["remaining"]) == (1, 0, 1)
        assert "leave out --by-sqs" in done["said"]
        assert "1 remain: it ended before" in done["said"]
        assert "held by others" not in done["said"]
        assert refusal.code in done["said"]
        assert all_visible(twin, 1)


class TestDeletions:
    def test_by_reason_in_both_places(self, delete, twin, environment, books):
        quarantined(environment, ("not_json", "nonsense"), ("no_type", "{}"))
        fill(twin, "one", reason="not_json")
        fill(twin, "two", reason="no_type")
        assert delete(reasons=["not_json"]).account.deleted == 2
        assert (bodies(twin), books.count("quarantine")) == (["two"], 1)

    def test_only_those_that_were_counted_when_somebody_was_asked(self, settings, twin, schema):
        fill(twin, "one", "two")
        deletion = Deletion(settings(), Wanted())
        known = deletion.look()
        assert (len(known), all_visible(twin, 2)) == (2, True)
        fill(twin, "three")
        deletion.delete(known)
        assert (deletion.account.deleted, bodies(twin)) == (2, ["three"])

    @pytest.fixture
    def handlers(self):
        """Those of the tests, again afterwards."""
        before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
        yield
        for number, handler in before.items():
            signal.signal(number, handler)

    def test_a_signal_while_they_are_counted_ends_it(
        self, settings, twin, schema, handlers, monkeypatch
    ):
        monkeypatch.setattr("worker.leaving.leave_in_time", lambda *_, **__: None)  # of the tests
        fill(twin, *bounces(25))
        signals = iter([signal.SIGINT])

        def interrupt(_):
            for number in signals:
                os.kill(os.getpid(), number)
                time.sleep(0.2)

        with pytest.raises(Unavailable, match="nothing was deleted"):
            Deletion(settings(), Wanted()).look(interrupt)
        assert all_visible(twin, 25)

    def test_what_sqs_does_not_delete_is_not_said_to_be_deleted(self, delete, twin, schema):
        fill(twin, "one", "two", "three")
        twin.faults.add(FailEntries({"1"}, sender_fault=True), on=DELETE, times=1)
        account = delete().account
        assert (account.deleted, account.remaining, all_visible(twin, 1)) == (2, 1, True)
        assert shown.exit_status(account, None) == 4
        assert "1 remain" in "".join(remarks.remaining(account))

    def test_those_before_a_refusal_are_counted(self, delete, twin, schema):
        fill(twin, *bounces(25))
        twin.faults.add(ACCESS_DENIED, on=DELETE, first=3)
        deletion = delete()
        assert (deletion.account.deleted, len(twin.messages(DLQ))) == (20, 5)
        assert "AccessDenied" in str(deletion.failure)

    def test_what_others_hold_remains(self, delete, twin, schema):
        fill(twin, "one", "two")
        hold(twin)
        deletion = delete()
        assert (deletion.account.deleted, deletion.account.remaining) == (1, 1)
        assert shown.exit_status(deletion.account, None) == 4


class TestLooking:
    def test_of_many_letters_a_sample_is_told_as_one(self, settings, twin, monkeypatch):
        monkeypatch.setattr(listing, "MOST_LETTERS", 20)
        fill(twin, *bounces(35))
        looked = listing.look(settings(), Wanted())
        assert (looked.seen, looked.about) == (20, 35)
        assert sum(group.count for group in looked.groups) == 20
        assert all_visible(twin, 35)

    def test_a_letter_that_is_handed_out_twice_is_counted_once(self, settings, twin):
        fill(twin, *bounces(3))
        twin.faults.add(HandOutTwice(), on=RECEIVE, times=1)
        looked = listing.look(settings(), Wanted())
        assert (looked.seen, looked.about) == (3, 3)

    def test_a_letter_is_found_behind_many_others(self, settings, twin):
        *_, last = fill(twin, *bounces(35), "nonsense")
        assert listing.find(settings(), last).letter.received.body == "nonsense"
        assert all_visible(twin, 36)

    def test_sqs_counts_the_retention_from_when_a_message_was_first_sent(
        self, settings, twin, queue
    ):
        sent_at = twin.clock.now()
        twin.send(queue, "nonsense")
        twin.clock.advance(86_400)
        redriven(twin, queue)
        looked = listing.look(settings(), Wanted())
        (group,) = looked.groups
        assert group.kept_since.timestamp() == pytest.approx(sent_at, abs=60)
        assert looked.retention.days == 4

    def test_ages_in_the_table_are_counted_as_those_in_the_queue(
        self, settings, twin, environment, either_store
    ):
        quarantined(environment, ("not_json", "nonsense"), ("not_json", "more"))
        first_seen = datetime(2026, 11, 20, 8, tzinfo=UTC)
        fill(twin, "one", "two", first_seen=first_seen.isoformat())
        one, other = listing.look(settings(), Wanted()).groups
        assert (one.ages, one.count, one.oldest) == (other.ages, 2, other.oldest)
        assert (one.oldest, one.newest) == (first_seen, first_seen)
        assert sum(one.ages.values()) == 2

    def test_a_trouble_on_the_way_gives_everything_back(self, settings, twin):
        fill(twin, *bounces(25))
        twin.faults.add(ACCESS_DENIED, on=RECEIVE, first=3)
        looked = listing.look(settings(), Wanted())
        assert "AccessDenied" in str(looked.troubles[-1])
        assert sum(group.count for group in looked.groups) == 20
        assert all_visible(twin, 25)
