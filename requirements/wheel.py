"""Builds the wheel: byte for byte the same from the same files, wherever and whenever.

Times come from the commit (or `SOURCE_DATE_EPOCH`), and modes from what the files are, not from the
checkout or the umask.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
PARTS = (
    "worker", "config", "docs", "systemd", "pyproject.toml", "README.md", "CHANGELOG.md",
    "SECURITY.md",
)  # fmt: skip
"""All that is in the wheel."""
FIRST_TIME = 315_532_800
"""1980, before which the format knows no time."""


def build(source: Path, into: Path, epoch: int) -> Path:
    """Build the wheel of a checkout; return it."""
    with TemporaryDirectory() as folder:
        copy = Path(folder, "checkout")
        copy.mkdir()
        for name in PARTS:
            _copy(source / name, copy / name)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
        options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(into), str(copy)]
        environment = os.environ | {"SOURCE_DATE_EPOCH": str(max(epoch, FIRST_TIME))}
        # What setuptools writes itself has the mode that the umask leaves.
        subprocess.run([*command, *options], env=environment, umask=0o022, check=True)  # noqa: S603
    (wheel,) = into.glob("ses_feedback_worker-*.whl")
    return wheel


def _copy(source: Path, to: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")
    if source.is_dir():
        shutil.copytree(source, to, ignore=ignored)
    else:
        shutil.copy(source, to)
    for path in [to, *to.rglob("*")]:
        runs = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if runs else 0o644)


def _time_of_commit() -> int:
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 ours
    return int(done.stdout.strip() or 0)


if __name__ == "__main__":
    folder = ROOT / "dist"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("ses_feedback_worker-*.whl"):
        old.unlink()
    sys.stdout.write(f"{build(ROOT, folder, _time_of_commit())}\n")
