"""Effects through the real command: Slack is notified, addresses leave the suppression list."""

import itertools
import json
import re
import signal
import time
from contextlib import closing

import pytest
from support import mail

from simulators.ses.faults import ACCESS_DENIED, BAD_REQUEST, Refuse
from simulators.slack.faults import broken, rate_limited, refused

IGNORE, REMOVE = "SES_WORKER_NOTIFY__IGNORE", "SES_WORKER_SUPPRESSION__REMOVE"


def texts(slack):
    return [post["text"] for post in slack.posts]


def shown(post):
    return json.dumps(post["blocks"], ensure_ascii=False)


def assert_a_second_apart(times):
    """Each was sent a second after the last; arriving, on a busy machine, is less exact."""
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert min(gaps) > 0.4
    assert sum(gaps) > len(gaps) - 0.4


def effects(done):
    figures = done.json
    return tuple(figures[f"effects_{name}"] for name in ("delivered", "waiting", "parked"))


class TestNotices:
    def test_a_bounce_notice_has_every_field(self, run, emulator, queue, slack, either_store):
        run("users", "import", "-", input="email\njane@example.com\n")
        output = mail.recipient(
            "jane@example.com", action="failed", status="5.1.1", diagnosticCode="550 no such user"
        )
        emulator.send(queue, mail.bounce(output, type="Permanent", subtype="General"))
        done = run("drain", "--json")
        assert done.status == 0
        assert effects(done) == (1, 0, 0)
        (post,) = slack.posts
        assert post["text"] == "BOUNCE: jane@example.com"
        for word in (
            "Bounce notification", "jane@example.com", "550 no such user", "5.1.1", "General",
            "hard_bounce", "outbox #1", "ses-worker why", "SES Notice",
        ):  # fmt: skip
            assert word in json.dumps(post), word

    def test_a_complaint_is_posted(self, run, emulator, queue, slack):
        emulator.send(queue, mail.complaint("jane@example.com"))
        run("drain")
        assert texts(slack) == ["COMPLAINT: jane@example.com"]

    def test_the_notice_of_a_complaint_from_no_user_forbids_mail_to_the_address(
        self, run, emulator, queue, slack
    ):
        emulator.send(queue, mail.complaint("jane@example.com"))
        emulator.send(queue, mail.complaint("joe@example.com", feedback="not-spam"))
        run("drain")
        posts = {post["text"].rpartition(" ")[2]: shown(post) for post in slack.posts}
        assert run("may-send", "jane@example.com").status == 3
        assert "do_not_mail blocks it all the same" in posts["jane@example.com"]
        assert run("may-send", "joe@example.com").status == 0
        assert "Do not mail" not in posts["joe@example.com"]

    def test_a_complaint_that_names_nobody_is_posted(self, run, emulator, queue, slack):
        emulator.send(queue, mail.complaint())
        run("drain")
        assert len(slack.posts) == 1

    def test_other_events_are_not_posted(self, run, emulator, queue, slack):
        emulator.send(queue, json.dumps({"eventType": "Delivery", "delivery": {}}))
        assert effects(run("drain", "--json")) == (0, 0, 0)
        assert slack.requests == []

    def test_the_same_message_again_is_posted_once(self, run, emulator, queue, slack):
        body = mail.bounce("jane@example.com")
        for _ in range(3):
            emulator.send(queue, body)
        run("drain")
        emulator.send(queue, body)
        run("drain")
        assert len(slack.posts) == 1

    @pytest.mark.parametrize("last", ["ignored", "real"])
    def test_each_recipient_decides_for_itself(
        self, run, emulator, queue, slack, environment, last
    ):
        """Neither hides the other, in whatever order they stand."""
        environment[IGNORE] = '["ignored@example.com"]'
        people = ["real@example.com", "IGNORED@example.com"]
        emulator.send(queue, mail.bounce(*people[:: 1 if last == "ignored" else -1]))
        run("drain")
        assert texts(slack) == ["BOUNCE: real@example.com"]

    def test_where_nobody_is_left_there_is_no_message(
        self, run, emulator, queue, slack, environment, database
    ):
        environment[IGNORE] = '["@example.com"]'
        emulator.send(queue, mail.bounce("jane@example.com", "joe@example.com"))
        run("drain")
        assert slack.requests == []
        assert database.count("events") == 2
        assert database.count("outbox") == 0

    def test_dead_letters_are_posted_together(self, run, emulator, queue, slack):
        for number in range(5):
            emulator.send(queue, f"nonsense {number}")
        done = run("drain", "--json")
        assert done.status == 3
        assert 1 <= len(slack.posts) <= 5
        assert all("not_json" in json.dumps(post) for post in slack.posts)

    def test_without_a_sender_nothing_is_enqueued(self, run, emulator, queue, database):
        for body in (mail.bounce("jane@example.com"), "nonsense"):
            emulator.send(queue, body)
        assert effects(run("drain", "--json")) == (0, 0, 0)
        assert database.count("outbox") == 0

    def test_masked_addresses_are_masked_everywhere(self, run, emulator, queue, slack, environment):
        environment["SES_WORKER_SLACK__ADDRESSES"] = "masked"
        output = mail.recipient("jane@example.com", diagnosticCode="<jane@example.com> unknown")
        emulator.send(queue, mail.bounce(output))
        run("drain")
        assert "jane@" not in json.dumps(slack.requests[0].payload)

    def test_by_token_and_channel(self, run, emulator, queue, slack, environment):
        from simulators.slack import CHANNEL, TOKEN

        environment |= {
            "SES_WORKER_SLACK__WEBHOOK_URL": "",
            "SES_WORKER_SLACK__TOKEN": TOKEN,
            "SES_WORKER_SLACK__CHANNEL": CHANNEL,
            "SES_WORKER_SLACK__API_URL": slack.api_url,
        }
        emulator.send(queue, mail.bounce("jane@example.com"))
        assert effects(run("drain", "--json", **environment)) == (1, 0, 0)
        assert texts(slack) == ["BOUNCE: jane@example.com"]

    def test_the_secret_is_in_no_line_at_any_level(self, run, emulator, queue, slack, environment):
        """G15, and slack_sdk's own logger."""
        environment["SES_WORKER_LOG__LEVEL"] = "debug"
        slack.fail(broken(500), refused(404, "no_service"))
        emulator.send(queue, mail.bounce("jane@example.com"))
        for _ in range(3):
            done = run("drain", "--json")
            assert slack.webhook_url.rpartition("/")[2] not in done.err + done.out
        listed = run("outbox", "list", "--json").out
        assert slack.webhook_url.rpartition("/")[2] not in listed


class TestRateLimit:
    def test_a_burst_becomes_a_handful_of_messages_that_add_up(self, run, emulator, queue, slack):
        for number in range(300):
            emulator.send(queue, mail.bounce(f"user{number}@example.com"))
        done = run("drain", "--json")
        assert effects(done) == (300, 0, 0)
        assert len(slack.posts) <= 3
        assert "300" in json.dumps(slack.posts)

    def test_a_few_are_sent_separately(self, run, emulator, queue, slack):
        for number in range(5):
            emulator.send(queue, mail.bounce(f"user{number}@example.com"))
        run("drain")
        assert sorted(texts(slack)) == [f"BOUNCE: user{n}@example.com" for n in range(5)]

    def test_a_channel_gets_at_most_a_message_a_second(
        self, run, emulator, queue, slack, environment
    ):
        environment["SES_WORKER_SLACK__MESSAGES_PER_SECOND"] = "1"
        for number in range(4):
            emulator.send(queue, mail.bounce(f"user{number}@example.com"))
        run("drain")
        times = [request.clock for request in slack.requests]
        assert len(times) == 4
        assert_a_second_apart(times)


class TestProblems:
    def test_an_unreachable_slack_costs_the_records_nothing_and_the_notice_comes_later(
        self, run, emulator, queue, slack, database
    ):
        slack.always = broken(503)
        emulator.send(queue, mail.bounce("jane@example.com"))
        done = run("drain", "--json")
        assert done.status == 0
        assert done.json["applied"] == 1
        assert effects(done) == (0, 1, 0)
        slack.always = None
        run("outbox", "retry", "1")
        assert effects(run("drain", "--json")) == (1, 0, 0)
        assert texts(slack) == ["BOUNCE: jane@example.com"]

    def test_a_configuration_error_is_logged_once_and_delivery_resumes_when_it_is_fixed(
        self, run, emulator, queue, slack
    ):
        slack.always = refused(404, "no_service")
        for number in range(3):
            emulator.send(queue, mail.bounce(f"user{number}@example.com"))
        done = run("drain", "--json")
        assert effects(done) == (0, 0, 3)
        assert [line["event"] for line in done.log].count("lane.blocked") == 1
        assert len(slack.requests) == 1
        assert "no_service" in run("outbox", "list").out
        assert "the newest 2 of 3" in run("outbox", "list", "--limit", "2").out
        assert "newest" not in run("outbox", "list").out
        later = run("drain", "--json")
        (blocked,) = [line for line in later.log if line["event"] == "lane.blocked"]
        assert "restart" in blocked["hint"], "each process says it: its log is all somebody has"
        slack.always = None
        assert effects(run("drain", "--json")) == (3, 0, 0)

    def test_a_retry_says_how_long_slack_wants_to_be_left_alone(self, run, emulator, queue, slack):
        slack.always = rate_limited("600")
        emulator.send(queue, mail.bounce("jane@example.com"))
        run("drain")
        retried = run("outbox", "retry", "1").out
        assert retried.startswith(
            "1 effect will be retried\nslack delivers nothing: 1 failure; next try "
        )

    def test_notices_without_a_slack_setting_are_counted_and_reported(
        self, run, emulator, queue, slack, either_store
    ):
        slack.always = broken(503)
        emulator.send(queue, mail.bounce("jane@example.com"))
        run("drain")
        done = run("drain", "--json", SES_WORKER_SLACK__WEBHOOK_URL=None)
        assert effects(done) == (0, 1, 0)
        (output,) = [line for line in done.log if line["event"] == "outbox.no_sender"]
        assert (output["lane"], output["effects"]) == ("slack", 1)
        assert run("outbox", "discard", "--yes", "--parked").out == "0 discarded\n"
        requested = run("outbox", "discard", "--waiting")
        assert (requested.status, "use --yes" in requested.err) == (2, True)
        done = run("outbox", "discard", "--yes", "--waiting")
        assert (done.status, done.out, done.err) == (0, "1 discarded\n", "")

    def test_a_message_that_slack_rejects_is_simplified_then_parked_and_reported(
        self, run, emulator, queue, slack
    ):
        slack.fail(refused(400, "invalid_blocks"), refused(400, "invalid_blocks"))
        emulator.send(queue, mail.bounce("jane@example.com"))
        done = run("drain", "--json")
        assert effects(done) == (1, 0, 1)
        (notice,) = slack.posts
        assert "parked" in json.dumps(notice).lower()
        (parked,) = run("outbox", "list", "--json").json["effects"]
        assert (parked["state"], parked["kind"]) == ("parked", "bounce_notice")

    def test_what_is_parked_can_be_retried_or_discarded(self, run, emulator, queue, slack):
        slack.fail(*[refused(400, "invalid_blocks")] * 4)
        for number in range(2):
            emulator.send(queue, mail.bounce(f"user{number}@example.com"))
        run("drain")
        assert run("outbox", "discard", "--yes", "1").out == "1 discarded\n"
        again = run("outbox", "discard", "--yes", "1")
        assert again.status == 1
        assert "#1 is discarded" in again.err
        other = run("outbox", "retry", "2", "9", "--kind", "removal")
        assert (other.status, other.out) == (1, "0 effects will be retried\n")
        assert "#2 is a bounce_notice, not a removal" in other.err
        assert "#9 does not exist" in other.err
        kind = ("--kind", "bounce_notice")
        done = run("outbox", "retry", "--parked", *kind)
        assert (done.status, done.out, done.err) == (0, "1 effect will be retried\n", "")
        done = run("drain", "--json")
        assert effects(done)[1:] == (0, 0)
        assert "BOUNCE: user1@example.com" in texts(slack)
        assert run("outbox", "list", "--state", "discarded", "--json").json["total"] == 1

    @pytest.mark.parametrize("arguments", [[], ["1", "--parked"]])
    def test_retry_needs_a_selection_of_effects(self, run, arguments):
        assert run("outbox", "retry", *arguments).status == 2


class TestSuppressionList:
    @pytest.fixture(autouse=True)
    def _removals_enabled(self, environment, ses):
        environment[REMOVE] = '["@example.com"]'

    def test_an_address_is_removed_and_a_notice_is_posted(self, run, emulator, queue, slack, ses):
        ses.list_address("Jane@example.com")
        emulator.send(queue, mail.bounce("Jane@Example.com"))
        done = run("drain", "--json")
        assert effects(done) == (3, 0, 0)
        assert ses.listed == []
        assert [call.operation for call in ses.calls] == [
            "GetSuppressedDestination", "DeleteSuppressedDestination", "GetSuppressedDestination",
            "GetSuppressedDestination",
        ]  # fmt: skip
        assert sorted(texts(slack)) == ["BOUNCE: Jane@Example.com", "DELETE: Jane@example.com"]
        deleted = next(post for post in slack.posts if post["text"].startswith("DELETE"))
        for word in ("Delete notification", "*Deleted!*", "BOUNCE", "LastUpdateTime"):
            assert word in shown(deleted), word

    def test_without_slack_it_is_taken_off_all_the_same(self, run, emulator, queue, ses):
        ses.list_address("jane@example.com")
        emulator.send(queue, mail.bounce("jane@example.com"))
        assert effects(run("drain", "--json")) == (1, 0, 0)
        assert ses.listed == []

    def test_who_is_ignored_or_does_not_match_stays(
        self, run, emulator, queue, slack, ses, environment
    ):
        environment[IGNORE] = '["jane@example.com"]'
        for address in ("jane@example.com", "joe@other.example"):
            ses.list_address(address)
            emulator.send(queue, mail.bounce(address))
        emulator.send(queue, mail.complaint("joan@example.com"))
        run("drain")
        assert ses.calls == []

    def test_an_entry_for_a_complaint_stays_and_a_notice_is_posted(
        self, run, emulator, queue, slack, ses
    ):
        ses.list_address("jane@example.com", "COMPLAINT")
        emulator.send(queue, mail.bounce("jane@example.com"))
        run("drain")
        assert ses.listed == ["jane@example.com"]
        assert "NOT DELETED: jane@example.com" in texts(slack)

    def test_not_listed_yet_waits_and_hides_no_notice(self, run, emulator, queue, slack, ses):
        emulator.send(queue, mail.bounce("jane@example.com"))
        done = run("drain", "--json")
        assert effects(done) == (1, 1, 0)
        assert texts(slack) == ["BOUNCE: jane@example.com"]

    def test_denied_access_is_the_operators_and_slack_goes_on(
        self, run, emulator, queue, slack, ses
    ):
        ses.fail(ACCESS_DENIED)
        emulator.send(queue, mail.bounce("jane@example.com"))
        done = run("drain", "--json")
        assert effects(done) == (2, 0, 1)
        assert "ses:GetSuppressedDestination" in done.err
        (parked,) = (post for post in slack.posts if post["text"].startswith("PARKED: removal"))
        assert "ses:GetSuppressedDestination" in shown(parked)
        assert effects(run("drain", "--json")) == (0, 0, 1), "it is logged once"

    @pytest.mark.parametrize("refused", [ACCESS_DENIED, BAD_REQUEST])
    def test_what_ses_would_not_delete_is_not_reported_as_removed(
        self, run, emulator, queue, ses, refused
    ):
        ses.list_address("jane@example.com")
        ses.fail(refused, on="DeleteSuppressedDestination")
        emulator.send(queue, mail.bounce("jane@example.com"))
        run("drain")
        reported = run("why", "jane@example.com").out
        text = " ".join(reported.split())
        assert "Outbox #1 set out to take it off the suppression list" in text
        assert "Taken off" not in reported
        assert "suppression restore" not in reported

    @pytest.mark.parametrize("refused", [ACCESS_DENIED, Refuse(400, "BrandnewException")])
    def test_without_slack_parked_effects_enqueue_no_notice(
        self, run, emulator, queue, ses, refused
    ):
        ses.fail(refused)
        emulator.send(queue, mail.bounce("jane@example.com"))
        assert effects(run("drain", "--json")) == (0, 0, 1)

    def test_a_pattern_that_was_taken_back_takes_nobody_off(
        self, run, emulator, queue, slack, ses, environment
    ):
        ses.list_address("jane@example.com")
        ses.list_address("joe@example.com")
        ses.fail(ACCESS_DENIED)
        emulator.send(queue, mail.bounce("jane@example.com"))
        emulator.send(queue, mail.bounce("joe@example.com"))
        run("drain")
        slack.posts.clear()
        ses.recover()
        environment[REMOVE] = environment[IGNORE] = '["joe@example.com"]'
        run("drain")
        assert sorted(ses.listed) == ["jane@example.com", "joe@example.com"]
        assert [text for text in texts(slack) if "DELETE" in text] == [
            "NOT DELETED: jane@example.com"
        ]

    def test_restore_names_the_permission_that_is_missing(self, run, emulator, queue, ses):
        ses.list_address("jane@example.com")
        emulator.send(queue, mail.bounce("jane@example.com"))
        run("drain")
        ses.fail(ACCESS_DENIED, on="PutSuppressedDestination")
        done = run("suppression", "restore", "jane@example.com")
        assert done.status == 1
        assert "ses:PutSuppressedDestination" in done.err

    def test_an_address_with_a_slash_is_reported_and_not_looked_up(
        self, run, emulator, queue, slack, ses
    ):
        emulator.send(queue, mail.bounce("a/b@example.com"))
        assert effects(run("drain", "--json")) == (3, 0, 0)
        assert ses.calls == []

    def test_what_was_taken_off_can_be_put_back(self, run, emulator, queue, slack, ses):
        ses.list_address("Jane@example.com")
        emulator.send(queue, mail.bounce("Jane@example.com"))
        run("drain")
        assert ses.listed == []
        reported = run("why", "jane@example.com")
        assert "suppression restore jane@example.com" in reported.out
        done = run("suppression", "restore", "JANE@example.com")
        assert done.status == 0, done.err
        assert ses.listed == ["Jane@example.com"]
        assert "put back" in run("why", "jane@example.com").out

    def test_nothing_to_restore_is_reported(self, run, emulator, queue, ses):
        run("db", "upgrade")
        done = run("suppression", "restore", "jane@example.com")
        assert done.status == 1
        assert "has not removed" in done.err

    def test_requests_to_ses_are_a_second_apart(
        self, run, emulator, queue, slack, ses, environment
    ):
        environment["SES_WORKER_SUPPRESSION__REQUESTS_PER_SECOND"] = "1"
        ses.list_address("jane@example.com")
        emulator.send(queue, mail.bounce("jane@example.com"))
        run("drain")
        times = [call.at for call in ses.calls]
        assert len(times) == 3
        assert_a_second_apart(times)


def test_a_burst_of_bounces_by_our_own_fault_is_an_incident_in_a_post_of_its_own(
    run, emulator, queue, slack, environment
):
    for number in range(60):
        reply = f"554 5.7.1 <person{number}@example.com> blocked using zen.spamhaus.org"
        entry = mail.recipient(f"person{number}@example.com", diagnosticCode=reply)
        emulator.send(queue, mail.bounce(entry))
    done = run("drain")
    incidents = [post for post in slack.posts if post["text"].startswith("OWN FAULT: ")]
    assert len(incidents) == 1
    shown = json.dumps(incidents)
    assert "check SPF, DKIM and DMARC" in shown
    assert "***@example.com" in shown
    assert "person" not in shown
    assert '"bounces.own_faults"' in done.err
    output = run("why", "person7@example.com", "--json").json
    assert [event["fault"] for event in output["events"]] == ["sender"]


class TestWhy:
    def test_it_shows_events_decisions_and_effects(self, run, emulator, queue, slack):
        run("users", "import", "-", input="email\njane@example.com\n")
        emulator.send(queue, mail.bounce("Jane@example.com"))
        run("drain")
        reported = run("why", "jane@example.com")
        for word in ("hard_bounce", "permanent", "bounce_notice", "delivered", "paused until"):
            assert word in reported.out, word
        output = run("why", "jane@example.com", "--json").json
        assert output["user"]["hard_bounce_count"] == 1
        assert [event["action"] for event in output["events"]] == ["hard_bounce"]
        assert [effect["state"] for effect in output["effects"]] == ["delivered"]
        assert "bouncedRecipients" in output["effects"][0]["payload"]["message"]
        assert "bouncedRecipients" in run("why", "jane@example.com", "--messages").out

    def test_of_what_came_in_a_burst_it_says_that_the_message_is_not_kept(
        self, run, emulator, queue, slack, environment
    ):
        environment["SES_WORKER_QUEUE__POLLERS"] = "1"  # so that all are one commit
        for number in range(12):
            emulator.send(queue, mail.bounce(f"person{number}@example.com"))
        run("drain")
        output = [run("why", f"person{n}@example.com", "--messages").out for n in range(12)]
        assert sum("bouncedRecipients" in item for item in output) == 10
        lost = [item for item in output if item.rstrip().endswith("retention.messages_days.")]
        assert len(lost) == 2

    def test_of_an_address_that_is_not_on_record_it_says_so(self, run):
        run("db", "upgrade")
        done = run("why", "nobody@example.com")
        assert done.status == 1
        assert "nothing is on record" in done.err

    def test_what_concerns_others_is_not_shown(self, run, emulator, queue, slack):
        for address in ("jane@example.com", "joe@example.com"):
            emulator.send(queue, mail.bounce(address))
        run("drain")
        output = run("why", "jane@example.com", "--json").out
        assert "joe@example.com" not in output


class TestDaemon:
    def test_a_team_learns_of_a_bounce_within_seconds(self, start, emulator, queue, slack):
        daemon = start("run", SES_WORKER_QUEUE__WAIT_SECONDS="1")
        emulator.send(queue, mail.bounce("jane@example.com"))
        deadline = time.monotonic() + 20
        while not slack.posts and time.monotonic() < deadline:
            time.sleep(0.05)
        assert texts(slack) == ["BOUNCE: jane@example.com"]
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(30) == 0

    def test_a_stop_does_not_wait_for_an_outage_of_slack(self, start, emulator, queue, slack):
        slack.always = broken(503)
        daemon = start("run", SES_WORKER_QUEUE__WAIT_SECONDS="1")
        emulator.send(queue, mail.bounce("jane@example.com"))
        deadline = time.monotonic() + 20
        while not slack.requests and time.monotonic() < deadline:
            time.sleep(0.05)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(15) == 0


NOTICE_STEPS = ["claimed", "posting", "posted", "marked"]
REMOVAL_STEPS = ["looked-up", "entry-kept", "taken-off", "removal-finished"]


def lease_over(environment):
    """Have every lease end, as if a minute and four had passed."""
    from worker.store import open_store
    from worker.store.schema import limits, outbox

    store = open_store(environment["SES_WORKER_STORE__URL"])
    with closing(store), store.write_transaction() as connection:
        connection.execute(outbox.update().values(due_at=mail.NOW))
        connection.execute(limits.update().values(next_at=mail.NOW, next_slot=mail.NOW))


class TestKills:
    @pytest.mark.parametrize("step", NOTICE_STEPS)
    def test_a_kill_loses_no_notice_and_repeats_at_most_a_single_notice(
        self, failing, run, emulator, queue, slack, environment, either_store, step
    ):
        for number in range(3):
            emulator.send(queue, mail.bounce(f"user{number}@example.com"))
        assert failing(step, "kill", "drain").status == -9
        lease_over(environment)
        done = run("drain", "--json")
        assert effects(done)[1:] == (0, 0)
        assert set(texts(slack)) == {f"BOUNCE: user{n}@example.com" for n in range(3)}
        assert len(slack.posts) == (4 if step == "posted" else 3)
        numbers = {re.search(r"outbox #\d+", shown(post))[0] for post in slack.posts}
        assert len(numbers) == 3, "a notice that is posted again has the same"

    @pytest.mark.parametrize("step", REMOVAL_STEPS)
    def test_a_kill_during_a_removal_is_reported_truthfully_afterwards(
        self, failing, run, emulator, queue, slack, ses, environment, either_store, step
    ):
        environment[REMOVE] = '["@example.com"]'
        ses.list_address("jane@example.com")
        emulator.send(queue, mail.bounce("jane@example.com"))
        assert failing(step, "kill", "drain").status == -9
        lease_over(environment)
        done = run("drain", "--json")
        assert effects(done)[1:] == (0, 0)
        assert ses.listed == []
        (deleted,) = (post for post in slack.posts if post["text"].startswith("DELETE"))
        assert "*Deleted!*" in shown(deleted)
        assert "LastUpdateTime" in shown(deleted), "the entry as it was"
