"""Most processes of the suite begin with slow tests, and none is left out."""

from types import SimpleNamespace

import pytest
from support.order import ROOT, in_shares


def in_folder(folder, files, of_each):
    return [
        SimpleNamespace(path=ROOT / folder / f"test_{file}.py", name=f"{folder}/{file}/{number}")
        for file in range(files)
        for number in range(of_each)
    ]


ALL = [
    *in_folder("acceptance", 7, 3),
    *in_folder("integration", 5, 4),
    *in_folder("service", 3, 5),
    *in_folder("unit", 10, 20),
]


@pytest.mark.parametrize("shares", [2, 4, 6, 8])
def test_each_test_is_run_once(shares):
    ordered = in_shares(ALL, shares)
    assert sorted(test.name for test in ordered) == sorted(test.name for test in ALL)


@pytest.mark.parametrize(("shares", "of_slow"), [(3, 3), (4, 3), (8, 6)])
def test_three_shares_in_four_begin_with_slow_tests_and_all_end_with_quick_ones(shares, of_slow):
    ordered = in_shares(ALL, shares)
    size = len(ALL) // shares
    for number in range(shares):
        share = [test.name.split("/")[0] for test in ordered[number * size : (number + 1) * size]]
        assert (share[0] != "unit") == (number < of_slow)
        assert share[-1] == "unit"
        assert "unit" not in share[: share.index("unit")]


def test_a_file_stays_together_and_so_do_the_tests_of_the_booted_machine():
    ordered = [test for test in in_shares(ALL, 4) if "unit" not in test.name]
    places = [
        test.path.parent if "service" in test.name else test.path
        for test, before in zip(ordered, [None, *ordered], strict=False)
        if before is None or before.path != test.path
    ]
    assert len(set(places)) == 7 + 5 + 1
    assert places.count(ROOT / "service") == 3
    service = [number for number, test in enumerate(ordered) if "service" in test.name]
    assert service == list(range(service[0], service[0] + 15))
