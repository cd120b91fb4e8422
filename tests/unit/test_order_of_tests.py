"""Each process of the suite begins with slow tests, and none is left out."""

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


@pytest.mark.parametrize("shares", [2, 4, 6])
def test_each_test_is_run_once(shares):
    ordered = in_shares(ALL, shares)
    assert sorted(test.name for test in ordered) == sorted(test.name for test in ALL)


def test_each_share_begins_with_slow_tests_and_ends_with_quick_ones():
    ordered = in_shares(ALL, 4)
    for first in range(0, len(ALL), len(ALL) // 4):
        share = [test.name.split("/")[0] for test in ordered[first : first + len(ALL) // 4]]
        assert share[0] != "unit"
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
