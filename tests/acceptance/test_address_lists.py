"""Lists of addresses on standard input: one a line, or a column of CSV."""

import json

import pytest
from support import mail

CSV = 'Name,Email,Since\r\n"Doe, Jane",jane@example.com,2024\r\n\r\nJoe,joe@example.com,2025\r\n'


@pytest.fixture
def two(run, emulator, queue):
    run("users", "import", "-", input="email\njane@example.com\njoe@example.com\n")
    for name in ("jane", "joe"):
        emulator.send(queue, mail.complaint(f"{name}@example.com"))
    run("drain")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_of_csv_the_column_email_is_checked(run, two, separator):
    text = CSV.replace(",", separator).replace(f"Doe{separator}", "Doe,")
    done = run("users", "check", "-", "--json", input=text)
    assert done.status == 3, done.err
    assert [(row["line"], row["address"]) for row in done.json["answers"]] == [
        (2, "jane@example.com"), (4, "joe@example.com"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "command", [["users", "remove", "-"], ["users", "reinstate", "-", "--reason", "x"]]
)
def test_of_csv_the_column_email_is_worked_on(run, two, command):
    done = run(*command, "--json", input=CSV)
    assert done.status == 0, done.err
    assert 2 in done.json.values()
    assert done.json["refused"] == 0


@pytest.mark.parametrize(
    "command",
    [
        ["users", "check", "-"],
        ["users", "remove", "-"],
        ["users", "reinstate", "-", "--reason", "x"],
    ],
)
def test_csv_without_the_column_is_an_error_of_a_sentence_and_nothing_is_done(run, two, command):
    for text in ("Name,Mail\nJane,jane@example.com\n", "Jane,jane@example.com\n"):
        done = run(*command, input=text)
        assert (done.status, done.out) == (1, ""), done.err
        assert "line 1 has several columns, and none of them is email: " in done.err
        assert "jane@example" not in done.err
        assert len(done.err.splitlines()) == 1
    assert run("users", "list", "--blocked", "--json").json["total"] == 2


def test_a_row_that_has_not_the_columns_of_the_header_is_taken_as_a_whole(run, two):
    text = 'email,name\njane@example.com,Jane\njoe@example.com\njoe@example.com,Joe,1\n"joe'
    done = run("users", "check", "-", "--json", input=text)
    answers = [(row["line"], row["answer"]) for row in done.json["answers"]]
    assert answers == [(2, "no"), (3, "no"), (4, "invalid"), (5, "invalid")]


def test_a_header_alone_a_guarded_cell_and_an_address_with_a_comma_are_read(run, two):
    assert run("users", "check", "-", "--json", input="email\njane@example.com\n").json["no"] == 1
    guarded = run("users", "check", "-", "--json", input="email,n\n'=a@example.com,1\n").json
    assert guarded["answers"][0]["address"] == "=a@example.com"
    named = '"Doe, Jane" <jane@example.com>\njoe@example.com\n'
    assert run("users", "check", "-", "--json", input=named).json["no"] == 2
    plain = json.loads(
        run("users", "check", "-", "--json", input="nonsense\njoe@example.com\n").out
    )
    assert (plain["invalid"], plain["no"]) == (1, 1)
