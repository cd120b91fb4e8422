"""Asks for known vulnerabilities of the versions in `run.txt`, by pip-audit.

Exit status: 0 none is known; 1 some are; 3 the service was not reached, or does not know a version:
then nothing is known about it, and that is said.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LOCK = Path(__file__).with_name("run.txt")


def verdict(report: dict[str, Any]) -> tuple[int, list[str]]:
    """Return exit status and lines for a report in pip-audit's JSON."""
    packages = report["dependencies"]
    bad = [package for package in packages if package.get("vulns")]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    lines = [
        f"{package['name']} {package['version']}: {found['id']}, fixed in "
        f"{', '.join(found['fix_versions']) or 'no version'}"
        for package in bad
        for found in package["vulns"]
    ]
    if unknown:
        lines.append(f"not audited, the service does not know them: {', '.join(unknown)}")
    if not lines:
        lines.append(f"no known vulnerability in {len(packages)} packages")
    return (1 if bad else 3 if unknown else 0), lines


def main(arguments: Sequence[str]) -> int:
    """Run pip-audit, the program that the argument names."""
    options = ["--require-hashes", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    command = [*arguments, "-r", str(LOCK), *options, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 the Makefile's
    try:
        status, lines = verdict(json.loads(done.stdout))
    except (ValueError, KeyError):
        reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        status, lines = 3, [f"not audited, the service was not reached: {reason}"]
    sys.stdout.write("\n".join(lines) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
