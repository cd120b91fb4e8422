"""`users export ADDRESS --all`: everything on record about one person, and nobody else."""

import json

import pytest
from support import mail
from support.dead import fill, quarantined

from simulators.ses.faults import ACCESS_DENIED
from simulators.sqs.faults import ACCESS_DENIED as NO_RECEIVES

JANE, JOE = "jane@example.com", "joe@example.org"
EXPORT = ("users", "export", JANE, "--all")
REASON = ("--reason", "she wrote to us")


def to_both(**more):
    """A bounce of two people, with a mail that names a third."""
    jane = mail.recipient(JANE, status="5.1.1", diagnosticCode=f"smtp; 550 5.1.1 <{JANE}>: gone")
    joe = mail.recipient(
        JOE, status="5.1.1", diagnosticCode=f"smtp; 550 5.1.1 {JOE}: joe (at) example dot org"
    )
    body = json.loads(mail.bounce(jane, joe, **more))
    body["mail"] |= {
        "source": "shop@sender.example",
        "destination": [JANE, JOE, '"Kim, the third" <kim@example.net>'],
        "headers": [
            {"name": "To", "value": f'Joe Miller <{JOE}>, "Doe, Jane" <Jane@Example.COM>'},
            {"name": "Subject", "value": "Your order"},
        ],
        "commonHeaders": {"to": [f"Joe Miller <{JOE}>"], "subject": "Your order"},
    }
    return json.dumps(body)


@pytest.fixture
def everywhere(run, emulator, queue, ses, slack, environment):
    """Jane has something everywhere, together with others."""
    environment["SES_WORKER_SUPPRESSION__REMOVE"] = f'["{JANE}"]'
    environment["SES_WORKER_NOTIFY__IGNORE"] = '["nobody@example.com"]'
    environment["SES_WORKER_POLICY__SHADOW"] = '{"hard_bounce_pause_days": 3}'
    run("users", "import", "-", input=f"email,account_id\nJane@Example.COM,42\n{JOE},43\n")
    ses.list_address(JANE)
    emulator.send(queue, to_both(feedback_id="f1", message_id="m1"))
    emulator.send(queue, mail.bounce(JOE, feedback_id="f2", message_id="m2"))
    forwarded = mail.recipient(JOE, diagnosticCode=f"smtp; 550 forwarded to <{JANE}>: full")
    emulator.send(queue, mail.bounce(forwarded, feedback_id="f3", message_id="m3"))
    run("drain")
    ses.list_address(JANE, "COMPLAINT")
    quarantined(environment, ("no_type", f'{{"about": ["{JANE}", "{JOE}"]}}'), ("not_json", JOE))
    fill(emulator, f"to {JANE} and {JOE}, which is no JSON", f"{JOE} alone")
    return run


def test_all_that_is_on_record_is_in_the_answer_and_nobody_else(either_store, everywhere):
    done = everywhere(*EXPORT, "--json")
    assert done.status == 0, done.err
    found = done.json
    assert found["user"]["account_id"] == "42"
    assert [event["ses_message_id"] for event in found["events"]] == ["m1"]
    assert [event["ses_message_id"] for event in found["mentions"]] == ["m3"]
    kinds = sorted(effect["kind"] for effect in found["effects"])
    assert kinds == ["bounce_notice", "bounce_notice", "removal", "removal_notice"]
    assert [removal["address"] for removal in found["removals"]] == [JANE]
    assert [row["reason"] for row in found["quarantined"]] == ["no_type"]
    assert [row["body"] for row in found["dead_letters"]] == [
        f"to {JANE} and ***@example.org, which is no JSON"
    ]
    (listed,) = found["suppression_lists"]
    assert (listed["list"], listed["Reason"]) == ("account", "COMPLAINT")
    assert found["shadow"]["hard_bounce_count"] == 1
    assert found["settings"] == ["suppression.remove"]
    assert found["not_read"] == []
    assert found["verdict"]["may_send"] is False
    for text in (done.out, everywhere(*EXPORT).out):
        for other in ("joe@", "Joe Miller", "kim", "Kim", "shop@", "joe (at)"):
            assert other not in text, other
        for own in (JANE, "Doe, Jane", "Your order", "550 5.1.1", "***@example.org"):
            assert own in text.replace('\\"', '"').replace("\\", ""), own


def test_the_text_can_be_read_and_says_what_is_out_of_reach(everywhere):
    shown = everywhere(*EXPORT).out
    for words in (
        f"All data on record about {JANE}",
        "The user's record (table users)",
        "account_id: 42",
        "Bounces, complaints and what lifted them (table events): 1",
        "Entries on SES's suppression lists: 1",
        "  - Slack: ",
        "  - backups and exported files: ",
    ):
        assert words in shown, words
    assert "Not read" not in shown


@pytest.mark.usefixtures("either_store")
def test_about_an_address_that_is_no_user_and_about_nobody(run, emulator, queue, ses):
    emulator.send(queue, mail.complaint("unknown@example.com"))
    run("drain")
    done = run("users", "export", "Unknown@Example.com", "--all", "--json")
    assert (done.status, done.json["user"], len(done.json["events"])) == (0, None, 1), done.err
    assert done.json["found"] is True
    done = run("users", "export", "nobody@example.com", "--all", "--json")
    assert (done.status, done.json["found"], done.json["events"]) == (0, False, []), done.err
    shown = run("users", "export", "nobody@example.com", "--all")
    assert "Nothing is on record about this address." in shown.out


def test_the_log_can_be_searched_by_the_hash_that_its_lines_have(
    run, emulator, queue, ses, environment
):
    environment["SES_WORKER_PRIVACY__KEY"] = "3f1c0b7d9e2a4c5b8d6f7e8091a2b3c4"
    for addresses in ("hashed", "domain"):
        environment["SES_WORKER_LOG__ADDRESSES"] = addresses
        emulator.send(queue, mail.complaint(JANE, feedback_id=addresses, message_id=addresses))
        log = run("drain").err
        found = run(*EXPORT, "--json").json["address_hash"]
        shown = run(*EXPORT).out
        forgetting = run("users", "forget", JANE, "--dry-run")
        figures = run("users", "forget", JANE, "--dry-run", "--json").json
        assert figures["people"][0]["address_hash"] == found
        if addresses == "hashed":
            assert found in log
            assert f"Lines of the log about this person have address_hash {found}." in shown
            assert f"address_hash in the log: {found}" in forgetting.out
        else:
            assert found is None
            assert "about this person have address_hash" not in shown
            assert "address_hash" not in forgetting.out


class TestPlacesThatCannotBeRead:
    def test_a_refusal_of_ses_is_named_and_all_else_is_written(self, run, emulator, queue, ses):
        run("users", "import", "-", input=f"email\n{JANE}\n")
        ses.fail(ACCESS_DENIED)
        done = run(*EXPORT, "--json")
        assert (done.status, done.json["user"]["email"]) == (1, JANE)
        (place,) = done.json["not_read"]
        assert place["place"] == "SES's suppression lists"
        assert "ses:GetSuppressedDestination" in place["problem"]
        assert "not read: SES's suppression lists: allow ses:Get" in done.err

    def test_a_dead_letter_queue_that_does_not_answer_likewise(self, run, emulator, queue, ses):
        run("users", "import", "-", input=f"email\n{JANE}\n")
        emulator.faults.add(NO_RECEIVES, on="ReceiveMessage")
        done = run(*EXPORT)
        assert done.status == 1
        assert "Not read\n  - dead letters: " in done.out
        assert "email: jane@example.com" in done.out

    def test_offline_nothing_is_requested_from_aws(self, run, ses, environment):
        run("users", "import", "-", input=f"email\n{JANE}\n")
        environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
        done = run(*EXPORT, "--offline", "--json")
        assert (done.status, ses.calls) == (0, []), done.err
        assert len(done.json["not_read"]) == 2
        assert all("--offline" in place["problem"] for place in done.json["not_read"])

    def test_when_people_were_forgotten_the_key_of_the_settings_is_used(
        self, run, environment, either_store
    ):
        environment["SES_WORKER_PRIVACY__KEY"] = "3f1c0b7d9e2a4c5b8d6f7e8091a2b3c4"
        run("users", "import", "-", input=f"email\n{JANE}\n{JOE}\n")
        run("users", "forget", JOE, "--yes")
        assert run(*EXPORT, "--offline").status == 0
        of_joe = run("users", "export", JOE, "--all", "--offline", "--json")
        assert of_joe.status == 0, of_joe.err
        assert of_joe.json["verdict"]["forgotten_at"]
        assert (
            "This person was forgotten on " in run("users", "export", JOE, "--all", "--offline").out
        )
        assert run(*EXPORT, "--offline", SES_WORKER_PRIVACY__KEY=None).status == 78

    def test_without_a_queue_the_database_answers(self, run, ses):
        run("users", "import", "-", input=f"email\n{JANE}\n")
        done = run(*EXPORT)
        assert "no queue.url is set" in done.out
        assert (done.status, "email: jane@example.com" in done.out) == (1, True)


class TestTheFile:
    def test_only_its_owner_can_read_it_and_nothing_else_is_printed(self, run, ses, tmp_path):
        run("users", "import", "-", input=f"email\n{JANE}\n")
        done = run(*EXPORT, "--offline", "--json", "--output", tmp_path / "jane.json")
        assert (done.status, done.out) == (0, ""), done.err
        assert (tmp_path / "jane.json").stat().st_mode & 0o777 == 0o600
        assert json.loads((tmp_path / "jane.json").read_text())["user"]["email"] == JANE

    def test_a_place_that_cannot_be_written_is_an_error_of_a_sentence(self, run, ses):
        run("db", "upgrade")
        done = run(*EXPORT, "--offline", "--output", "/nowhere/jane.txt")
        assert done.status == 1
        assert "cannot write /nowhere/jane.txt: No such file or directory" in done.err

    def test_nothing_of_a_message_has_effect_on_a_terminal(self, run, emulator, queue, ses):
        evil = mail.recipient(JANE, diagnosticCode="smtp; 550 \x1b[2J\u202egone\r\nuser: none")
        emulator.send(queue, mail.bounce(evil))
        run("drain")
        shown = run(*EXPORT).out
        assert "\\x1b[2J\\u202egone" in shown
        assert not {"\x1b", "\u202e", "\r"} & set(shown)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("nobody", "--all"), "is no usable address"),
        (("--all",), "is no usable address"),
        ((JANE,), f"{JANE} is an address and no file: add --all"),
        ((JANE, "--all", "--paused"), "--all is about one person"),
        (("users.csv", "--json"), "--output, --offline and --json need --all"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(run, tmp_path, arguments, reason):
    run("db", "upgrade")
    before = set(tmp_path.iterdir())
    done = run("users", "export", *arguments)
    assert (done.status, reason in " ".join(done.err.split())) == (2, True), done.err
    assert set(tmp_path.iterdir()) == before
