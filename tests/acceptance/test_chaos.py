"""The long run, made short."""

import json
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_a_short_long_run_loses_nothing_and_says_so(environment, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "chaos", "--messages", "600", "--seed", "1", "--store", "sqlite", "--json"],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": f"{TESTS}:{TESTS.parent}"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)["runs"]
    assert (run["lost"], run["twice"], run["left"], run["findings"]) == (0, 0, 0, [])
    assert run["applied"] == run["events"] > 300
    assert run["notices_sent"] >= run["waiting_notices"] > 0
    assert run["hostile"] > 10
    assert (
        run["sent"]
        == run["ignored"]
        + run["events"]
        + run["duplicate"]
        + run["dead_lettered"]
        + run["quarantined"]
        + run["hostile"]
    )
