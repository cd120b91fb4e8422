"""Who else on this machine may read or write the files of the worker, as `check` says it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from worker.commands.check.files import check_files
from worker.settings.loading import load_settings


@pytest.fixture
def folder():
    """A folder into which every user may look, unlike `tmp_path`."""
    path = Path(tempfile.mkdtemp(prefix="ses-worker-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def look(folder):
    """Check the files; return what is found, as status and message."""
    database = folder / "worker.db"
    database.touch(0o600)
    file = folder / "worker.toml"

    def look(text="", mode=0o640, **environment):
        file.write_text(f"[store]\nurl = 'sqlite:///{database}'\n{text}", encoding="utf-8")
        file.chmod(mode)
        return check_files(load_settings(environment, file), environment | {"HOME": str(folder)})

    look.file, look.database = file, database
    return look


TOKEN = "[slack]\ntoken = 'xoxb-1'\nchannel = '#x'\n"


def statuses(findings):
    return [finding.status.value for finding in findings]


def test_files_of_the_owner_alone_are_good(look):
    (finding,) = look(TOKEN)
    assert (finding.status, finding.check) == ("ok", "files")
    assert "the settings, the database" in finding.message


def test_settings_without_a_secret_may_be_read_by_everybody(look):
    assert statuses(look(mode=0o644)) == ["ok"]


def test_a_secret_in_settings_that_everybody_may_read_is_wrong(look):
    (finding,) = look(TOKEN, mode=0o644)
    assert finding.status == "wrong"
    assert finding.message.endswith(f"may read the settings, {look.file}: it has slack.token")
    assert finding.fix == f"chmod o-rw {look.file}"
    subprocess.run(finding.fix, shell=True, check=True)
    assert look.file.stat().st_mode & 0o777 == 0o640


def test_a_secret_that_a_variable_overrides_is_in_the_file_all_the_same(look):
    (finding,) = look(TOKEN, mode=0o644, SES_WORKER_SLACK__TOKEN="xoxb-2")
    assert finding.status == "wrong"


def test_settings_that_everybody_may_write_are_wrong(look):
    (finding,) = look(mode=0o646)
    assert finding.status == "wrong"
    assert f"may change the settings, {look.file}" in finding.message


def test_a_folder_in_which_everybody_may_replace_the_settings_is_wrong(look, folder):
    folder.chmod(0o777)
    (finding,) = look()
    assert finding.status == "wrong"
    assert finding.fix == f"chmod o-w {folder}"
    folder.chmod(0o1777)  # as /tmp
    assert statuses(look()) == ["ok"]


def test_a_link_is_as_good_as_the_folder_in_which_it_is(look, folder):
    inner = folder / "inner"
    inner.mkdir()
    link = inner / "worker.toml"
    look()
    link.symlink_to(look.file)
    inner.chmod(0o777)
    settings = load_settings({}, link)
    assert statuses(check_files(settings, {})) == ["wrong"]


def test_what_nobody_can_reach_is_closed_whatever_its_mode(look, folder):
    folder.chmod(0o750)
    assert statuses(look(TOKEN, mode=0o666)) == ["ok"]


@pytest.mark.parametrize("name", ["slack_token", "aws_credentials"])
def test_a_credential_that_everybody_may_read_is_wrong(look, folder, name):
    (folder / name).write_text("xoxb-1", encoding="utf-8")
    (folder / name).chmod(0o644)
    given = {"CREDENTIALS_DIRECTORY": str(folder), "SES_WORKER_SLACK__CHANNEL": "#x"}
    if name == "aws_credentials":
        given = {"CREDENTIALS_DIRECTORY": str(folder)}
    (finding,) = look(**given)
    assert (finding.status, f"the credential {name}" in finding.message) == ("wrong", True)
    (folder / name).chmod(0o440)
    assert statuses(look(**given)) == ["ok"]


@pytest.mark.parametrize("named", [True, False])
def test_the_keys_of_aws_that_everybody_may_read_are_wrong(look, folder, named):
    keys = folder / ".aws" / "credentials"
    keys.parent.mkdir()
    keys.write_text("[default]\n", encoding="utf-8")
    keys.chmod(0o644)
    (finding,) = look(**({"AWS_SHARED_CREDENTIALS_FILE": str(keys)} if named else {}))
    assert (finding.status, "AWS's keys" in finding.message) == ("wrong", True)


@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_only_regular_files_are_judged(look, folder, kind):
    keys = {"device": Path("/dev/null"), "pipe": folder / "pipe", "folder": folder / "keys"}[kind]
    if kind == "pipe":
        os.mkfifo(keys)
        keys.chmod(0o666)
    elif kind == "folder":
        keys.mkdir()
        keys.chmod(0o777)
    (finding,) = look(AWS_SHARED_CREDENTIALS_FILE=str(keys))
    assert (finding.status, finding.fix) == ("ok", "")
    assert "AWS's" not in finding.message


def test_a_database_that_everybody_may_read_is_reported(look):
    look.database.chmod(0o644)
    (finding,) = look()
    assert finding.status == "note"
    assert f"may read the addresses in the database, {look.database}" in finding.message
    assert finding.fix == f"chmod o-rw {look.database}"


def test_check_says_it_with_and_without_calls(look, run):
    look(TOKEN + "[queue]\nurl='https://sqs.eu-west-1.amazonaws.com/111122223333/q'\n", mode=0o644)
    done = run("check", "--settings", "--config", look.file)
    assert done.status == 0
    assert f"may read the settings, {look.file}: it has slack.token" in done.err
    assert f"chmod o-rw {look.file}" in done.err
