"""What `make fuzz` has found to reach something new is run in each test, and mutated a little."""

import random
from pathlib import Path

import pytest

from fuzz.targets import NAMES, target

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"
SLOW = {"both_clients": 40, "slack": 150}
"""Inputs, of the targets of which each takes milliseconds."""


def inputs(found):
    kept = [path.read_bytes() for path in sorted((CORPUS / found.name).glob("*"))]
    return [*found.seeds(), *kept]


def mutated(data, chance):
    """Change, leave out, repeat or exchange some bytes."""
    written = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(written) + 1)
        piece = bytes(written[at : at + chance.choice((1, 2, 4, 16))])
        match chance.randrange(4):
            case 0:
                written[at : at + len(piece)] = chance.randbytes(len(piece))
            case 1:
                del written[at : at + len(piece)]
            case 2:
                written[at:at] = piece * chance.choice((1, 2, 9))
            case _:
                written[at:at] = chance.choice(
                    (b'"', b"\\", b"{", b"[", b"\0", b"\xed\xa0\x80", b",")
                )
    return bytes(written)


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
