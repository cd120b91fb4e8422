"""`users reinstate --also-suppression-list`: an address leaves SES's suppression list, too."""

import json
import re
import signal
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from support import mail
from support.running import COMMAND, patched, to_its_end

from simulators.ses.faults import ACCESS_DENIED, SERVICE_UNAVAILABLE
from worker.core.effects import ASKED_REMOVALS

JANE = "jane@example.com"
REASON = ("--reason", "she wrote to us")
REINSTATE = ("users", "reinstate", JANE, *REASON, "--also-suppression-list")
IMPATIENT = "import worker.commands.asked_removals as it; it.IDLE_SECONDS = 3"
DELETE = "DeleteSuppressedDestination"
REMOVAL_POLICY = {
    "SES_WORKER_SUPPRESSION__REMOVE": '["@other.example"]',
    "SES_WORKER_SUPPRESSION__MOST_REMOVALS": "1",
}


def recent(hours):
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


def paused(run, emulator, queue, address=JANE):
    run("users", "import", "-", input=f"email\n{address}\n")
    emulator.send(queue, mail.bounce(address, at=recent(1)))
    run("drain")


def lease_over(environment):
    """Have the leases of a process that was killed end, as if minutes had passed."""
    from worker.store import open_store
    from worker.store.schema import limits, outbox

    store = open_store(environment["SES_WORKER_STORE__URL"])
    with closing(store), store.write_transaction() as connection:
        connection.execute(outbox.update().values(due_at=mail.NOW))
        connection.execute(limits.update().values(next_at=mail.NOW, next_slot=mail.NOW))


def deletions(ses):
    return [call for call in ses.calls if call.operation == DELETE]


def removal_of(run):
    (effect,) = run("outbox", "list", "--state", "delivered", "--kind", "removal", "--json").json[
        "effects"
    ]
    return effect


class TestDecidedByAPerson:
    @pytest.mark.parametrize("reason", ["BOUNCE", "COMPLAINT"])
    def test_an_address_leaves_the_list_whatever_put_it_there(
        self, run, emulator, queue, ses, either_store, reason
    ):
        """`suppression.remove` is empty: no pattern asks for it."""
        paused(run, emulator, queue)
        ses.list_address(JANE, reason)
        done = run(*REINSTATE)
        assert (done.status, ses.listed) == (0, []), done.err
        assert done.out == (
            "1 reinstated (0 blocked, 1 paused), 0 neither paused nor blocked, 0 refused\n"
            "SES's suppression list: 1 taken off, 0 not on it\n"
        )
        assert re.search(rf"{JANE}: removed \(listed for {reason}, requested by \S+\)", done.err), (
            done.err
        )
        assert "may still refuse" not in done.err
        assert run("may-send", JANE).status == 0

    def test_the_removal_policy_does_not_count(self, run, emulator, queue, ses, environment):
        environment.update(REMOVAL_POLICY)
        run("db", "upgrade")
        for _ in range(3):
            ses.list_address(JANE, "COMPLAINT")
            assert run(*REINSTATE).status == 0
            assert ses.listed == []
        assert len(deletions(ses)) == 3

    def test_the_history_says_who_decided_it_and_why(self, run, emulator, queue, ses, slack):
        paused(run, emulator, queue)
        ses.list_address(JANE)
        run(*REINSTATE, SUDO_USER="mary")
        answer = run("why", JANE, "--json").json
        lifted = answer["events"][-1]
        assert (lifted["kind"], lifted["type"], lifted["diagnostic"]) == (
            "reinstatement", "mary", REASON[1],
        )  # fmt: skip
        removals = [effect for effect in answer["effects"] if effect["kind"] == "removal"]
        assert [(removal["state"], removal["result"]) for removal in removals] == [
            ("delivered", "removed: listed for BOUNCE, requested by mary")
        ]
        assert removals[0]["payload"]["why"] == REASON[1]
        shown = " ".join(run("why", JANE).out.split())
        assert "mary lifted pause and block, and requested to take the address off SES's" in shown
        assert "suppression restore jane@example.com" in shown
        run("drain")
        (post,) = (post for post in slack.posts if post["text"].startswith("DELETE"))
        assert "mary" in json.dumps(post)
        assert REASON[1] in json.dumps(post)

    def test_the_list_of_a_tenant_is_another_list(self, run, emulator, queue, ses):
        run("db", "upgrade")
        ses.list_address(JANE)
        ses.list_address(JANE, tenant="acme")
        done = run(*REINSTATE, "--tenant", "acme")
        assert done.status == 0, done.err
        assert "the suppression list of tenant acme: 1 taken off" in done.out
        assert (ses.listed, ses.listed_for("acme")) == ([JANE], [])
        (call,) = deletions(ses)
        assert call.tenant == "acme"

    def test_an_address_is_found_in_the_spelling_of_the_mail(self, run, emulator, queue, ses):
        paused(run, emulator, queue, "Jane.Doe@Example.com")
        ses.list_address("Jane.Doe@example.com")
        address = "jane.doe@example.com"
        done = run("users", "reinstate", address, *REASON, "--also-suppression-list")
        assert (done.status, ses.listed) == (0, []), done.err

    def test_what_is_not_listed_is_reported_at_once(self, run, emulator, queue, ses):
        paused(run, emulator, queue)
        done = run(*REINSTATE, "--json")
        assert done.status == 0
        assert done.json["suppression_list"] == {
            "requested": 1, "removed": 0, "not_listed": 1, "parked": 0, "waiting": 0, "error": "",
        }  # fmt: skip

    def test_an_address_that_is_free_here_leaves_the_list_and_becomes_no_user(
        self, run, emulator, queue, ses, either_store
    ):
        paused(run, emulator, queue, "other@example.com")
        ses.list_address(JANE)
        done = run(*REINSTATE, "--json")
        assert (done.status, ses.listed) == (0, [])
        assert done.json["not_barred"] == 1
        assert run("users", "show", JANE).status == 1
        assert run("why", JANE, "--json").json["events"][0]["kind"] == "reinstatement"


class TestWhatCannotBeDoneNow:
    def test_credentials_that_may_not_leave_it_to_a_worker(
        self, run, emulator, queue, ses, daemon, either_store
    ):
        """The lane of the worker is not blocked by what the operator may not do."""
        paused(run, emulator, queue)
        ses.list_address(JANE)
        ses.fail(ACCESS_DENIED, on=DELETE)
        done = run(*REINSTATE, "--json")
        assert done.status == 1
        listed = done.json["suppression_list"]
        assert (listed["waiting"], listed["parked"]) == (1, 0)
        assert "allow ses:DeleteSuppressedDestination" in listed["error"]
        assert run("outbox", "list", "--json").json["problems"] == []
        assert run("may-send", JANE).status == 0, "reinstated all the same"

        ses.recover()
        worker = daemon()
        worker.wait_for("asked_removals.found")
        worker.wait_for("effect.delivered")
        assert ses.listed == []
        assert worker.stop()[0] == 0

    def test_a_drain_does_it_without_any_setting(
        self, run, emulator, queue, ses, environment, tmp_path
    ):
        ses.list_address(JANE)
        ses.fail(SERVICE_UNAVAILABLE)
        run("db", "upgrade")
        done = to_its_end([*patched(IMPATIENT), *REINSTATE], environment, tmp_path)
        assert done.status == 1
        assert "1 removal could not be done now (" in done.err
        assert " drain`; " in done.err
        ses.recover()
        lease_over(environment)
        done = run("drain", "--json")
        assert done.json["effects_delivered"] == 1, (done.out, done.err)
        assert ses.listed == []
        assert "outbox.no_sender" not in done.err

    def test_asking_again_does_not_enqueue_it_twice(self, run, emulator, queue, ses):
        ses.list_address(JANE)
        ses.fail(ACCESS_DENIED, on=DELETE)
        run("db", "upgrade")
        assert run(*REINSTATE).status == 1
        ses.recover()
        assert run(*REINSTATE).status == 0
        assert removal_of(run)["lane"] == ASKED_REMOVALS
        assert len([call for call in deletions(ses) if call.status == 200]) == 1

    @pytest.mark.parametrize("step", ["claimed", "looked-up", "entry-kept", "taken-off", "marked"])
    def test_a_kill_loses_nothing_and_repeats_nothing_that_harms(
        self, failing, run, emulator, queue, ses, environment, either_store, step
    ):
        paused(run, emulator, queue)
        ses.list_address(JANE)
        assert failing(step, "kill", *REINSTATE).status == -signal.SIGKILL
        assert run("may-send", JANE).status == 0
        lease_over(environment)
        run("drain")
        assert ses.listed == []
        assert removal_of(run)["result"].startswith("removed")
        assert len([call for call in deletions(ses) if call.status == 200]) == 1

    def test_a_removal_that_is_done_late_spares_a_newer_entry(
        self, failing, run, emulator, queue, ses, environment
    ):
        """The decision was about what was known then."""
        run("db", "upgrade")
        ses.list_address(JANE)
        assert failing("claimed", "kill", *REINSTATE).status == -signal.SIGKILL
        ses.list_address(JANE, "COMPLAINT", updated_at=time.time() + 5)
        lease_over(environment)
        run("drain")
        assert ses.listed == [JANE]
        assert removal_of(run)["result"].startswith("kept_newer: listed for COMPLAINT after")

    def test_an_address_that_ses_cannot_name_is_an_error(self, run, ses):
        run("db", "upgrade")
        address = "a/b@example.com"
        done = run("users", "reinstate", address, *REASON, "--also-suppression-list")
        assert done.status == 1
        assert "a/b@example.com: not possible" in done.err


class TestMany:
    def test_from_standard_input(self, run, emulator, queue, ses):
        run("db", "upgrade")
        who = [f"user{number}@example.com" for number in range(8)]
        for address in who[:5]:
            ses.list_address(address)
        lines = "\n".join([*who, who[0]])
        arguments = ("users", "reinstate", "-", *REASON, "--also-suppression-list")
        dry = run(*arguments, "--dry-run", input=lines)
        assert "8 would be taken off SES's suppression list" in dry.out
        assert (len(ses.listed), ses.calls) == (5, [])
        done = run(*arguments, "--json", input=lines)
        assert done.status == 0, done.err
        listed = done.json["suppression_list"]
        assert (listed["requested"], listed["removed"], listed["not_listed"]) == (8, 5, 3)
        assert ses.listed == []

    def test_an_interrupt_says_what_is_still_to_do(
        self, start, run, emulator, queue, ses, environment, tmp_path
    ):
        run("db", "upgrade")
        environment["SES_WORKER_SUPPRESSION__REQUESTS_PER_SECOND"] = "2"
        who = [f"user{number}@example.com" for number in range(20)]
        for address in who:
            ses.list_address(address)
        (tmp_path / "who").write_text("\n".join(who))
        program = ("sh", "-c", f'exec {COMMAND} "$@" < {tmp_path}/who', "sh")
        arguments = ("users", "reinstate", "-", *REASON, "--also-suppression-list")
        process = start(*arguments, program=program)
        while len(ses.listed) == len(who):
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 1
        assert "still to do" in process.stdout.read()
        environment["SES_WORKER_SUPPRESSION__REQUESTS_PER_SECOND"] = "100"
        run("drain")
        assert ses.listed == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--tenant", "acme"), "--tenant needs --also-suppression-list"),
        (("--also-suppression-list", "--tenant", " "), "must be the name of a tenant"),
        (("--also-suppression-list", "--tenant", "x" * 65), "more than 64 characters"),
    ],
)
def test_a_tenant_is_a_name(run, arguments, error):
    done = run("users", "reinstate", JANE, *REASON, *arguments)
    assert done.status == 2
    assert error in done.err
