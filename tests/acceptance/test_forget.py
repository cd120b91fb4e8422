"""`users forget`: a person is gone from every table, file and log, and nobody else loses anything."""

import json
import re
import threading
import time

import pytest
from support import mail
from support.dead import DLQ, fill, hold, opened, quarantined, users
from support.waiting import wait_until

from simulators.slack.faults import broken
from worker.core.address import parse_address
from worker.core.decode import decode, feedback_in, parts_of
from worker.core.naming import names_any, names_people
from worker.core.outbox.others import entry_for_requested_removal
from worker.core.payloads import Removal
from worker.core.rate_limit import RateLimit
from worker.store.outbox import Outbox
from worker.store.schema import imported_users, metadata

KEY = "3f1c0b7d9e2a4c5b8d6f7e8091a2b3c4"
JANE = "jane.doe@example.com"
FOUR = ["ann@example.com", "bob@example.com", "joe@example.org", "mary@example.net"]
FIVE = [*FOUR[:2], "Jane.Doe@Example.COM", *FOUR[2:]]
SPELLINGS = [
    "jane.doe@example.com", "JANE.DOE@EXAMPLE.COM", "jane.doe%40example.com",
    "jane.doe=40example.com", "jane.doe (at) example.com", "jane.doe [at] example.com",
    "jane.doe&#64;example.com", "jane.doe\\u0040example.com", "jane.doe\uff20example.com",
]  # fmt: skip
"""As `worker.core.masking` knows them."""
SIGN_UP = f"""
    INSERT INTO users (email, email_key, account_id) VALUES ('Jane', '{JANE}', '42')
    ON CONFLICT (email_key) DO UPDATE SET email = excluded.email, account_id = excluded.account_id
"""
"""As in docs/connect.md."""
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


@pytest.fixture(autouse=True)
def _key(environment):
    environment["SES_WORKER_PRIVACY__KEY"] = KEY


def tables(environment):
    """All rows of all tables, as texts."""
    with opened(environment) as store, store.read_transaction() as connection:
        return {
            table.name: [
                bytes(value).decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
                for row in connection.execute(table.select())
                for value in row
            ]
            for table in metadata.sorted_tables
        }


def where_named(environment, tmp_path, *logs):
    """Where Jane is, in whatever spelling: tables, files, logs."""
    found = {name for name, texts in tables(environment).items() if names_people(texts, [JANE])}
    for file in tmp_path.glob("worker.db*"):
        text = file.read_bytes().decode("utf-8", "replace").lower()
        if any(spelling.lower() in text for spelling in SPELLINGS):
            found.add(file.name)
    return found | {log for log in logs if names_any(log, [JANE])}


def keys(body):
    return [(item.dedupe_key, item.route_key) for item in feedback_in(parts_of(decode(body)))]


def keys_of_others(body):
    found = feedback_in(parts_of(decode(body)))
    return [(item.dedupe_key, item.route_key) for item in found if item.address.key != JANE]


def spelled(*people):
    """A bounce whose diagnostics have Jane's address in every spelling."""
    replies = "; ".join(f"550 <{spelling}> unknown" for spelling in SPELLINGS)
    return mail.enveloped(
        mail.bounce(*(mail.recipient(person, diagnosticCode=replies) for person in people))
    )


@pytest.fixture
def lived(run, emulator, queue, slack, environment):
    """Jane is everywhere: alone and with others, delivered and waiting, quarantined and dead."""
    users(environment, FIVE)
    for body in (spelled(*FIVE), spelled("jane.doe@example.com"), spelled(*FOUR)):
        emulator.send(queue, body)
    emulator.send(queue, mail.complaint(JANE))
    first = run("drain")
    assert first.status == 0
    quarantined(environment, ("processing_failed", spelled(*FIVE)), ("no_type", mail.bounce(JANE)))
    fill(emulator, spelled(*FIVE), mail.bounce(JANE), mail.bounce("zoe@example.com"))
    return first.err


class TestEverywhere:
    def test_nothing_is_left_in_any_table_file_or_log_and_nothing_comes_back(
        self, either_store, run, emulator, queue, environment, tmp_path, lived
    ):
        there = where_named(environment, tmp_path, lived)
        assert there >= {"users", "events", "outbox", "quarantine"}
        done = run("users", "forget", JANE, "--yes", "--json")
        assert done.status == 0, done.err
        assert where_named(environment, tmp_path, done.err) == set()
        assert not any("jane.doe" in each.body.lower() for each in emulator.messages(DLQ))
        for late in (mail.bounce(JANE), spelled("Jane.Doe@example.com"), spelled(*FIVE)):
            emulator.send(queue, late)
        drained = run("drain", "--json")
        assert (drained.json["ignored"], drained.json["applied"]) == (2, 1)
        assert where_named(environment, tmp_path, drained.err) == set()
        assert run("may-send", JANE).status == 3
        assert run("users", "forget", JANE, "--yes").status == 0, "once more changes nothing"

    def test_what_is_on_record_is_printed_first_and_a_dry_run_changes_nothing(
        self, either_store, run, environment, lived, emulator
    ):
        before, dead = tables(environment), len(emulator.messages(DLQ))
        looked = run("users", "forget", JANE, "--dry-run", "--json")
        assert looked.status == 0
        places = looked.json["places"]
        assert places["users"]["deleted"] == 1
        assert places["events"] == {"deleted": 3, "redacted": 8, "left": 0}
        assert places["quarantine"] == {"deleted": 1, "redacted": 1, "left": 0}
        assert places["dead_letter_queue"] == {"deleted": 1, "redacted": 1, "left": 0}
        assert places["outbox"]["deleted"] == 2
        assert looked.json["people"][0]["blocked"]
        assert tables(environment) == before
        assert len(emulator.messages(DLQ)) == dead
        assert emulator.counts(DLQ).visible == dead
        text = run("users", "forget", JANE, "--dry-run").out
        assert "jane.doe@example.com would be forgotten, and stay blocked" in text
        assert "1 to delete, 1 to redact, kept for others" in text
        assert "out of reach:" in text
        assert "your shell's history" in text


def test_records_of_an_import_and_of_a_second_policy_and_removals_go_too(
    either_store, run, emulator, queue, ses, slack, environment, tmp_path
):
    environment["SES_WORKER_SUPPRESSION__REMOVE"] = f'["{JANE}"]'
    environment["SES_WORKER_POLICY__SHADOW"] = '{"hard_bounce_pause_days": 3}'
    users(environment, [JANE])
    with opened(environment) as store, store.write_transaction() as connection:
        connection.execute(imported_users.insert().values(email_key=JANE, after_event=0))
    ses.list_address(JANE)
    emulator.send(queue, mail.bounce(JANE))
    run("drain")
    there = where_named(environment, tmp_path)
    assert there >= {"imported_users", "shadow_users", "removals", "outbox"}
    assert run("users", "forget", JANE, "--yes").status == 0
    assert where_named(environment, tmp_path) == set()


def test_a_removal_that_a_worker_carries_out_is_waited_for(
    start, environment, emulator, queue, database
):
    """It would write about the person afterwards."""
    removal = Removal(
        reported=JANE, mailed=JANE, key=JANE, type="x", subtype=None, occurred_at=mail.NOW
    )
    entry = entry_for_requested_removal(parse_address(JANE), removal, name="x", created_at=mail.NOW)
    users(environment, [JANE])
    with opened(environment) as store:
        outbox = Outbox(store)
        outbox.enqueue([entry])
        claim = outbox.claim(entry.lane, RateLimit(name="x:y"))
        assert claim.effects
        forgetting = start("users", "forget", JANE, "--yes")
        wait_until(lambda: database.count("forgotten"))
        time.sleep(1.5)
        assert database.count("outbox") == 1, "it is not deleted under the worker's hands"
        assert outbox.delivered(claim) is False
    out, err = forgetting.communicate(timeout=60)
    assert forgetting.returncode == 0, err
    assert "1 deleted" in out
    assert database.count("outbox") == 0


class TestTheOthersLoseNothing:
    """Of five people whom a message names, one is forgotten."""

    def test_in_quarantine(self, run, environment, queue, database, either_store):
        body = spelled(*FIVE)
        quarantined(environment, ("processing_failed", body))
        assert run("users", "forget", JANE, "--yes").status == 0
        (row,) = database.rows("SELECT * FROM quarantine")
        kept = bytes(row["body"]).decode()
        assert keys(kept) == keys_of_others(body)
        assert json.loads(row["attributes"])["theirs"]["BinaryValue"] == "AP8="
        assert self.replayed(run, database) == FOUR
        quarantined(environment, ("processing_failed", body))
        again = run("dlq", "replay", "--json").json
        assert (again["applied"], again["duplicate"]) == (0, 1)

    def test_in_the_dead_letter_queue(
        self, run, emulator, environment, queue, database, either_store
    ):
        run("db", "upgrade")
        body = spelled(*FIVE)
        (dead,) = fill(emulator, body, reason="processing_failed")
        done = run("users", "forget", JANE, "--yes", "--json").json
        assert done["places"]["dead_letter_queue"] == {"deleted": 0, "redacted": 1, "left": 0}
        assert emulator.messages(DLQ) == []
        (row,) = database.rows("SELECT * FROM quarantine")
        assert (row["message_id"], row["reason"]) == (dead, "processing_failed")
        assert keys(bytes(row["body"]).decode()) == keys_of_others(body)
        assert self.replayed(run, database) == FOUR

    def test_in_the_outbox(self, run, emulator, environment, queue, database, slack, either_store):
        emulator.send(queue, spelled(*FIVE))
        slack.fail(*[broken()] * 50)
        run("drain")
        assert database.rows("SELECT state FROM outbox") == [{"state": "waiting"}]
        assert run("users", "forget", JANE, "--yes").status == 0
        slack.recover()
        assert run("outbox", "retry", "1").status == 0
        before = len(slack.requests)
        assert run("drain", "--json").json["effects_delivered"] == 1
        posted = json.dumps([request.payload for request in slack.requests[before:]])
        assert not names_any(posted, [JANE])
        assert all(person in posted for person in FOUR)

    @staticmethod
    def replayed(run, database):
        done = run("dlq", "replay", "--json")
        assert (done.status, done.json["applied"]) == (0, 1)
        return sorted(row["recipient"] for row in database.rows("SELECT recipient FROM events"))


def test_what_cannot_be_taken_out_is_listed_and_left(
    run, emulator, environment, queue, database, either_store
):
    """Keys that are made of the whole text, for it has no ids, would change with it."""
    body = json.dumps({
        "notificationType": "Bounce",
        "bounce": {"bounceType": "Permanent", "bouncedRecipients": [
            {"emailAddress": JANE}, {"emailAddress": "bob@example.com"},
        ]},
    })  # fmt: skip
    quarantined(environment, ("processing_failed", body))
    (dead,) = fill(emulator, body)
    done = run("users", "forget", JANE, "--yes", "--json")
    assert done.status == 3
    assert [(each["place"], each["message_id"]) for each in done.json["left"]] == [
        ("quarantine", "kept-0"), ("dead-letter queue", dead),
    ]  # fmt: skip
    assert [each.body for each in emulator.messages(DLQ)] == [body]
    assert emulator.counts(DLQ).visible == 1
    text = run("users", "forget", JANE, "--yes")
    assert "ses-worker dlq delete --message-id kept-0" in text.out
    assert run("dlq", "delete", "--message-id", "kept-0", "--message-id", dead, "--yes").status == 0
    assert run("users", "forget", JANE, "--yes").status == 0


def test_what_cannot_be_read_and_names_nobody_else_goes(
    run, emulator, environment, queue, database, either_store
):
    alone = f"not json about {JANE}", f"bad from Jane Doe <{JANE}>", f'{{"x": "{JANE}"}}'
    shared = f"bad from Jane Doe <{JANE}>, Bob <bob@example.com>"
    quarantined(environment, *[("not_json", body) for body in (*alone, shared)])
    fill(emulator, *alone, shared)
    done = run("users", "forget", JANE, "--yes", "--json")
    assert done.status == 0, done.err
    places = done.json["places"]
    assert places["quarantine"] == {"deleted": 3, "redacted": 1, "left": 0}
    assert places["dead_letter_queue"] == {"deleted": 3, "redacted": 1, "left": 0}
    kept = [bytes(row["body"]).decode() for row in database.rows("SELECT body FROM quarantine")]
    assert kept == ["<***@example.com>, Bob <bob@example.com>"] * 2


def test_dead_letters_that_others_hold_are_not_forgotten(run, emulator, environment, queue):
    fill(emulator, mail.bounce(JANE))
    hold(emulator)
    users(environment, [JANE])
    looked = run("users", "forget", JANE, "--dry-run", "--json")
    assert (looked.status, looked.json["hidden_dead_letters"]) == (4, 1)


class TestTheKey:
    def test_without_it_nobody_is_forgotten(self, run, environment, emulator, queue, database):
        users(environment, [JANE])
        for options in ([], ["--dry-run"], ["--yes"]):
            done = run("users", "forget", JANE, *options, SES_WORKER_PRIVACY__KEY=None)
            assert done.status == 78
            (line,) = done.err.splitlines()
            assert line.startswith("ses-worker: privacy.key is not set: without it nobody would be")
        assert database.count("users") == 1

    @pytest.mark.parametrize(
        ("key", "error"), [(None, "privacy.key is not set"), (KEY[::-1], "privacy.key has changed")]
    )
    def test_run_drain_replay_and_the_answers_refuse_a_key_that_recognises_nobody(
        self, run, environment, emulator, queue, database, key, error, either_store
    ):
        users(environment, [JANE, "bob@example.com"])
        assert run("users", "forget", JANE, "--yes").status == 0
        emulator.send(queue, mail.bounce("bob@example.com"))
        environment["SES_WORKER_PRIVACY__KEY"] = key or ""
        for command in (
            ["run"], ["drain"], ["dlq", "replay"], ["may-send", JANE],
            ["users", "check", "bob@example.com"], ["why", JANE], ["users", "show", JANE],
            ["users", "reinstate", JANE, "--reason", "x"],
        ):  # fmt: skip
            done = run(*command)
            assert done.status == 78, command
            assert error in done.err, done.err
            assert done.err.count("ses-worker: ") == 1, done.err
        done = run("users", "import", "-", input="email\nnew@example.com\n")
        assert done.status == 78
        assert (database.count("events"), database.count("users")) == (0, 1)
        checked = run("check", "--json").json
        (found,) = [each for each in checked["checks"] if each["check"] == "forgotten"]
        assert found["status"] == "wrong"
        assert sum(emulator.counts(queue)) == 1
        environment["SES_WORKER_PRIVACY__KEY"] = KEY
        assert run("drain", "--json").json["applied"] == 1

    def test_a_worker_that_runs_without_it_waits_and_says_why(
        self, run, daemon, environment, emulator, queue, database
    ):
        users(environment, [JANE, "bob@example.com"])
        worker = daemon(SES_WORKER_PRIVACY__KEY="")
        worker.wait_for("worker.started")
        assert run("users", "forget", JANE, "--yes").status == 0
        for number in range(8):
            emulator.send(queue, mail.bounce(f"person{number}@example.com"))
        worker.wait_for("store.unavailable")
        assert "privacy.key is not set" in "".join(worker.lines)
        assert worker.process.poll() is None
        assert database.count("events") == 0
        assert emulator.messages(DLQ) == []


class TestAnswers:
    @pytest.fixture(autouse=True)
    def _blocked(self, run, emulator, queue, environment, either_store):
        users(environment, [JANE, "bob@example.com"])
        emulator.send(queue, mail.complaint(JANE))
        run("drain")
        assert run("users", "forget", JANE, "--yes").status == 0

    def test_all_answers_are_blocked_and_name_no_text(self, run, database):
        done = run("may-send", "Jane.Doe@example.com")
        assert done.status == 3
        assert re.fullmatch(
            rf"no: {JANE}, forgotten on [-0-9]{{10}}, is blocked, without an end \(forgotten\)\n",
            done.out,
        )
        figures = run("may-send", JANE, "--json").json
        assert (figures["reason"], figures["user"], figures["known"]) == ("forgotten", False, True)
        checked = run("users", "check", JANE, "bob@example.com", "--json")
        assert [each["answer"] for each in checked.json["answers"]] == ["no", "yes"]
        shown = run("users", "show", JANE)
        assert shown.status == 1
        assert "This person was forgotten on " in shown.err
        why = run("why", JANE)
        assert why.status == 0
        assert f"No mail may go to {JANE} until somebody lifts it." in " ".join(why.out.split())
        assert "ses-worker users reinstate" in why.out

    def test_an_import_of_the_same_person_stays_blocked_and_shows_it(self, run, database):
        done = run("users", "import", "-", input=f"email\n{JANE}\nnew@example.com\n")
        assert done.status == 0
        assert "1 new user was forgotten before, and stays blocked or paused" in done.err
        assert "ses-worker users check ADDRESS" in done.err
        listed = run("users", "list", "--blocked")
        assert JANE in listed.out, "as the hint says"
        user = database.user(JANE)
        assert user["auto_block_spam"]
        assert run("may-send", JANE).status == 3
        assert not database.user("new@example.com")["auto_block_spam"]
        run("users", "remove", JANE)
        assert run("may-send", JANE).status == 3, "the tombstone is still there"

    def test_why_says_that_the_record_began_with_what_was_kept(
        self, run, emulator, queue, database
    ):
        run("users", "import", "-", input=f"email\n{JANE}\n")
        later = time_text_of(database.rows("SELECT forgotten_at FROM forgotten")[0])
        for _ in range(2):
            why = " ".join(run("why", JANE).out.split())
            assert "The record began with what was kept of a person who was forgotten." in why
            assert "by hand" not in why
            figures = run("why", JANE, "--json").json
            assert figures["states_are_the_record"]
            assert all(each["before"]["auto_block_spam"] for each in figures["events"])
            emulator.send(queue, mail.bounce(JANE, at=later))
            run("drain")
        assert len(figures["events"]) == 1

    def test_why_does_not_explain_so_a_record_that_was_changed_by_hand(self, run, environment):
        run("users", "import", "-", input=f"email\n{JANE}\n")
        with opened(environment) as store, store.write_transaction() as connection:
            connection.exec_driver_sql(
                "UPDATE users SET paused_until = '2031-01-01 00:00:00.000000',"
                " pause_reason = 'soft_bounce'"
            )
        assert "somebody has changed the record by hand" in " ".join(run("why", JANE).out.split())

    def test_a_sign_up_by_sql_unblocks_nobody(self, run, environment):
        with opened(environment) as store, store.write_transaction() as connection:
            connection.exec_driver_sql(SIGN_UP)
        assert run("may-send", JANE).status == 3
        checked = run("users", "check", JANE, "--json")
        assert [each["answer"] for each in checked.json["answers"]] == ["no"]

    def test_that_the_view_does_not_list_the_person_is_printed_where_it_matters(self, run):
        again = run("users", "forget", JANE, "--dry-run")
        assert "applications that ask the view do_not_mail" in again.out
        free = run("users", "forget", "new@example.com", "--dry-run")
        assert "do_not_mail" not in free.out
        assert "names without an address" in free.out

    def test_a_person_who_is_a_user_again_is_judged_by_newer_events(
        self, run, emulator, queue, database
    ):
        run("users", "import", "-", input=f"email\n{JANE}\n")
        run("users", "reinstate", JANE, "--reason", "she signed up again")
        emulator.send(queue, mail.complaint(JANE))  # of long ago
        assert run("drain", "--json").json["ignored"] == 1
        assert run("may-send", JANE).status == 0
        later = time_text_of(database.rows("SELECT forgotten_at FROM forgotten")[0])
        emulator.send(queue, mail.bounce(JANE, at=later))
        assert run("drain", "--json").json["applied"] == 1
        assert database.user(JANE)["hard_bounce_count"] == 1

    def test_reinstate_lifts_what_was_kept_and_keeps_nothing_about_the_address(
        self, run, environment, tmp_path, database
    ):
        done = run("users", "reinstate", JANE, "--reason", "it was a mistake", "--json")
        assert (done.status, done.json["reinstated"], done.json["created"]) == (0, 1, 0)
        assert run("may-send", JANE).status == 0
        assert where_named(environment, tmp_path) == set()
        refused = run("users", "reinstate", JANE, "--reason", "x", "--also-suppression-list")
        assert refused.status == 1
        assert "aws sesv2 delete-suppressed-destination" in refused.err

    def test_a_dry_run_of_reinstate_lifts_nothing(self, run):
        assert run("users", "reinstate", JANE, "--reason", "x", "--dry-run").status == 0
        assert run("may-send", JANE).status == 3


def time_text_of(row):
    from datetime import UTC, datetime, timedelta

    at = row["forgotten_at"]
    at = datetime.fromisoformat(at) if isinstance(at, str) else at.astimezone(UTC)
    return (at + timedelta(milliseconds=200)).replace(tzinfo=UTC).isoformat()


class TestKills:
    @pytest.mark.parametrize(
        "point",
        [
            "tombstones-left", "trace-looked-at", "trace-looked-at:6", "removals-deleted",
            "kept-for-others", "deleting", "deleted", "wiping",
        ],
    )  # fmt: skip
    def test_a_kill_at_any_step_is_finished_by_the_same_command(
        self, failing, run, emulator, environment, tmp_path, lived, point, database
    ):
        assert failing(point, "kill", "users", "forget", JANE, "--yes").status == -9
        assert run("may-send", JANE).status == 3
        emulator.clock.advance(60)
        done = run("users", "forget", JANE, "--yes", "--json")
        assert done.status == 0, done.err
        assert where_named(environment, tmp_path, done.err) == set()
        replayed = run("dlq", "replay", "--json").json
        assert replayed["remaining"] == 0
        counts = [row["recipient"] for row in database.rows("SELECT recipient FROM events")]
        assert {counts.count(person) for person in FOUR} == {4}, "two drained, two replayed"


def test_a_full_disk_forgets_nobody_or_is_finished_later(
    run, environment, emulator, queue, small_disk, database
):
    environment["SES_WORKER_STORE__URL"] = f"sqlite:///{small_disk.path / 'worker.db'}"
    users(environment, [JANE, *FOUR])
    quarantined(environment, *[("processing_failed", spelled(*FIVE))] * 1)
    small_disk.leave(2_000)
    done = run("users", "forget", JANE, "--yes")
    assert done.status == 1
    assert len(done.err.splitlines()) == 1, done.err
    assert database.user(JANE), "nothing was done"
    small_disk.empty()
    assert run("users", "forget", JANE, "--yes").status == 0
    assert database.user(JANE) is None


def test_two_people_are_forgotten_by_two_commands_at_once(
    run, start, environment, emulator, queue, tmp_path, either_store
):
    users(environment, FIVE)
    for _ in range(5):
        emulator.send(queue, spelled(*FIVE))
    run("drain", SES_WORKER_SLACK__WEBHOOK_URL="http://127.0.0.1:9/hook")
    quarantined(environment, *[("processing_failed", spelled(*FIVE)) for _ in range(10)])
    fill(emulator, *[spelled(*FIVE) for _ in range(10)])
    both = [start("users", "forget", person, "--yes") for person in (JANE, "bob@example.com")]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode in {0, 4}, out + err
    emulator.clock.advance(60)
    assert run("users", "forget", JANE, "bob@example.com", "--yes").status == 0
    found = tables(environment)
    assert not [name for name, texts in found.items() if names_people(texts, [JANE])]
    assert not [name for name, texts in found.items() if names_people(texts, ["bob@example.com"])]
    assert run("dlq", "replay", "--json").json["applied"] == 20


def test_a_person_whose_messages_are_in_flight_is_forgotten_all_the_same(
    run, daemon, environment, emulator, queue, tmp_path, database, either_store
):
    """Real workers, both kinds of database: each message is decided before, or ignored."""
    users(environment, FIVE)
    worker = daemon(SES_WORKER_SLACK__WEBHOOK_URL="http://127.0.0.1:9/hook")
    stopped = threading.Event()
    sent = []

    def send():
        while not stopped.wait(0.005):
            sent.append(emulator.send(queue, mail.enveloped(mail.bounce(*FIVE))))
            sent.append(emulator.send(queue, mail.complaint(JANE)))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        wait_until(lambda: database.count("events") > 50)
        done = run("users", "forget", JANE, "--yes")
        assert done.status == 0, done.err
        assert not [
            name for name, texts in tables(environment).items() if names_people(texts, [JANE])
        ]
    finally:
        stopped.set()
        sender.join()
    wait_until(lambda: not any(emulator.counts(queue)))
    assert not [name for name, texts in tables(environment).items() if names_people(texts, [JANE])]
    counts = [row["recipient"] for row in database.rows("SELECT recipient FROM events")]
    assert {counts.count(person) for person in FOUR} == {len(sent) // 2}
    assert run("may-send", JANE).status == 3
    assert "jane" not in "".join(worker.lines).lower()


def test_on_a_terminal_it_asks_and_without_a_terminal_it_refuses(
    run, terminal, environment, emulator, queue, database
):
    users(environment, [JANE])
    assert run("users", "forget", JANE).status == 2
    done = terminal("users", "forget", JANE, answer="n\n")
    assert "Forget 1 person?" in done.out
    assert database.user(JANE)
    assert terminal("users", "forget", JANE, answer="y\n").status == 0
    assert database.user(JANE) is None


def test_a_signed_message_is_verified_before_its_signature_goes(
    run, environment, emulator, queue, database
):
    """Without its signature a forged message would pass for an unsigned message."""
    environment["SES_WORKER_SNS__VERIFY"] = "require"
    run("db", "upgrade")
    quarantined(environment, ("wrong_signature", spelled(*FIVE)))
    done = run("users", "forget", JANE, "--yes", "--json")
    assert done.status == 3
    (left,) = done.json["left"]
    assert "its signature" in left["why"]


def test_addresses_are_read_from_standard_input(run, environment, emulator, queue, database):
    users(environment, FIVE)
    listed = f"{JANE}\n\nBOB@example.com\n{JANE}\n"
    refused = run("users", "forget", "-", input=listed)
    assert (refused.status, "use --yes" in refused.err) == (2, True)
    looked = run("users", "forget", "-", "--dry-run", "--json", input=listed)
    assert [each["address"] for each in looked.json["people"]] == [JANE, "bob@example.com"]
    assert run("users", "forget", "-", "--yes", input=listed).status == 0
    assert database.count("users") == 3


@pytest.mark.parametrize(
    ("arguments", "listed", "error"),
    [
        ([JANE, "no address\x1b", "bob@example.com"], "", "no address\\x1b is no usable address"),
        (["-"], f"{JANE}\nno address\n", "line 2 is no usable address"),
        (["-", JANE], JANE, "- stands alone"),
        (["-"], "\n", "there is no address on standard input"),
        (["-"], "\n".join(mail.addresses(51)), "at most 50 addresses at once"),
    ],
)
def test_of_several_addresses_the_wrong_address_is_named_and_nobody_is_forgotten(
    run, environment, emulator, queue, database, arguments, listed, error
):
    users(environment, [JANE])
    done = run("users", "forget", *arguments, "--yes", input=listed)
    assert done.status == 2
    assert error in " ".join(done.err.split())
    assert database.count("users") == 1


def test_without_a_queue_the_database_is_done_and_a_line_says_so(run, environment, database):
    users(environment, [JANE])
    done = run("users", "forget", JANE, "--yes", "--json")
    assert (done.status, done.json["not_looked_at"]) == (3, "queue.url is not set")
    assert database.user(JANE) is None


def test_also_unblock_drops_the_block(run, environment, emulator, queue):
    emulator.send(queue, mail.complaint(JANE))
    run("drain")
    assert run("may-send", JANE).status == 3
    assert run("users", "forget", JANE, "--also-unblock", "--yes").status == 0
    done = run("may-send", JANE)
    assert done.status == 0
    assert "forgotten on" in done.out


def test_workers_that_have_the_database_open_are_named_at_the_end(
    run, daemon, environment, emulator, queue, either_store
):
    """A worker that was started before an upgrade would not know who was forgotten."""
    users(environment, [JANE])
    alone = run("users", "forget", JANE, "--dry-run")
    assert "before the upgrade" not in alone.out
    worker = daemon()
    worker.wait_for("worker.started")
    beside = run("users", "forget", JANE, "--dry-run")
    assert "workers that were started before the upgrade to this version" in beside.out
    worker.stop()
