"""Scratch copies of the tree, each with a virtual environment of its own.

Its `ses-worker` and its `python` import the copy, however a test starts them; the packages are
those of the environment that runs us.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from mutants.changing import ROOT

_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "node_modules", "out", "*.egg-info"
)
_COMMAND = "from worker.cli import main\nmain()\n"


def make_copy(folder: Path) -> Path:
    """Copy the tree into a folder that is not there yet; return its Python."""
    shutil.copytree(ROOT, folder, ignore=_LEFT_OUT)
    environment = folder / ".venv"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=60
    )
    python = environment / "bin" / "python"
    (packages,) = environment.glob("lib/python*/site-packages")
    # The copy first. Path files among the packages are not read from here, so neither is the one
    # that makes the original importable.
    (packages / "copy.pth").write_text(f"{folder}\n{sysconfig.get_path('purelib')}\n")
    command = python.with_name("ses-worker")
    command.write_text(f"#!{python}\n{_COMMAND}")
    command.chmod(0o755)
    return python
