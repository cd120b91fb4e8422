"""A process that may leave a core dump leaves none after it has switched that off, nor does what it starts."""

import subprocess
import sys

import pytest

CODE = """
import resource, subprocess
_, hard = resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
from worker.service.core_dumps import leave_no_core_dump
leave_no_core_dump()
print(hard)
print(subprocess.check_output(["/bin/sh", "-c", "ulimit -Sc"], text=True))
print(open("/proc/self/coredump_filter").read())
"""


def test_limit_and_filter_are_zero_in_what_it_starts_too():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    hard, limit, kept = done.stdout.split()
    if hard == "0":
        pytest.skip("no process here may leave a core dump, whatever it does")
    assert (limit, int(kept, 16)) == ("0", 0)
