"""Runs commands in the booted system: one JSON object a line, in and out, until standard input ends."""

import json
import subprocess
import sys

for line in sys.stdin:
    asked = json.loads(line)
    done = subprocess.run(
        ["/bin/bash", "-euc", asked["command"]],
        input=asked["input"],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    sys.stdout.write(json.dumps([done.returncode, done.stdout, done.stderr]) + "\n")
    sys.stdout.flush()
