"""The wrapper runs as root: what arrives of arguments and environment, and which files it touches."""

import json
import shlex

import pytest

PROGRAM = """#!/opt/ses-worker/bin/python
import json, os, resource, subprocess, sys
if os.path.exists("/srv/hook"):
    subprocess.run(["/bin/sh", "/srv/hook"], check=True)
print(json.dumps({
    "arguments": sys.argv[3:],  # without --config FILE
    "environment": dict(os.environ),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "input": "" if sys.stdin.isatty() else sys.stdin.read(),
}))
"""


@pytest.fixture
def wrapper(machine, service):
    """Call the wrapper with a program that shows how it was called."""
    worker = service("wrapped")
    machine.run(
        "mv /opt/ses-worker/bin/ses-worker /opt/ses-worker/bin/kept; install -d -m 700 /srv/w"
    )
    machine.write("/opt/ses-worker/bin/ses-worker", PROGRAM, "755")
    machine.run("install -d -o ses-worker -g ses-readers -m 2750 /var/lib/ses-worker-wrapped")

    def call(*arguments, before="", input="", check=True):
        command = shlex.join(["ses-worker", "--instance", worker.name, *arguments])
        done = machine.try_to(f"cd /srv/w; {before} {command}", input)
        assert not check or done.status == 0, done
        return done

    call.machine, call.worker = machine, worker
    yield call
    machine.run(
        "mv /opt/ses-worker/bin/kept /opt/ses-worker/bin/ses-worker; rm -rf /srv/w /srv/hook"
    )


ODD = [
    "", " ", "a b", "'", '"', "\\", "\\n", "a\\", "$HOME", "${HOME}", "$$", "$(touch /srv/w/hit)",
    "`touch /srv/w/hit`", "%i", "%%", "%n", ";", "&", "|", "*", "?", "[a]", "~", "!", "#", "a\nb",
    "\t", "--", "-", "-x", "é", "\u202e", "a=b", "{1,2}", "@", "+", ":", "value",
]  # fmt: skip


def test_every_argument_arrives_as_it_was_typed(wrapper):
    assert json.loads(wrapper("why", *ODD).out)["arguments"] == ["why", *ODD]
    assert wrapper.machine.run("ls /srv/w") == ""


def test_nothing_of_the_callers_environment_arrives_or_is_run(wrapper):
    machine = wrapper.machine
    machine.write("/srv/evil/systemctl", "#!/bin/sh\ntouch /srv/evil/hit\n", "755")
    machine.write("/srv/evil/env", "touch /srv/evil/hit\n")
    hostile = [
        "env", "PATH=/srv/evil:/usr/bin:/usr/local/bin:/bin", "BASH_ENV=/srv/evil/env",
        "BASH_FUNC_systemctl%%=() { touch /srv/evil/hit; }", "IFS=/", "CDPATH=/srv", "before=--csv",
        "partial=/srv/evil/env", "skip=all", "whole=x", "PYTHONPATH=/srv/evil", "SHELLOPTS=xtrace",
        "SES_WORKER_STORE__URL=sqlite:////srv/evil/x.db", "CREDENTIALS_DIRECTORY=/srv/evil",
        "RUNTIME_DIRECTORY=/srv/evil", "TMPDIR=/srv/evil", "POSIXLY_CORRECT=1", "GLOBIGNORE=*",
        "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/srv/evil/bus", "SYSTEMD_UNIT_PATH=/srv/evil",
    ]  # fmt: skip
    done = wrapper("users", "list", before=shlex.join(hostile))
    arrived = json.loads(done.out)["environment"]
    assert machine.run("ls /srv/evil") == "env\nsystemctl\n"
    assert "/srv/evil" not in json.dumps(arrived)
    assert not {"PYTHONPATH", "SES_WORKER_STORE__URL", "BASH_ENV"} & {*arrived}
    assert arrived["RUNTIME_DIRECTORY"] == "/run/ses-worker-wrapped"
    assert arrived["AWS_SHARED_CREDENTIALS_FILE"].startswith("/run/credentials/ses-worker-command-")
    assert "+ " not in done.err
    machine.run("rm -r /srv/evil")


def test_what_a_drop_in_says_on_several_lines_counts_whole(wrapper):
    machine, worker = wrapper.machine, wrapper.worker
    path = f"/etc/systemd/system/{worker.unit}.d/lines.conf"
    text = (
        "# a comment that ends with \\\n[Service]\nEnvironment = ONE=1 \\\n; between\n  'TWO=2 2'\n"
    )
    machine.write(path, text + 'Environment="THREE=%i"\n')
    machine.run("systemctl daemon-reload")
    arrived = json.loads(wrapper("users", "list").out)["environment"]
    machine.run(f"rm {path}; systemctl daemon-reload")
    assert [arrived.get(name) for name in ("ONE", "TWO", "THREE")] == ["1", "2 2", "wrapped"]


def test_a_command_leaves_no_core_dump(wrapper):
    assert json.loads(wrapper("users", "list").out)["core"] == [0, 0]


class TestFiles:
    def test_the_value_of_an_option_is_not_taken_for_the_file(self, wrapper):
        wrapper("users", "export", "--since", "7d", "--reason", "x", "--blocked", "my people.csv")
        assert wrapper.machine.run("ls /srv/w") == "my people.csv\n"
        arguments = json.loads(wrapper.machine.run("cat '/srv/w/my people.csv'"))["arguments"]
        assert arguments == [
            "users", "export", "--since", "7d", "--reason", "x", "--blocked", "-",
        ]  # fmt: skip
        assert wrapper("users", "export", "--domain", "example.com").out.startswith("{")

    @pytest.mark.parametrize("name", ["-dash.csv", "a\nb\n", "value.csv", "$x", "*"])
    def test_a_file_may_have_any_name(self, wrapper, name):
        quoted = shlex.quote(f"/srv/w/{name}")
        wrapper.machine.run(f"printf people > {quoted}; chmod 600 {quoted}")
        options = ["--"] if name.startswith("-") else []
        found = json.loads(wrapper("users", "import", *options, name).out)
        assert found["input"] == "people"
        assert found["arguments"] == ["users", "import", *options, "-"]
        wrapper("users", "export", *options, name)
        assert wrapper.machine.run(f"cat {quoted}").startswith("{")
        assert wrapper.machine.run("ls -A /srv/w | wc -l") == f"{1 + name.count(chr(10))}\n"

    def test_a_link_of_the_callers_is_kept_and_its_target_replaced(self, wrapper):
        machine = wrapper.machine
        machine.run("cd /srv/w; echo old > target; chmod 4750 target; ln -s target link")
        wrapper("users", "export", "link")
        assert machine.run("readlink /srv/w/link") == "target\n"
        assert machine.run("cat /srv/w/target").startswith("{")
        assert machine.run("stat --format %a /srv/w/target") == "750\n", "no setuid bit is copied"

    @pytest.mark.parametrize("command", ["import", "export"])
    def test_a_link_of_another_user_is_not_followed(self, wrapper, command):
        machine = wrapper.machine
        machine.run(
            "cp /etc/shadow /srv/w/secret; cd /srv/w; ln -s secret link; chown -h outsider link"
        )
        done = wrapper("users", command, "link", check=False)
        assert (done.status, done.out) == (1, "")
        assert "link is a symbolic link of outsider: name the file itself" in done.err
        machine.run("cmp /etc/shadow /srv/w/secret")

    def test_a_link_that_takes_the_place_of_the_unfinished_file_harms_nobody(self, wrapper):
        machine = wrapper.machine
        machine.run("echo kept > /srv/victim; chmod 600 /srv/victim; chmod 777 /srv/w")
        machine.write(
            "/srv/hook",
            "cd /srv/w; for x in .ses-worker-*; do rm -f $x; ln -s /srv/victim $x; done",
        )
        machine.run("echo old > /srv/w/people.csv; chown outsider /srv/w/people.csv")
        wrapper("users", "export", "people.csv", check=False)
        assert (
            machine.run("cat /srv/victim; stat --format '%U %a' /srv/victim") == "kept\nroot 600\n"
        )
        machine.run("rm /srv/victim")

    def test_a_backup_replaces_no_file_that_has_come_meanwhile(self, wrapper):
        wrapper.machine.run("chmod 1777 /srv/w")
        wrapper.machine.write("/srv/hook", "echo theirs > /srv/w/backup.db")
        done = wrapper("db", "backup", "backup.db", check=False)
        assert (done.status, "exists, and a backup replaces nothing" in done.err) == (1, True)
        assert wrapper.machine.run("cat /srv/w/backup.db; ls -A /srv/w") == "theirs\nbackup.db\n"

    def test_a_backup_has_its_name_when_it_is_complete(self, wrapper):
        wrapper("db", "backup", "backup.db")
        assert wrapper.machine.run("ls -A /srv/w; stat --format %a /srv/w/*") == "backup.db\n600\n"

    def test_with_all_the_argument_is_an_address_and_no_file(self, wrapper):
        found = json.loads(wrapper("users", "export", "jane@example.com", "--all").out)
        assert found["arguments"] == ["users", "export", "jane@example.com", "--all"]
        assert wrapper.machine.run("ls -A /srv/w") == ""

    @pytest.mark.parametrize("option", ["--csv", "--html", "--jsonl", "--output"])
    @pytest.mark.parametrize("joint", [" ", "="])
    def test_no_other_file_is_written_by_the_services_user(self, wrapper, option, joint):
        done = wrapper("events", "export", *f"{option}{joint}x".split(), check=False)
        assert (done.status, f"use {option} - > x" in done.err) == (2, True)
        assert wrapper("events", "export", *f"{option}{joint}-".split()).status == 0


def test_a_secret_that_everybody_may_read_is_named(wrapper):
    machine, file = wrapper.machine, "/etc/credstore/ses-worker.wrapped.slack_token"
    machine.write(file, "xoxb-1", "644")
    closed = wrapper("users", "list").err
    machine.run("chmod 755 /etc/credstore")
    error = wrapper("users", "list").err
    machine.run(f"chmod 700 /etc/credstore; rm {file}")
    assert closed == ""
    assert error == f"ses-worker: every user of this machine may open {file}: chmod 600 {file}\n"
