"""Replays and deletions against a real queue over HTTP and real store, without a process each."""

import os
import signal
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from support import mail
from support.dead import (
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

from simulators.sqs import (
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
from worker.app import open_ready_store
from worker.cli.dlq import remarks
from worker.cli.dlq import replayed as shown
from worker.commands.dlq import applying, in_queue, listing, replaying
from worker.commands.dlq.deleting import Deletion
from worker.core import batch
from worker.core.dead_letter import DeadLetterFilter
from worker.core.errors import Unavailable
from worker.core.messages import Handled, Release
from worker.service import signals
from worker.settings.loading import load_settings
from worker.sqs import dead_letter_queue


@pytest.fixture
def surroundings(environment, queue, monkeypatch):
    """The environment of a command, for this process; an empty queue is noticed at once."""
    for name, value in environment.items():
        if name.startswith(("AWS_", "SES_WORKER_")):
            monkeypatch.setenv(name, value)
    for module in (dead_letter_queue, in_queue):
        monkeypatch.setattr(module, "POLL_SECONDS", 0)
    monkeypatch.setattr(replaying, "WAIT_SECONDS", 0.5)
    return environment


@pytest.fixture
def settings(surroundings):
    return lambda: load_settings(surroundings)


@pytest.fixture
def schema(settings):
    """Store that are there."""
    open_ready_store(settings()).close()


@pytest.fixture
def replay(settings):
    """Replay; return the figures and the exit status, as the command has them."""

    def replay(*, reasons=(), ids=(), **more):
        filter_ = DeadLetterFilter(reasons=frozenset(reasons), message_ids=frozenset(ids))
        plan = replaying.Plan(filter_=filter_, **more)
        replayed = replaying.replay(settings(), plan)
        figures = shown.figures(replayed, plan)
        output = [*remarks.remarks(replayed, plan), str(replayed.failure or "")]
        return figures | {"status": int(shown.status(replayed, plan)), "output": "\n".join(output)}

    return replay


@pytest.fixture
def delete(settings):
    def delete(*, reasons=(), ids=(), only=None):
        filter_ = DeadLetterFilter(reasons=frozenset(reasons), message_ids=frozenset(ids))
        deletion = Deletion(settings(), filter_)
        deletion.delete(only)
        return deletion

    return delete


@pytest.fixture
def patient(surroundings, monkeypatch):
    """Wait budget for longer than anything here takes."""
    monkeypatch.setattr(replaying, "WAIT_SECONDS", 60)


@contextmanager
def meanwhile(emulator, moment, what):
    """Do something at a moment of what goes on in the block."""

    def wait():
        assert emulator.wait_for(moment, seconds=60)
        what()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


class TestWhatIsReplayed:
    def test_every_outcome_by_the_path_of_every_message(
        self, replay, emulator, database, either_store
    ):
        jane = mail.bounce("jane@example.com")
        fill(emulator, jane, jane, '{"eventType": "Open"}', *BROKEN)
        done = replay()
        assert outcomes(done) == [1, 1, 1, 0, 3]
        assert (done["received"], done["remaining"], done["status"]) == (6, 0, 3)
        assert done["still_there"] == 3
        assert bodies(emulator) == sorted(BROKEN)
        assert all_visible(emulator, 3)
        assert database.count("events") == 1

    def test_the_quarantine_likewise(self, replay, emulator, environment, database, either_store):
        quarantined(
            environment,
            ("unknown_recipient", mail.bounce("jane@example.com")),
            ("not_json", "nonsense"),
        )
        done = replay()
        assert (outcomes(done), done["status"]) == ([1, 0, 0, 0, 1], 3)
        assert [row["reason"] for row in database.rows("SELECT * FROM quarantine")] == ["not_json"]

    def test_what_stays_is_named_up_to_twenty(self, replay, emulator):
        ids = fill(emulator, *(f"nonsense {n}" for n in range(25)), mail.bounce("jane@example.com"))
        named = replay()["stayed_dead_letters"]
        assert len({item["message_id"] for item in named} & set(ids[:25])) == 20
        assert {item["reason"] for item in named} == {"not_json"}

    def test_what_stays_is_not_looped_on(self, replay, emulator):
        ids = fill(emulator, *BROKEN)
        replay()
        assert [emulator.journal.fate(name).received for name in ids] == [1, 1, 1]

    def test_a_dead_letter_received_twice_is_handled_once(self, replay, emulator):
        fill(emulator, *bounces(3))
        emulator.faults.add(HandOutTwice(), on=RECEIVE, times=1)
        assert replay()["received"] == 3
        assert emulator.messages(DLQ) == []

    def test_what_was_deleted_and_comes_again_is_deleted_again(self, replay, emulator, patient):
        fill(emulator, mail.bounce("jane@example.com"), "nonsense")
        forgotten = emulator.faults.add(ForgetDelete(), on=DELETE, times=1)
        with meanwhile(emulator, lambda: forgotten.struck, lambda: emulator.clock.advance(61)):
            done = replay()
        assert (done["applied"], done["received"]) == (1, 2)
        assert bodies(emulator) == ["nonsense"]

    def test_users_that_were_unknown_are_users_by_now(
        self, replay, emulator, database, run, environment
    ):
        environment["SES_WORKER_POLICY__UNKNOWN_RECIPIENTS"] = "dead_letter"
        run("users", "import", "-", input="email\njane@example.com\n")
        fill(
            emulator, mail.bounce("jane@example.com", "joe@example.com"), reason="unknown_recipient"
        )
        assert outcomes(replay()) == [0, 0, 0, 0, 1]
        assert database.user("jane@example.com")["hard_bounce_count"] == 1
        run("users", "import", "-", input="email\njoe@example.com\n")
        assert outcomes(replay()) == [1, 0, 0, 0, 0]
        counts = [user["hard_bounce_count"] for user in database.rows("SELECT * FROM users")]
        assert counts == [1, 1]


class TestWhatIsMoot:
    def test_an_older_bounce_does_not_move_dates_or_pauses_back(
        self, replay, run, emulator, database
    ):
        run("users", "import", "-", input="email\njane@example.com\n")
        fill(emulator, mail.bounce("jane@example.com", at="2026-11-20T08:00:00Z"))
        replay()
        newer = database.user("jane@example.com")
        fill(emulator, mail.bounce("jane@example.com", at="2026-11-01T08:00:00Z"))
        assert replay()["applied"] == 1
        user = database.user("jane@example.com")
        assert user["hard_bounce_count"] == 2
        for column in ("last_hard_bounce", "paused_until", "pause_reason"):
            assert user[column] == newer[column]

    def test_feedback_from_the_other_route_is_a_duplicate_and_is_not_posted_again(
        self, replay, emulator, slack, surroundings, monkeypatch
    ):
        for key in ("WEBHOOK_URL", "MESSAGES_PER_SECOND"):
            name = f"SES_WORKER_SLACK__{key}"
            monkeypatch.setenv(name, surroundings[name])
        fill(emulator, mail.bounce("jane@example.com", message_id="m", feedback_id="a"))
        assert replay()["effects_delivered"] == 1
        fill(emulator, mail.bounce("jane@example.com", message_id="m", feedback_id="b", event=True))
        done = replay()
        assert (done["duplicate"], done["effects_delivered"], done["status"]) == (1, 0, 0)
        assert len(slack.posts) == 1

    def test_a_message_that_sqs_moved_while_it_was_applied_is_a_duplicate(
        self, replay, run, emulator, queue, database
    ):
        """F20: applied, the delete lost, received too often, and so in the dead-letter queue."""
        emulator.send(queue, mail.bounce("jane@example.com"))
        emulator.faults.add(ForgetDelete(), on=DELETE, queue="feedback", times=1)
        run("drain", "--max-messages", 1)
        emulator.clock.advance(61)
        redriven(emulator, queue)
        assert len(emulator.messages(DLQ)) == 1
        assert outcomes(replay()) == [0, 1, 0, 0, 0]
        assert (database.count("events"), emulator.messages(DLQ)) == (1, [])

    def test_an_event_without_a_time_counts_from_when_it_first_came(
        self, replay, emulator, run, database
    ):
        run("users", "import", "-", input="email\njane@example.com\n")
        fill(
            emulator,
            mail.bounce("jane@example.com", at="soon"),
            first_seen="2026-10-01T08:00:00+00:00",
        )
        replay()
        assert str(database.user("jane@example.com")["last_hard_bounce"]).startswith(
            "2026-10-01 08:00"
        )


class TestFilters:
    def test_five_hundred_dead_letters_and_two_reasons(self, replay, emulator, database):
        fill(emulator, *bounces(150), reason="unknown_recipient")
        fill(emulator, *bounces(150), reason="foreign_topic")
        fill(emulator, *bounces(200), reason="processing_failed")
        done = replay(reasons=["unknown_recipient", "foreign_topic"])
        assert (done["applied"], done["received"], done["remaining"]) == (300, 300, 0)
        assert done["status"] == 0
        assert database.count("events") == 300
        assert all_visible(emulator, 200)

    def test_dead_letters_by_their_ids_in_both_places(
        self, replay, emulator, environment, database
    ):
        first, *_ = fill(emulator, *bounces(30))
        quarantined(environment, ("not_json", "nonsense"), ("no_type", mail.bounce("a@b.c")))
        done = replay(ids=[first, "kept-1"])
        assert (done["applied"], done["remaining"], done["status"]) == (2, 0, 0)
        assert (database.count("quarantine"), all_visible(emulator, 29)) == (1, True)

    def test_an_unknown_id_is_reported_and_exits_1(self, replay, emulator):
        (first,) = fill(emulator, mail.bounce("a@b.c"))
        done = replay(ids=[first, "nowhere"])
        assert (done["applied"], done["status"]) == (1, 1)
        assert "no dead letter nowhere" in done["output"]

    def test_a_limit_takes_that_many_and_says_what_remains(self, replay, emulator):
        fill(emulator, *bounces(25))
        done = replay(limit=12)
        assert (done["received"], done["remaining"], done["status"]) == (12, 13, 4)
        assert all_visible(emulator, 13)
        assert len(emulator.journal.requests("ReceiveMessage")) == 2

    def test_with_a_reason_the_remaining_are_those_with_that_reason(self, replay, emulator):
        fill(emulator, *bounces(20), reason="foreign_topic")
        fill(emulator, *bounces(15), reason="no_type")
        done = replay(reasons=["foreign_topic"], limit=12)
        assert (done["received"], done["remaining"], done["status"]) == (12, 8, 4)
        assert all_visible(emulator, 23)

    def test_a_limit_counts_in_both_places_together(self, replay, emulator, environment):
        quarantined(environment, *[("not_json", body) for body in bounces(5)])
        fill(emulator, *bounces(5))
        done = replay(limit=3)
        assert (done["received"], done["remaining"]) == (3, 7)
        done = replay(limit=4)
        assert (done["received"], done["remaining"]) == (4, 3)
        assert replay(limit=3)["status"] == 0


class TestDeadLettersThatOthersHold:
    def test_they_are_waited_for_and_then_remain(self, replay, emulator):
        fill(emulator, *bounces(5))
        hold(emulator, 2)
        began = time.monotonic()
        done = replay()
        assert time.monotonic() - began >= replaying.WAIT_SECONDS
        assert (done["applied"], done["remaining"], done["status"]) == (3, 2, 4)

    def test_those_that_come_back_in_time_are_taken(self, replay, emulator, patient):
        fill(emulator, *bounces(3))
        held = hold(emulator)
        with meanwhile(
            emulator, lambda: len(emulator.messages(DLQ)) == 1, lambda: let_go(emulator, held)
        ):
            done = replay()
        assert (done["applied"], done["remaining"], done["status"]) == (3, 0, 0)

    def test_what_stays_is_not_counted_as_held_by_others(self, replay, emulator, patient):
        fill(emulator, *BROKEN)
        began = time.monotonic()
        assert replay()["remaining"] == 0
        assert time.monotonic() - began < 30

    def test_new_ones_behind_many_that_stay_are_found_without_a_pause(
        self, replay, emulator, patient, monkeypatch
    ):
        """Those that stay show again after a minute, and stand before whatever comes then."""
        pauses = []
        monkeypatch.setattr(
            signals.SignalEvents, "pause", lambda _, seconds: pauses.append(seconds)
        )
        fill(emulator, *(f"nonsense {n}" for n in range(40)))
        hold(emulator, seconds=50)

        def a_minute_later():
            emulator.clock.advance(61)
            fill(emulator, mail.bounce("jane@example.com"))

        with meanwhile(emulator, lambda: emulator.counts(DLQ).in_flight == 40, a_minute_later):
            done = replay()
        assert (done["applied"], done["dead_lettered"], done["remaining"]) == (1, 40, 0)
        assert (pauses, all_visible(emulator, 40)) == ([], True)

    def test_it_is_sixty_seconds(self):
        assert replaying.WAIT_SECONDS == 60


class TestDryRuns:
    def test_it_says_what_a_replay_then_does_and_changes_nothing(
        self, replay, emulator, environment, database, either_store
    ):
        jane = mail.bounce("jane@example.com")
        quarantined(environment, ("foreign_topic", mail.bounce("joe@example.com", "jane@a.b")))
        fill(emulator, jane, *bounces(25), jane, '{"eventType": "Open"}', *BROKEN)
        ahead = replay(dry_run=True)
        assert (ahead["status"], ahead["dry_run"]) == (0, True)
        assert (database.count("events"), database.count("quarantine")) == (0, 1)
        assert all_visible(emulator, 31)
        done = replay()
        assert outcomes(ahead) == outcomes(done) == [27, 1, 1, 0, 3]
        assert ahead["stayed"] == done["stayed"]

    def test_each_dead_letter_is_listed_with_its_reason(self, replay, emulator, schema):
        (broken, fine) = fill(emulator, "nonsense", mail.bounce("a@b.c"))
        reported = {
            outcome["message_id"]: outcome for outcome in replay(dry_run=True)["dead_letters"]
        }
        assert (reported[broken]["outcome"], reported[broken]["reason"]) == (
            "dead_lettered",
            "not_json",
        )
        assert (reported[fine]["outcome"], reported[fine]["reason"]) == ("applied", "")

    def test_it_makes_no_database(self, settings, emulator, tmp_path):
        from worker.core.errors import Refused

        with pytest.raises(Refused, match="no database"):
            replaying.replay(settings(), replaying.Plan(dry_run=True))
        assert not (tmp_path / "worker.db").exists()

    def test_with_to_queue_it_sends_nothing_and_lists_each_dead_letter(
        self, replay, schema, emulator, queue
    ):
        ours = fill(emulator, "one", "two")
        theirs = fill(emulator, "three", source="orders")
        ahead = replay(dry_run=True, to_queue=True)
        assert (ahead["examined"], ahead["sent"], ahead["status"]) == (3, 2, 0)
        reported = {
            item["message_id"]: (item["outcome"], item["reason"]) for item in ahead["dead_letters"]
        }
        assert reported == dict.fromkeys(ours, ("sent", "")) | dict.fromkeys(
            theirs, ("stays", "of the queue orders")
        )
        assert (emulator.messages(queue), all_visible(emulator, 3)) == ([], True)

    def test_a_listing_that_is_incomplete_exits_4(self, replay, schema, emulator):
        fill(emulator, *bounces(12))
        ahead = replay(dry_run=True, limit=5)
        assert (ahead["status"], ahead["remaining"]) == (4, 7)
        assert "7 remain: --limit was reached" in ahead["output"]
        hold(emulator, 2)
        ahead = replay(dry_run=True)
        assert (ahead["status"], ahead["remaining"]) == (4, 2)
        assert "2 remain: held by others" in ahead["output"]
        for some in ({"limit": 3}, {"dry_run": True}, {}):
            assert "--by-sqs" not in replay(to_queue=True, **some)["output"]


class TestProblems:
    def test_entries_of_a_delete_that_fail_through_sqs_are_deleted_again(self, replay, emulator):
        fill(emulator, *bounces(10))
        rule = emulator.faults.add(FailEntries({"0", "3"}), on=DELETE, times=1)
        assert (replay()["applied"], rule.struck, emulator.messages(DLQ)) == (10, 1, [])

    def test_entries_that_fail_through_us_stay_and_are_duplicates_next_time(self, replay, emulator):
        fill(emulator, *bounces(3))
        emulator.faults.add(FailEntries({"1"}, sender_fault=True), on=DELETE, times=1)
        done = replay()
        assert (done["applied"], done["remaining"], done["status"]) == (3, 1, 4)
        assert "1 remains in spite of being processed" in done["output"]
        assert all_visible(emulator, 1)
        assert outcomes(replay()) == [0, 1, 0, 0, 0]

    def test_a_handle_that_has_run_out_deletes_nothing(self, replay, emulator, monkeypatch):
        """Somebody else may have the dead letter by now."""
        fill(emulator, mail.bounce("jane@example.com"))
        monkeypatch.setattr(dead_letter_queue, "HIDDEN_SECONDS", 1)
        real = applying.process

        def slow(*arguments):
            time.sleep(1.1)
            return real(*arguments)

        monkeypatch.setattr(applying, "process", slow)
        done = replay(limit=1)
        assert (done["applied"], done["remaining"], done["status"]) == (1, 1, 4)
        assert emulator.journal.requests("DeleteMessageBatch") == []
        assert emulator.journal.requests("ChangeMessageVisibilityBatch") == []
        assert len(emulator.messages(DLQ)) == 1

    def test_deletes_that_are_refused_end_it(self, replay, emulator, database):
        fill(emulator, *bounces(25))
        emulator.faults.add(ACCESS_DENIED, on=DELETE)
        done = replay()
        assert (done["status"], "AccessDenied" in done["output"]) == (1, True)
        assert database.count("events") == 10
        assert all_visible(emulator, 25)

    def test_an_outage_of_the_store_ends_it_and_everything_is_given_back(
        self, replay, emulator, monkeypatch
    ):
        fill(emulator, *bounces(25))
        unreachable = Unavailable("the store is unavailable")

        def fail(batch, *_):
            return [Handled(received, Release(0), error=unreachable) for received in batch]

        monkeypatch.setattr(applying, "process", fail)
        monkeypatch.setattr(applying.Store, "probe", None, raising=False)
        done = replay()
        assert (done["status"], done["deferred"], done["remaining"]) == (1, 10, 15)
        assert "the store is unavailable" in done["output"]
        assert all_visible(emulator, 25)

    @pytest.fixture
    def bombs(self, monkeypatch):
        """Messages that break whatever reads them."""
        real = batch.decode

        def explode(body, topics):
            if body.startswith("bomb"):
                raise ZeroDivisionError
            return real(body, topics)

        monkeypatch.setattr(batch, "decode", explode)
        return [f"bomb {number}" for number in range(3)]

    def test_dead_letters_that_all_break_alike_are_no_outage(self, replay, emulator, bombs):
        fill(emulator, *bombs, reason="processing_failed")
        done = replay()
        assert (outcomes(done), done["status"]) == ([0, 0, 0, 3, 0], 3)
        assert all_visible(emulator, 3)

    def test_a_dry_run_foretells_that(self, replay, emulator, schema, bombs):
        fill(emulator, bombs[0], mail.bounce("jane@example.com"), *bombs[1:])
        ahead = replay(dry_run=True)
        assert (outcomes(ahead), ahead["status"]) == ([1, 0, 0, 3, 0], 0)
        assert outcomes(replay()) == [1, 0, 0, 3, 0]

    def test_a_dead_letter_that_breaks_is_deferred_however_often_it_was_tried(
        self, replay, emulator, bombs
    ):
        fill(emulator, bombs[0], mail.bounce("jane@example.com"))
        for _ in range(5):
            let_go(emulator, hold(emulator, 2))
        done = replay()
        assert (outcomes(done), done["status"]) == ([1, 0, 0, 1, 0], 3)
        assert done["stayed"] == [
            {"outcome": "deferred", "reason": "ZeroDivisionError", "count": 1}
        ]

    def test_an_unreachable_queue_ends_it_and_finished_work_stays_done(
        self, replay, emulator, database
    ):
        fill(emulator, *bounces(30))
        emulator.faults.add(ACCESS_DENIED, on=RECEIVE, first=3)
        done = replay()
        assert (done["status"], done["applied"], done["remaining"]) == (1, 20, 10)
        assert all_visible(emulator, 10)

    def test_a_hiccup_is_got_over(self, replay, emulator):
        fill(emulator, *bounces(3))
        emulator.faults.add(SERVICE_UNAVAILABLE, on=RECEIVE, times=2)
        assert (replay()["applied"], emulator.messages(DLQ)) == (3, [])

    def test_what_cannot_be_given_back_shows_by_itself_in_a_minute(self, replay, emulator):
        fill(emulator, *BROKEN)
        emulator.faults.add(ACCESS_DENIED, on=CHANGE_VISIBILITY)
        assert replay()["status"] == 3
        assert emulator.counts(DLQ).in_flight == 3
        emulator.clock.advance(60)
        assert all_visible(emulator, 3)

    def test_looking_never_asks_for_more_than_a_minute(self, replay, settings, emulator):
        fill(emulator, *BROKEN)
        replay()
        listing.look(settings(), DeadLetterFilter())
        hidden = {
            request.arguments["VisibilityTimeout"]
            for request in emulator.journal.requests(RECEIVED)
        }
        assert hidden == {60}


RECEIVED = "ReceiveMessage"


class TestSendingBack:
    def test_entries_that_fail_through_sqs_are_sent_again_and_once(self, replay, emulator, queue):
        fill(emulator, *bounces(10))
        rule = emulator.faults.add(FailEntries({"0", "3"}), on=SEND, times=1)
        done = replay(to_queue=True)
        assert (done["sent"], done["status"], rule.struck) == (10, 0, 1)
        assert (len(emulator.messages(queue)), emulator.messages(DLQ)) == (10, [])

    def test_what_the_queue_refuses_stays_and_is_reported(self, replay, emulator, queue):
        fill(emulator, *(f"dead letter {n}" for n in range(4)))
        code = "InvalidMessageContents"
        emulator.faults.add(FailEntries({"1"}, sender_fault=True, code=code), on=SEND, times=1)
        done = replay(to_queue=True)
        assert (done["sent"], done["remaining"], done["status"]) == (3, 1, 4)
        assert code in done["output"]
        assert all_visible(emulator, 1)
        assert sorted(bodies(emulator) + bodies(emulator, queue)) == [
            f"dead letter {n}" for n in range(4)
        ]

    def test_what_is_no_text_stays_and_keeps_nobody_else(
        self, replay, emulator, queue, environment
    ):
        quarantined(environment, ("not_json", "half \ud800"), ("not_json", "whole"))
        done = replay(to_queue=True)
        assert (done["sent"], done["remaining"], done["status"]) == (1, 1, 4)
        assert bodies(emulator, queue) == ["whole"]

    @pytest.mark.parametrize(
        "fault", [OmitEntries({"2"}, done=True), Cut(done=True)], ids=["omitted", "cut"]
    )
    def test_an_answer_that_is_lost_makes_a_second_copy_at_most(
        self, replay, emulator, queue, fault
    ):
        fill(emulator, "one", "two", "three")
        emulator.faults.add(fault, on=SEND, times=1)
        assert replay(to_queue=True)["sent"] == 3
        assert set(bodies(emulator, queue)) == {"one", "two", "three"}
        assert emulator.messages(DLQ) == []

    def test_a_queue_that_takes_nothing_leaves_all_where_it_was(self, replay, emulator, queue):
        fill(emulator, *bounces(15))
        emulator.faults.add(SERVICE_UNAVAILABLE, on=SEND)
        done = replay(to_queue=True)
        assert (done["status"], done["sent"], done["remaining"]) == (1, 0, 15)
        assert all_visible(emulator, 15)

    def test_nothing_is_deleted_before_it_was_accepted(self, replay, emulator, queue):
        fill(emulator, *(f"dead letter {n}" for n in range(25)))
        accepted = []
        emulator.on_delete(
            lambda deletion: accepted.append(deletion.body in bodies(emulator, queue))
        )
        replay(to_queue=True)
        assert accepted == [True] * 25

    def test_a_batch_is_no_larger_than_sqs_takes(self, replay, emulator, queue):
        fill(emulator, *(character * 400_000 for character in "abcde"))
        assert replay(to_queue=True)["sent"] == 5
        sizes = [
            len(request.arguments["Entries"])
            for request in emulator.journal.requests("SendMessageBatch")
        ]
        assert sizes == [2, 2, 1]

    def test_what_a_worker_sets_aside_again_meanwhile_is_not_sent_for_ever(
        self, replay, emulator, queue
    ):
        fill(emulator, "nonsense")
        emulator.on_delete(lambda _: fill(emulator, "nonsense"))
        done = replay(to_queue=True)
        assert (done["sent"], done["status"]) == (1, 0)
        assert "1 newer dead letter arrived since the replay began" in done["output"]
        assert all_visible(emulator, 1)

    @pytest.mark.parametrize("days", [0, 40])
    def test_a_clock_of_ours_that_is_behind_keeps_none_back(self, replay, emulator, queue, days):
        emulator.clock.advance(days * 86_400)
        fill(emulator, "nonsense")
        emulator.clock.advance(
            2
        )  # a Date has whole seconds: messages of the last second may be new
        emulator.date_ahead = days * 86_400 + 2
        emulator.on_delete(lambda _: fill(emulator, "nonsense"))
        done = replay(to_queue=True)
        assert (done["sent"], done["status"]) == (1, 0)
        assert all_visible(emulator, 1)

    def test_dead_letters_of_another_queue_stay_unless_they_are_named(
        self, replay, emulator, queue
    ):
        (theirs,) = fill(emulator, "theirs", source="orders")
        fill(emulator, "ours")
        done = replay(to_queue=True)
        assert (done["sent"], done["remaining"], done["status"]) == (1, 0, 0)
        assert "the queue orders" in done["output"]
        assert "--by-sqs" not in done["output"], "which would send theirs here"
        assert bodies(emulator) == ["theirs"]
        assert replay(to_queue=True, ids=[theirs])["sent"] == 1


class TestMovesBySqs:
    def test_sqs_moves_the_queue_and_the_quarantine_is_sent(
        self, replay, emulator, queue, environment, database
    ):
        quarantined(environment, ("not_json", "from the table"))
        fill(emulator, *bounces(25))
        done = replay(to_queue=True, by_sqs=True)
        assert (done["sent"], done["status"], database.count("quarantine")) == (26, 0, 0)
        assert (len(emulator.messages(queue)), emulator.messages(DLQ)) == (26, [])
        (task,) = emulator.journal.requests("StartMessageMoveTask")
        assert task.arguments["DestinationArn"] == emulator.arn(queue)

    def test_it_is_waited_for(self, replay, emulator, queue):
        fill(emulator, *bounces(10))
        emulator.faults.add(MovedSlowly(20), on="StartMessageMoveTask")
        assert replay(to_queue=True, by_sqs=True)["sent"] == 10

    def test_what_others_hold_remains(self, replay, emulator):
        fill(emulator, *bounces(3))
        hold(emulator)
        done = replay(to_queue=True, by_sqs=True)
        assert (done["sent"], done["remaining"], done["status"]) == (2, 1, 4)

    @pytest.mark.parametrize(
        "refusal",
        [ACCESS_DENIED, Refuse("UnsupportedOperation", 400)],
        ids=lambda first: first.code,
    )
    def test_a_service_or_permission_that_is_missing_is_reported(self, replay, emulator, refusal):
        fill(emulator, "nonsense")
        emulator.faults.add(refusal, on="StartMessageMoveTask")
        done = replay(to_queue=True, by_sqs=True)
        assert (done["status"], done["sent"], done["remaining"]) == (1, 0, 1)
        assert "without --by-sqs" in done["output"]
        assert "1 remains: the command failed before it reached them" in done["output"]
        assert "held by others" not in done["output"]
        assert refusal.code in done["output"]
        assert all_visible(emulator, 1)


class TestDeletions:
    def test_by_reason_in_both_places(self, delete, emulator, environment, database):
        quarantined(environment, ("not_json", "nonsense"), ("no_type", "{}"))
        fill(emulator, "one", reason="not_json")
        fill(emulator, "two", reason="no_type")
        assert delete(reasons=["not_json"]).account.deleted == 2
        assert (bodies(emulator), database.count("quarantine")) == (["two"], 1)

    def test_only_those_that_were_counted_at_the_prompt(self, settings, emulator, schema):
        fill(emulator, "one", "two")
        deletion = Deletion(settings(), DeadLetterFilter())
        known = deletion.look()
        assert (len(known), all_visible(emulator, 2)) == (2, True)
        fill(emulator, "three")
        deletion.delete(known)
        assert (deletion.account.deleted, bodies(emulator)) == (2, ["three"])

    @pytest.fixture
    def handlers(self):
        """Those of the tests, again afterwards."""
        before = {item: signal.getsignal(item) for item in (signal.SIGINT, signal.SIGTERM)}
        yield
        for number, handler in before.items():
            signal.signal(number, handler)

    def test_a_signal_while_they_are_counted_ends_it(
        self, settings, emulator, schema, handlers, monkeypatch
    ):
        monkeypatch.setattr(
            "worker.service.shutdown.leave_in_time", lambda *_, **__: None
        )  # of the tests
        fill(emulator, *bounces(25))
        signals = iter([signal.SIGINT])

        def interrupt(_):
            for number in signals:
                os.kill(os.getpid(), number)
                time.sleep(0.2)

        with pytest.raises(Unavailable, match="nothing was deleted"):
            Deletion(settings(), DeadLetterFilter()).look(interrupt)
        assert all_visible(emulator, 25)

    def test_what_sqs_does_not_delete_is_not_reported_as_deleted(self, delete, emulator, schema):
        fill(emulator, "one", "two", "three")
        emulator.faults.add(FailEntries({"1"}, sender_fault=True), on=DELETE, times=1)
        account = delete().account
        assert (account.deleted, account.remaining, all_visible(emulator, 1)) == (2, 1, True)
        assert shown.exit_status(account, None) == 4
        assert "1 remain" in "".join(remarks.remaining(account))

    def test_those_before_a_refusal_are_counted(self, delete, emulator, schema):
        fill(emulator, *bounces(25))
        emulator.faults.add(ACCESS_DENIED, on=DELETE, first=3)
        deletion = delete()
        assert (deletion.account.deleted, len(emulator.messages(DLQ))) == (20, 5)
        assert "AccessDenied" in str(deletion.failure)

    def test_what_others_hold_remains(self, delete, emulator, schema):
        fill(emulator, "one", "two")
        hold(emulator)
        deletion = delete()
        assert (deletion.account.deleted, deletion.account.remaining) == (1, 1)
        assert shown.exit_status(deletion.account, None) == 4


class TestLooking:
    def test_a_sample_of_many_dead_letters_is_marked_as_a_sample(
        self, settings, emulator, monkeypatch
    ):
        monkeypatch.setattr(listing, "MOST_DEAD_LETTERS", 20)
        fill(emulator, *bounces(35))
        looked = listing.look(settings(), DeadLetterFilter())
        assert (looked.examined, looked.about) == (20, 35)
        assert sum(group.count for group in looked.groups) == 20
        assert all_visible(emulator, 35)

    def test_a_dead_letter_received_twice_is_counted_once(self, settings, emulator):
        fill(emulator, *bounces(3))
        emulator.faults.add(HandOutTwice(), on=RECEIVE, times=1)
        looked = listing.look(settings(), DeadLetterFilter())
        assert (looked.examined, looked.about) == (3, 3)

    def test_a_dead_letter_is_found_behind_many_others(self, settings, emulator):
        *_, last = fill(emulator, *bounces(35), "nonsense")
        assert listing.find(settings(), last).dead_letter.received.body == "nonsense"
        assert all_visible(emulator, 36)

    def test_sqs_counts_the_retention_from_when_a_message_was_first_sent(
        self, settings, emulator, queue
    ):
        sent_at = emulator.clock.now()
        emulator.send(queue, "nonsense")
        emulator.clock.advance(86_400)
        redriven(emulator, queue)
        looked = listing.look(settings(), DeadLetterFilter())
        (group,) = looked.groups
        assert group.kept_since.timestamp() == pytest.approx(sent_at, abs=60)
        assert looked.retention.days == 4

    def test_ages_in_the_table_are_counted_as_those_in_the_queue(
        self, settings, emulator, environment, either_store
    ):
        quarantined(environment, ("not_json", "nonsense"), ("not_json", "more"))
        first_seen = datetime(2026, 11, 20, 8, tzinfo=UTC)
        fill(emulator, "one", "two", first_seen=first_seen.isoformat())
        first, other = listing.look(settings(), DeadLetterFilter()).groups
        assert (first.ages, first.count, first.oldest) == (other.ages, 2, other.oldest)
        assert (first.oldest, first.newest) == (first_seen, first_seen)
        assert sum(first.ages.values()) == 2

    def test_an_error_in_between_gives_everything_back(self, settings, emulator):
        fill(emulator, *bounces(25))
        emulator.faults.add(ACCESS_DENIED, on=RECEIVE, first=3)
        looked = listing.look(settings(), DeadLetterFilter())
        assert "AccessDenied" in str(looked.problems[-1])
        assert sum(group.count for group in looked.groups) == 20
        assert all_visible(emulator, 25)


@pytest.mark.parametrize(
    ("chosen", "row"),
    [
        ({}, "still dead letters"),
        ({"reasons": ["malformed"]}, "still dead letters, of those selected"),
    ],
)
def test_the_table_says_of_which_dead_letters_its_figures_are(
    settings, emulator, database, capsys, chosen, row
):
    """Those that are not selected are not all examined."""
    fill(emulator, *BROKEN)
    plan = replaying.Plan(
        filter_=DeadLetterFilter(**{name: frozenset(named) for name, named in chosen.items()})
    )
    shown.show(replaying.replay(settings(), plan), plan)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "still dead" in line]
    assert line.strip(" │").rsplit(maxsplit=2)[0].strip(" │┃") == row
