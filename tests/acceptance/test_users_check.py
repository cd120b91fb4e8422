"""`ses-worker users check`: may-send for many addresses."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from support import mail


@pytest.fixture
def four(run, emulator, queue, either_store):
    run("users", "import", "-", input="email\nanna@example.com\njane@example.com\n")
    emulator.send(queue, mail.complaint("jane@example.com"))
    emulator.send(queue, mail.bounce("Joe@example.com", at=datetime.now(UTC).isoformat()))
    emulator.send(queue, mail.bounce("over@example.com", at="2020-01-01T00:00:00Z"))
    run("drain")


LIST = """\
jane@example.com

Anna <ANNA@example.com>
no address
joe@example.com
=cmd@example.com
jane@example.com
over@example.com
"""
ANSWERS = [
    (1, "jane@example.com", "no"),
    (3, "anna@example.com", "yes"),
    (4, None, "invalid"),
    (5, "joe@example.com", "no"),
    (6, "=cmd@example.com", "yes"),
    (7, "jane@example.com", "no"),
    (8, "over@example.com", "yes"),
]


def test_each_line_has_its_answer_in_the_order_of_the_lines(run, four, tmp_path):
    done = run("users", "check", "-", "--json", input=LIST)
    rows = done.json["answers"]
    assert [(row["line"], row["address"], row["answer"]) for row in rows] == ANSWERS
    assert {name: done.json[name] for name in ("yes", "no", "invalid")} == {
        "yes": 3, "no": 3, "invalid": 1,
    }  # fmt: skip
    assert done.status == 1
    assert "1 line is no usable address: 4" in done.err
    for row in rows:
        if row["answer"] != "invalid":
            verdict = run("may-send", row["address"], "--json").json
            assert (row["answer"] == "yes") == verdict.pop("may_send")
            assert verdict == {name: row[name] for name in verdict}
    done = run("users", "check", "-", "--csv", "answers.csv", input=LIST)
    written = list(csv.DictReader(io.StringIO((tmp_path / "answers.csv").read_text())))
    assert [(int(row["line"]), row["answer"]) for row in written] == [
        (line, answer) for line, _, answer in ANSWERS
    ]
    assert written[4]["address"] == "'=cmd@example.com"
    assert (tmp_path / "answers.csv").stat().st_mode & 0o777 == 0o600
    assert done.out == ""


def test_a_row_without_an_address_is_counted_and_reported(run, four):
    text = "name,email\nJane,jane@example.com\nJoe,\n,\nKim, \n"
    done = run("users", "check", "-", "--json", input=text)
    assert [(row["line"], row["answer"] == "invalid") for row in done.json["answers"]] == [
        (2, False), (3, True), (5, True),
    ]  # fmt: skip
    assert (done.status, done.json["invalid"]) == (1, 2)
    assert "2 lines are no usable address: 3, 5" in done.err
    shown = run("users", "check", "-", input=text)
    assert len(shown.out.splitlines()) == 3


@pytest.mark.parametrize("command", ["check", "remove", "reinstate --reason x"])
def test_two_columns_email_are_refused(run, four, command):
    text = "email,name,Email\njane@example.com,Jane,joe@example.com\n"
    done = run("users", *command.split(), "-", input=text)
    assert done.status != 0
    assert "line 1 names 2 columns email: rename all but one" in (done.err.replace("\n", " "))


def test_in_text_each_answer_is_a_line_that_begins_with_it(run, four):
    done = run("users", "check", "-", input=LIST)
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines] == [answer for _, _, answer in ANSWERS]
    assert lines[0] == "no      jane@example.com  blocked (auto_block_spam)"
    assert lines[1] == "yes     anna@example.com"
    assert lines[2] == "invalid line 4: no address"
    assert lines[3].startswith("no      joe@example.com  until 20")
    assert lines[3].endswith(" UTC (hard_bounce)")
    assert lines[4] == "yes     =cmd@example.com  unknown"
    assert "6 addresses: 3 may be mailed now, 3 must not" in done.err


@pytest.mark.parametrize(
    ("addresses", "status"),
    [
        (["anna@example.com"], 0),
        (["anna@example.com", "nobody@example.com"], 0),
        (["anna@example.com", "jane@example.com"], 3),
        (["anna@example.com", "jane"], 2),
        ([""], 2),
        ([], 2),
        (["-", "jane@example.com"], 2),
    ],
)
def test_the_exit_status_is_0_if_all_may_be_mailed(run, four, addresses, status):
    done = run("users", "check", *addresses)
    assert (done.status, "Traceback" in done.err) == (status, False)
    assert bool(done.out) == (status != 2)


def test_an_empty_list_has_no_answers(run, four):
    done = run("users", "check", "-", "--json", input="\n \n")
    assert (done.status, done.json) == (0, {"answers": [], "yes": 0, "no": 0, "invalid": 0})


def test_without_a_database_there_is_no_answer(run, tmp_path):
    done = run("users", "check", "-", "--json", input="jane@example.com\n")
    assert (done.status, done.out) == (1, "")
    assert done.err.rstrip().endswith(". This is no answer: treat it as no")


def test_control_characters_of_a_list_never_reach_the_terminal(run, four):
    done = run("users", "check", "-", input="\x1b[31mred \x9b and so on\n")
    assert done.out == "invalid line 1: \\x1b[31mred \\x9b and so on\n"


def test_it_asks_in_bulk(run, four, tmp_path, monkeypatch):
    """Ten thousand addresses: as many queries as for one."""
    names = [f"person{n}@example.com" for n in range(10_000)]
    done = run("users", "check", "-", "--json", input="\n".join(names))
    assert (done.status, json.loads(done.out)["yes"]) == (0, 10_000)

    from worker.store import open_store
    from worker.store.bulk_answers import verdicts_on

    store = open_store(f"sqlite:///{tmp_path / 'worker.db'}")
    if not (tmp_path / "worker.db").exists():
        return  # PostgreSQL is queried by the same function
    statements = []
    answer = store.ask
    monkeypatch.setattr(
        store, "ask", lambda query, **v: (statements.append(query), answer(query, **v))[1]
    )
    verdicts_on(store, names)
    assert len(statements) <= 5, "the last asks whether anybody was forgotten"
    store.close()


def test_of_several_addresses_the_invalid_address_is_named(run):
    run("db", "upgrade")
    done = run("users", "check", "jane@example.com", "non\x1bsense", "joe@example.com")
    assert (done.status, done.out) == (2, "")
    assert "'non\\\\x1bsense' is no usable address" in done.err
