"""Random schedules: whatever goes wrong, in whatever order, every oracle finds all as it must be.

`SCHEDULE_SEED` is the first seed, or `random`; `SCHEDULES` is how many are played: four in the gate,
which are both stores with small and with large batches, and more in `make chaos`. A schedule that
fails is printed with its seed: `SCHEDULE_SEED=17 SCHEDULES=1 pytest …::test_a_random_schedule…`.
"""

import os
import random

import pytest
from chaos.plan import NAMED, draw
from chaos.play import play
from oracles import report

GIVEN = os.environ.get("SCHEDULE_SEED", "1")
FIRST = random.randrange(1_000_000) if GIVEN == "random" else int(GIVEN)
SEEDS = range(FIRST, FIRST + int(os.environ.get("SCHEDULES", "4")))


def url(store, request, tmp_path):
    if store == "postgresql":
        return request.getfixturevalue("postgresql_url")
    return f"sqlite:///{tmp_path / 'worker.db'}"


def check(schedule, request, tmp_path):
    findings = play(schedule, tmp_path, url(schedule.store, request, tmp_path))
    assert not findings, f"{report(findings)}\n\n{schedule}"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_schedule_loses_nothing_and_does_nothing_twice(seed, request, tmp_path):
    check(draw(seed, "postgresql" if seed % 2 else "sqlite"), request, tmp_path)


@pytest.mark.parametrize("name", NAMED)
def test_the_real_worker_passes_what_broken_ones_are_caught_by(name, request, tmp_path):
    check(NAMED[name]("sqlite"), request, tmp_path)
