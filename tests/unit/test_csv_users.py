"""Users in a CSV file: good rows, and refusals with line and reason."""

import pytest

from worker.commands.csv_users import RefusedRow, read_users
from worker.core.errors import Refused


def read(text):
    return list(read_users(text.splitlines(keepends=True)))


def test_a_row_has_the_columns_of_the_file_and_the_key():
    assert read("email,account_id,metrics_enabled\n Jane@Example.com ,acct-1,no\n") == [
        {
            "email": "Jane@Example.com",
            "email_key": "jane@example.com",
            "account_id": "acct-1",
            "metrics_enabled": False,
        }
    ]


@pytest.mark.parametrize(
    ("written", "email", "key"),
    [
        ("\u200bwes@example.com\u00a0", "wes@example.com", "wes@example.com"),
        ("\ufeffWes@example.com\u2060", "Wes@example.com", "wes@example.com"),
        ("Wes <\u200bWes@example.com>", "Wes@example.com", "wes@example.com"),
        ("\u200eWes\u200d <Wes@example.com>", "Wes@example.com", "wes@example.com"),
        ("rfc822;gil@example.com", "rfc822;gil@example.com", "gil@example.com"),
        ("=?utf-8?q?=C3=B1?=@b.c", "=?utf-8?q?=C3=B1?=@b.c", "\xf1@b.c"),
    ],
)
def test_an_address_is_stored_as_written_without_what_is_invisible(written, email, key):
    assert read(f"email\n{written}\n") == [{"email": email, "email_key": key}]


def test_columns_may_be_left_out_and_stand_in_any_order():
    assert read("Account_ID, Email\nx,a@b.c\n") == [
        {"email": "a@b.c", "email_key": "a@b.c", "account_id": "x"}
    ]
    assert read("email\na@b.c\n\n\nd@e.f\n") == [
        {"email": "a@b.c", "email_key": "a@b.c"},
        {"email": "d@e.f", "email_key": "d@e.f"},
    ]


def test_an_empty_account_is_none_and_an_empty_flag_is_true():
    (row,) = read("email,account_id,metrics_enabled\na@b.c,,\n")
    assert (row["account_id"], row["metrics_enabled"]) == (None, True)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("nonsense,x,true", "email is no usable address"),
        (",x,true", "email is no usable address"),
        ("a@b.c,x", "has 2 fields, the header has 3"),
        ("a@b.c,x,true,more", "has 4 fields, the header has 3"),
        ("a@b.c,x,perhaps", "metrics_enabled is neither true nor false"),
        ("a@b.c,x\x00y,true", "account_id is not plain text of at most 500 characters"),
        ("a@b.c,\udce4,true", "account_id is not plain text of at most 500 characters"),
        ("a@b.c," + "x" * 501 + ",true", "account_id is not plain text of at most 500 characters"),
        ('"a"b@c.d,x,true', "',' expected after '\"'"),
        ('"a@b.c,x,true', "a quote is opened and not closed on this line"),
        ('a@b.c,x"y,"true', "a quote is opened and not closed on this line"),
        ("J\udcf6rg <a@b.c>,x,true", "email is not plain UTF-8 text"),
        ("\x1b[31mJ <a@b.c>,x,true", "email is not plain UTF-8 text"),
    ],
)
def test_a_bad_row_is_refused_with_its_line_and_the_rows_around_it_are_read(row, reason):
    found = read(f"email,account_id,metrics_enabled\na@b.c,,\n{row}\nd@e.f,,\n")
    assert found[1] == RefusedRow(3, reason)
    assert [row["email"] for row in (found[0], found[2])] == ["a@b.c", "d@e.f"]


@pytest.mark.parametrize(
    "header", ["", "account_id", "email,name", "email,email", "a@b.c", "email;account_id"]
)
def test_a_file_with_another_header_is_refused_whole(header):
    with pytest.raises(Refused, match=r"line 1 must be email\[,account_id\]\[,metrics_enabled\]"):
        read(f"{header}\na@b.c\n")


@pytest.mark.parametrize("header", ["\udce4", "\udcff\udcfee\0m\0a\0i\0l\0"])
def test_a_file_that_is_not_utf_8_is_called_so(header):
    with pytest.raises(Refused, match="not UTF-8 text"):
        read(f"{header}\na@b.c\n")


def test_a_quote_that_is_left_open_costs_its_own_line_and_no_other():
    found = read('email\na@b.c\n"d@e.f\ng@h.i\n"j@k.l"\n')
    assert found[1] == RefusedRow(3, "a quote is opened and not closed on this line")
    assert [row["email"] for row in (found[0], *found[2:])] == ["a@b.c", "g@h.i", "j@k.l"]


@pytest.mark.parametrize(
    "line", ['"a@b.c","x ""y"" z"', '"a@b.c",x', "a@b.c,", 'a@b.c,5" disk', "a@b.c,x\r"]
)
def test_a_line_is_split_as_csv_splits_it(line):
    import csv

    (row,) = read(f"email,account_id\n{line}\n")
    email, account_id = next(csv.reader([line]))
    assert (row["email"], row["account_id"]) == (email, account_id or None)
