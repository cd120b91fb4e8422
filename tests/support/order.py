"""The order of the tests where several processes share them: what takes long begins first.

Each process begins with an equal share of the list, and a process without tests takes over half
of what is left at the end of another's. So a share begins with whole files of slow tests and ends
with quick ones; otherwise the last slow tests begin when most processes have nothing to do. One
share in four is of quick tests alone: they use the cores while the slow ones wait.
"""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUICK = ("unit", "contract")
"""Folders whose tests take milliseconds."""
ONE_SHARE = ("service",)
"""Folders whose tests share what takes long to begin: a booted machine."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests of a process of `pytest -n`; every process sorts them alike."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers > 1:
        items[:] = in_shares(items, workers)


def in_shares(items: list[pytest.Item], shares: int) -> list[pytest.Item]:
    """Deal whole files of slow tests to the beginnings of the shares, and quick tests behind them.

    Every share gets as many tests as pytest-xdist sends to a process at first.
    """
    files: dict[Path, list[pytest.Item]] = {}
    quick = []
    for item in items:
        if _folder(item.path) in QUICK:
            quick.append(item)
        else:
            place = item.path.parent if _folder(item.path) in ONE_SHARE else item.path
            files.setdefault(place, []).append(item)
    dealt: list[list[pytest.Item]] = [[] for _ in range(shares)]
    of_slow = shares - shares // 4
    for number, slow in enumerate(files.values()):
        dealt[number % of_slow] += slow
    ordered: list[pytest.Item] = []
    for number, share in enumerate(dealt):
        room = (len(items) - len(ordered)) // (shares - number) - len(share)
        ordered += share + quick[: max(room, 0)]
        del quick[: max(room, 0)]
    return ordered


def _folder(path: Path) -> str:
    return path.relative_to(ROOT).parts[0] if path.is_relative_to(ROOT) else ""
