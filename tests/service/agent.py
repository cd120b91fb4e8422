"""Runs commands in the booted system: a JSON object a line, in and out, until standard input
ends."""

import json
import subprocess
import sys

for line in sys.stdin:
    requests = json.loads(line)
    command = ["timeout", "--kill-after=5", str(requests["seconds"])]  # 124: it took longer
    done = subprocess.run(
        [*command, "/bin/bash", "-euc", requests["command"]],
        input=requests["input"],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    sys.stdout.write(json.dumps([done.returncode, done.stdout, done.stderr]) + "\n")
    sys.stdout.flush()
