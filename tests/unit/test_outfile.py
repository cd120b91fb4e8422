"""A file that a command writes is whole, or as it was."""

import io
import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from worker.cli.outfile import written
from worker.core.errors import Unavailable


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "users.csv"
    file.write_text("good\n")
    return file


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def write(path, text):
    with written(path) as out:
        out.write(text)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_file_is_replaced_when_all_is_written(file, tmp_path):
    with written(file) as out:
        out.write("better\n")
        assert file.read_text() == "good\n"
    assert file.read_text() == "better\n"
    assert names(tmp_path) == ["users.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_whatever_goes_wrong_the_file_is_as_it_was_and_nothing_lies_beside_it(
    file, tmp_path, error
):
    with pytest.raises(error), written(file) as out:
        out.write("half")
        raise error
    assert file.read_text() == "good\n"
    assert names(tmp_path) == ["users.csv"]


def test_a_new_file_is_private_and_an_existing_file_keeps_its_mode(file, tmp_path):
    file.chmod(0o640)
    write(file, "x")
    write(tmp_path / "new.csv", "x")
    assert (mode(file), mode(tmp_path / "new.csv")) == (0o640, 0o600)


def test_what_is_being_written_is_for_its_owner_alone(file, tmp_path):
    file.chmod(0o644)
    with written(file):
        (temporary,) = tmp_path.glob(".ses-worker-*")
        assert mode(temporary) == 0o600


def test_a_symbolic_link_goes_on_pointing_there(file, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(file)
    write(link, "better")
    assert (link.is_symlink(), file.read_text()) == (True, "better")


def test_a_pipe_is_written_through_and_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write(pipe, "straight\n")
    reader.join()
    assert (read, pipe.is_fifo()) == (["straight\n"], True)


def test_a_device_is_written_through(tmp_path):
    with written(Path(os.devnull)) as out:
        out.write("x")
    assert Path(os.devnull).is_char_device()


def test_our_own_standard_output_is_written_to_by_any_name(file, monkeypatch):
    monkeypatch.setattr(os, "fstat", lambda _: file.stat())
    with written(file) as out:
        assert out is sys.stdout


def test_a_missing_folder_is_reported_in_a_single_sentence(tmp_path):
    with pytest.raises(Unavailable, match=r"cannot write .*none/x\.csv: No such file or directory"):
        write(tmp_path / "none" / "x.csv", "x")


def test_on_a_terminal_control_characters_of_a_mail_have_no_effect(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    write(Path("-"), "a,\x1b]0;owned\x07\u202e\nb,ü\n")
    assert out.getvalue() == "a,\\x1b]0;owned\\x07\\u202e\nb,ü\n"
