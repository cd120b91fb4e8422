"""The architecture's invariants, and the mutants that break them.

`make mutants` runs the mutants; this only holds that it can.
"""

import pytest
from mutants.changing import ROOT, Mutant, Unfit, changed
from mutants.invariants import invariants, is_there
from mutants.table import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_each_mutant_changes_the_source_as_it_is_now(mutant):
    assert changed(mutant) != (ROOT / mutant.file).read_text(encoding="utf-8")


def test_each_invariant_has_a_mutant_for_a_test_that_its_row_names():
    broken = {}
    for mutant in MUTANTS:
        broken.setdefault(mutant.invariant, set()).add(mutant.test)
    rows = invariants()
    assert len(rows) > 40
    assert list(broken) == list(rows), "in the order of the table"
    for invariant, tests in rows.items():
        assert broken[invariant] <= set(tests), invariant
        assert set(tests) <= broken[invariant], f"{invariant}: a test without a mutant"


def test_a_test_that_is_missing_is_told_from_a_test_that_exists():
    here = "docs/test_mutants.py"
    assert is_there(here)
    assert is_there(
        f"{here}::{test_a_test_that_is_missing_is_told_from_a_test_that_exists.__name__}"
    )
    assert not is_there(f"{here}::test_nothing")
    assert not is_there("docs/" + "test_nothing.py")
    assert is_there(
        "unit/test_decide.py::TestTimes::test_the_date_of_a_bounce_from_a_mailbox_never_moves_backwards"
    )
    assert not is_there("unit/test_decide.py::" + "test_a_date_never_moves_backwards")


@pytest.mark.parametrize(
    ("file", "function", "old", "expected"),
    [
        ("worker/nowhere.py", "", "x", "renamed"),
        ("worker/core/keys.py", "no_such_function", "x", "has no no_such_function"),
        ("worker/core/keys.py", "feedback_keys", "no such text", "there 0 times"),
        ("worker/core/keys.py", "feedback_keys", "recipient", "times, not once"),
        ("worker/core/keys.py", "feedback_keys", "return dedupe or either", "no Python"),
    ],
)
def test_a_mutant_that_does_not_fit_says_which_file_to_look_at(file, function, old, expected):
    mutant = Mutant(invariant="", test="", file=file, function=function, old=old, new="return (")
    with pytest.raises(Unfit, match=file) as caught:
        changed(mutant)
    assert expected in str(caught.value)
