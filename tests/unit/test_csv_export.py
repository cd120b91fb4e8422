"""Files for people: no spreadsheet program runs an untrusted text, and import reads it back."""

import csv
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.commands.csv_export import with_guard, without_guard
from worker.commands.csv_users import read_users
from worker.store.rows import USER_COLUMNS

FORMULA = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
TEXTS = st.text("=+-@'\t\r\n;,\" a\uff1d\uff0b\uff0d\uff20|!") | st.text()


def written(*cells):
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow([with_guard(cell) for cell in cells])
    return file.getvalue()


@given(TEXTS)
@example("'=1")
@example("a;'=1")
@example("\t\t=1")
def test_what_is_guarded_is_read_back_equal(text):
    assert without_guard(with_guard(text)) == text


@given(st.lists(TEXTS, min_size=1, max_size=4), st.sampled_from([",", ";", "\t"]))
@example(["x;=1+1", "y"], ";")
@example(["x\n=1+1", "y"], ";")
@example(["x", 'y;"=1+1;'], ";")
def test_no_cell_is_a_formula_however_the_file_is_split(texts, separator):
    """With commas by the rules of CSV; with others as a spreadsheet of another country does it."""
    line = written(*texts)
    if separator == ",":
        cells = [cell for row in csv.reader(io.StringIO(line, newline="")) for cell in row]
    else:  # quotes that do not begin a cell are a part of it, and a break ends a line
        cells = re.split(rf"[{separator}\r\n]", line)
        # A quote that begins a cell quotes it, though it is one of the text's, written twice.
        file = io.StringIO(line, newline="")
        cells += [cell for row in csv.reader(file, delimiter=separator) for cell in row]
    assert [cell for cell in cells if cell and cell[0] in FORMULA and cell != "\n"] == []


@pytest.mark.parametrize("start", FORMULA)
def test_each_beginning_of_a_formula_is_guarded(start):
    assert with_guard(f"{start}cmd|calc!A0") == f"'{start}cmd|calc!A0" or start in "\t\r\n"
    assert with_guard(f"{start}x").startswith("'")


@pytest.mark.parametrize("value", [-1, 2.5, None, True, "jane@example.com", "a-b", "1;2", ""])
def test_other_values_are_written_as_they_are(value):
    assert with_guard(value) == value


locals_ = st.text("abc=+-;'", min_size=1, max_size=10).map(lambda local: f"{local}@example.com")


@given(
    locals_,
    st.text("abc=+-@;' \uff1d", max_size=12).map(str.strip),
    st.text("=+-@;'ab", max_size=9),
)
def test_a_user_that_was_imported_is_exported_and_imported_equal(email, account, reason):
    (user,) = read_users(["email,account_id\n", f'"{email}","{account}"\n'])
    if not isinstance(user, dict):
        return
    row = dict.fromkeys(USER_COLUMNS) | user | {"metrics_enabled": True, "pause_reason": reason}
    row |= {"auto_block_spam": False, "hard_bounce_refused": False, "soft_bounce_refused": False}
    row |= {"hard_bounce_count": 0, "soft_bounce_count": 3, "complaint_count": 0}
    (again,) = read_users([",".join(USER_COLUMNS) + "\n", written(*row.values())])
    assert again == row | {"pause_reason": reason or None}
