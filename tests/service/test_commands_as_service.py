"""`ses-worker` on a service's host: commands as the unit would run them, under the real systemd."""

import json
import re
from itertools import count

import pytest
from support import mail

NUMBERS = count(1)


@pytest.fixture
def worker(service):
    """A service with a state of its own: the machine keeps its state for the session."""
    return service(f"checked{next(NUMBERS)}")


def test_users_come_in_by_standard_input_and_are_the_services_own(worker):
    machine, command = worker.machine, f"ses-worker --instance {worker.name}"
    machine.run(f"{command} users import -", "email\njane@example.com\n")
    assert worker.rows("SELECT email FROM users") == [["jane@example.com"]]
    owners = machine.run(f"stat --format '%U:%G' {worker.state}/*").split()
    assert set(owners) == {"ses-worker:ses-readers"}
    assert not machine.run("systemctl list-units --all --plain --no-legend 'ses-worker-command*'")


def test_credentials_and_the_environments_file_count(worker, slack):
    machine = worker.machine
    credential = f"/etc/credstore/ses-worker.{worker.name}.slack_webhook_url"
    machine.write(credential, slack.webhook_url, "600")
    done = machine.try_to(f"ses-worker --instance {worker.name} check")
    assert re.search(r"ok +slack:", done.out), done
    assert re.search(r"(ok|note) +queue:", done.out), (
        done
    )  # its address is in the environment's file


def test_the_exit_status_and_both_streams_are_the_commands_own(worker):
    machine, command = worker.machine, f"ses-worker --instance {worker.name}"
    done = machine.try_to(f"{command} why jane@example.com")
    assert done.status == 1
    assert not done.out
    assert "no database" in done.err
    assert machine.try_to(f"{command} such").status == 2
    worker.settings(queue="url = 'nonsense'")
    assert machine.try_to(f"{command} check").status == 78


def test_what_an_operator_changes_of_the_unit_counts_for_commands(worker):
    worker.change(Environment=f"SES_WORKER_STORE__URL=sqlite:///{worker.state}/other.db")
    worker.machine.run(f"ses-worker --instance {worker.name} db upgrade")
    assert worker.machine.run(f"ls {worker.state}/other.db")


def test_an_argument_with_a_dollar_arrives_as_it_was_typed(worker):
    command = f"ses-worker --instance {worker.name}"
    worker.machine.run(f"{command} db upgrade")
    output = worker.machine.try_to(f"{command} why 'a$HOME%i@example.com'")
    assert "a$home%i@example.com" in output.out + output.err


def test_check_live_finds_the_health_file_of_a_worker_without_a_port(worker):
    worker.systemctl("start")
    command = f"ses-worker --instance {worker.name} check --live"
    assert worker.machine.run(command).startswith(("ready", "alive"))
    assert worker.machine.run(command).startswith(("ready", "alive")), "the file stays"


def test_what_check_advises_is_for_this_worker_and_no_other_ones_settings_are_taken(worker):
    machine, command = worker.machine, f"ses-worker --instance {worker.name}"
    output = machine.try_to(f"{command} check --json").out
    (fix,) = (
        check["fix"] for check in json.loads(output)["checks"] if check["check"] == "database"
    )
    assert fix == f"{command} db upgrade"
    machine.run(fix)
    assert machine.run(f"ls {worker.database}")
    for other in (f"--config /etc/ses-worker/{worker.name}.toml", "--config=x"):
        done = machine.try_to(f"ses-worker {other} users list")
        assert (done.status, "--instance NAME" in done.err) == (2, True)


def test_on_a_terminal_a_command_gets_a_terminal_and_its_status_is_passed_on(worker):
    command = f"ses-worker --instance {worker.name}"
    done = worker.machine.try_to(f"script --return --quiet --command '{command} such' /dev/null")
    assert (done.status, "No such command" in done.out) == (2, True)


@pytest.mark.parametrize(("umask", "lacking"), [("022", "write"), ("077", "read")])
def test_a_database_owned_by_root_is_reported_with_its_fix_by_check_and_by_the_service(
    worker, emulator, umask, lacking
):
    machine, config = worker.machine, f"/etc/ses-worker/{worker.name}.toml"
    machine.run(f"install -d -o ses-worker -g ses-readers -m 2750 {worker.state}")
    upgrade = f"/opt/ses-worker/bin/ses-worker db upgrade --config {config}"
    machine.run(f"cd {worker.state} && umask {umask} && {upgrade}")
    output = machine.try_to(f"ses-worker --instance {worker.name} check --json").out
    (found,) = (check for check in json.loads(output)["checks"] if check["check"] == "database")
    assert found["status"] == "wrong"
    assert found["message"].count(f"{worker.database}: ") == 1
    reported = f"{worker.database} belongs to root, and ses-worker may not {lacking} it"
    assert reported in found["message"]
    assert found["fix"].startswith(f"chown ses-worker {worker.database} ")

    emulator.send(worker.queue, mail.bounce("jane@example.com"))
    worker.systemctl("start --no-block")
    worker.wait_for("StatusText", "^store failing since .* belongs to root, .*; Starting$")
    errors = [line["error"] for line in worker.log if line["event"] == "store.unavailable"]
    assert (found["fix"] if lacking == "write" else reported) in errors[0]
    machine.run(found["fix"])
    worker.wait_for("StatusText", "^1 received: 1 applied")


def test_a_full_disk_is_reported_by_check(worker):
    machine, command = worker.machine, f"ses-worker --instance {worker.name}"
    machine.run(f"install -d {worker.state}; mount -t tmpfs -o size=400k full {worker.state}")
    machine.run(f"{command} db upgrade; ! head -c 400k /dev/zero > {worker.state}/filling")
    output = machine.try_to(f"{command} check --json").out
    machine.run(f"umount {worker.state}")
    (found,) = (check for check in json.loads(output)["checks"] if check["check"] == "database")
    assert (found["status"], found["fix"]) == ("wrong", "make room on it")
    assert f": the disk of {worker.state} is full: " in found["message"]


class TestFiles:
    """Files are the caller's: root may read and write where the service's user may not."""

    @pytest.fixture(autouse=True)
    def folder(self, worker):
        """A folder that only the caller may enter."""
        worker.machine.run("install -d -m 700 /srv/callers")

    def test_an_import_reads_a_file_that_only_the_caller_may_read(self, worker):
        machine, command = worker.machine, f"ses-worker --instance {worker.name}"
        machine.write("/srv/callers/people.csv", "email\njane@example.com\n", "600")
        machine.run(f"cd /srv/callers && {command} users import people.csv")
        assert worker.rows("SELECT email FROM users") == [["jane@example.com"]]
        done = machine.try_to(f"cd /srv/callers && {command} users import none.csv")
        assert (done.status, "none.csv: No such file" in done.err) == (2, True)

    def test_an_export_lands_where_the_caller_says_and_is_the_callers(self, worker):
        machine, command = worker.machine, f"ses-worker --instance {worker.name}"
        machine.run(f"{command} users import -", "email\njane@example.com\n")
        machine.run(
            f"cd /srv/callers && {command} users export --nothing 2>&1 | grep -q 'No such option'"
        )
        machine.run(f"cd /srv/callers && {command} users export 'my people.csv'")
        assert "jane@example.com" in machine.run("cat '/srv/callers/my people.csv'")
        shown = machine.run("stat --format '%U %a' '/srv/callers/my people.csv'")
        assert shown == "root 600\n"
        machine.run("chmod 640 '/srv/callers/my people.csv'")
        machine.run(f"cd /srv/callers && {command} users export --blocked 'my people.csv'")
        assert "jane" not in machine.run("cat '/srv/callers/my people.csv'")
        assert machine.run("stat --format %a '/srv/callers/my people.csv'") == "640\n"
        assert machine.run("ls -A /srv/callers | grep -c ses-worker || :") == "0\n"

    def test_an_export_that_fails_leaves_the_file_as_it_was(self, worker):
        machine = worker.machine
        machine.write("/srv/callers/kept.csv", "as it was\n")
        done = machine.try_to(
            f"cd /srv/callers && ses-worker --instance {worker.name} users export kept.csv"
        )
        assert (done.status, machine.run("cat /srv/callers/kept.csv")) == (1, "as it was\n")
        assert machine.run("ls -A /srv/callers | grep -c ses-worker || :") == "0\n"

    @pytest.mark.parametrize(
        ("arguments", "advice"),
        [
            ("report --csv x.csv", "use --csv - > x.csv"),
            ("report --html=x.html", "use --html - > x.html"),
            (
                "provision --write-settings x.toml",
                "/opt/ses-worker/bin/ses-worker provision --write-settings x.toml",
            ),
        ],
    )
    def test_of_other_files_it_says_what_to_write_instead(self, worker, arguments, advice):
        done = worker.machine.try_to(f"ses-worker --instance {worker.name} {arguments}")
        assert (done.status, advice in done.err) == (2, True)


class TestWhatIsWrongWithTheInstallation:
    def test_a_misspelt_instance_is_named_before_anything_is_made(self, worker):
        machine = worker.machine
        for command in ("ses-worker --instance typo check", "systemctl start ses-worker@typo"):
            assert machine.try_to(command).status
        done = machine.try_to("ses-worker --instance typo check")
        assert done.status == 78
        assert "no settings /etc/ses-worker/typo.toml" in done.err
        assert f"{worker.name}.toml" in done.err
        assert machine.try_to("ls -d /var/lib/ses-worker-typo").status
        for wrong in ("--instance=", "--instance ''", "--instance", "--instance a/b"):
            done = machine.try_to(f"ses-worker {wrong}" + (" check" if "=" in wrong else ""))
            assert (done.status, "takes the NAME" in done.err) == (2, True)

    def test_a_unit_whose_user_cannot_be_read_runs_nothing(self, worker):
        worker.change(User="")
        done = worker.machine.try_to(f"ses-worker --instance {worker.name} db upgrade")
        assert done.status == 1
        assert f"cannot read User= of {worker.unit}" in done.err
        assert worker.machine.try_to(f"ls {worker.database}").status

    def test_misspelt_and_empty_credentials_are_named(self, worker):
        machine, store = worker.machine, f"/etc/credstore/ses-worker.{worker.name}"
        machine.write(f"{store}.slack_webhok_url", "x", "600")
        done = machine.try_to(f"ses-worker --instance {worker.name} users list")
        assert f"{store}.slack_webhok_url is not read by {worker.unit}" in done.err
        assert f"ses-worker.{worker.name}.slack_webhook_url" in done.err
        machine.run(f"rm {store}.slack_webhok_url; : > {store}.slack_token")
        done = machine.try_to(f"ses-worker --instance {worker.name} check --settings")
        assert done.status == 78
        assert f"{store}.slack_token is empty" in done.err
        machine.run(f"rm {store}.slack_token")
        assert not machine.try_to(f"ses-worker --instance {worker.name} check --settings").err


def test_only_root_may_be_the_service(worker):
    done = worker.machine.try_to("runuser -u outsider -- ses-worker check")
    assert (done.status, done.out) == (2, "")
    assert "sudo ses-worker check" in done.err
