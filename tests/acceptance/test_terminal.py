"""What a person sees on a terminal of 80 columns."""

import re

import pytest
from support import mail
from support.dead import fill, quarantined

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def lines(shown):
    """What was written between two moves to the beginning of a line."""
    return [text.strip() for text in re.split(r"[\r\n]+", ESCAPES.sub("", shown))]


def test_refusals_and_the_progress_bar_leave_each_other_alone(terminal, tmp_path):
    file = tmp_path / "users.csv"
    file.write_text("email\n" + "nonsense\n" * 10)
    shown = lines(terminal("users", "import", file).out)
    for number in range(2, 12):
        assert f"ses-worker: line {number}: email is no usable address" in shown
    assert any(re.match(r"import .* bytes", line) for line in shown)


def test_log_lines_and_the_progress_bar_leave_each_other_alone(terminal, emulator, queue):
    for address in mail.addresses(10):
        emulator.send(queue, mail.bounce(address))
    shown = lines(terminal("drain").out)
    assert sum("bounce_notification" in line for line in shown) == 10
    reported = [line for line in shown if "[info " in line]
    assert all(re.match(r"\d{4}-\d\d-\d\dT", line) for line in reported)
    assert any(re.match(r"drain .* messages", line) for line in shown)


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_no_color_is_honoured(terminal, tmp_path, no_color, coloured):
    (tmp_path / "users.csv").write_text("email\n")
    shown = terminal("users", "import", "users.csv", NO_COLOR=no_color).out
    (line,) = (line for line in shown.splitlines() if "schema.upgraded" in line)
    assert ("\x1b[" in line) is coloured


def test_every_address_of_a_list_can_be_read_whole(terminal, run, tmp_path):
    long = "a-rather-long-local-part.of-somebody@a-rather-long-domain.example.com"
    file = tmp_path / "users.csv"
    file.write_text(f"email,account_id\njane@example.com,{'x' * 40}\n{long},\n")
    run("users", "import", file)
    shown = ESCAPES.sub("", terminal("users", "list").out)
    assert {long, "jane@example.com"} <= {*shown.splitlines()}


def test_every_column_of_a_list_is_there_where_there_is_room(run):
    run("users", "import", "-", input="email\njane@example.com\n")
    out = run("users", "list").out
    assert all(name in out for name in ("account", "hard", "soft", "compl.", "blocked", "why"))


def test_a_list_of_dead_letters_fits_with_the_longest_of_reasons(
    terminal, emulator, queue, environment
):
    quarantined(environment, ("processing_failed", "\u009b31m"))
    fill(emulator, "nonsense", reason="subscription_confirmation")
    done = terminal("dlq", "list")
    shown = ESCAPES.sub("", done.out)
    assert done.status == 0
    assert max(len(line) for line in shown.splitlines() if "│" in line) <= 80
    assert re.search(r"│ queue +│ subscription_confirmation │ +1 │ +[^│]+ │", shown)
    assert re.search(r"│ quarantine │ processing_failed +│ +1 │", shown)
    assert "\u009b" not in shown
