"""What `make fuzz` has found to reach something new is run in each test, and mutated a little."""

import random
from pathlib import Path

import pytest

from fuzz.mutations import mutated
from fuzz.targets import NAMES, target

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"
SLOW = {"both_clients": 40, "slack": 150}
"""Inputs, of the targets of which each takes milliseconds."""


def inputs(found):
    kept = [path.read_bytes() for path in sorted((CORPUS / found.name).glob("*"))]
    return [*found.seeds(), *kept]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wrong_with_whatever_comes_of_the_corpus(name, nobodys_environment):
    found, chance = target(name), random.Random(name)
    every = inputs(found)
    most = SLOW.get(name, 1_000)
    for data in every if len(every) <= most else chance.sample(every, most):
        found.check(data)
    for _ in range(most // 4):
        found.check(mutated(chance.choice(every), chance))


def test_each_target_has_a_corpus():
    assert {path.name for path in CORPUS.iterdir()} == set(NAMES)
    assert all(any((CORPUS / name).iterdir()) for name in NAMES)
