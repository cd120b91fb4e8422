"""Large blocks of memory are returned to the kernel when they are freed."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.running import skip

# After a free glibc keeps later blocks of that size, and small blocks between them hold them
# in place.
LEFT_BEHIND = """
import sys
from pathlib import Path
from worker.service.allocation import give_large_blocks_back

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

if sys.argv[1] == "given back":
    give_large_blocks_back()
before = resident_mb()
block = bytes(30_000_000)
del block
blocks = [(bytearray(b"x" * 900_000), bytearray(b"y" * 1_000)) for _ in range(50)]
kept = [small for _, small in blocks]
del blocks
print(resident_mb() - before)
"""


def left_behind_mb(how):
    done = subprocess.run(
        [sys.executable, "-c", LEFT_BEHIND, how],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def test_large_blocks_go_back_to_the_kernel():
    if left_behind_mb("kept") < 20:
        skip("this C library gives them back by itself")
    assert left_behind_mb("given back") < 10


@pytest.mark.parametrize("error", [ImportError, OSError, AttributeError, MemoryError])
def test_where_that_cannot_be_had_nothing_happens(monkeypatch, error):
    import ctypes

    from worker.service.allocation import give_large_blocks_back

    def refuse(_):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    give_large_blocks_back()
