"""Headless Chromium, as Debian has it: what a page becomes in it."""

import re
import shutil
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

from support.running import skip

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--allow-file-access-from-files", "--virtual-time-budget=5000", "--enable-logging=stderr",
)  # fmt: skip
CONSOLE = re.compile(r'CONSOLE[^"]*"(.*?)", source')


class Browser:
    """Runs Chromium once for each question."""

    def __init__(self, program):
        self.program = program
        self.console = []
        """What pages have written to the console: errors, and what their policy refuses."""

    def dom(self, file, *options):
        """The document after its scripts have run."""
        return self._run("--dump-dom", *options, file.as_uri())

    def picture(self, file, to, *options, width=1280, height=900):
        """Take a screenshot."""
        self._run(f"--screenshot={to}", f"--window-size={width},{height}", *options, file.as_uri())
        return to

    def printed(self, file, to):
        """Print into a PDF."""
        self._run("--no-pdf-header-footer", f"--print-to-pdf={to}", file.as_uri())
        return to

    def _run(self, *words):
        with tempfile.TemporaryDirectory() as profile:
            done = subprocess.run(
                [self.program, *OPTIONS, f"--user-data-dir={profile}", *words],
                capture_output=True,
                text=True,
                timeout=90,
                check=True,
            )
        self.console += CONSOLE.findall(done.stderr)
        return done.stdout


def found():
    """The browser of this machine; without a browser the test is skipped, but not in the gate."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        skip("needs a browser (Debian: apt-get install chromium)")
    return Browser(program)


def first_pixel(picture: Path):
    """Red, green and blue of the upper left corner of a PNG of 8 bits a colour."""
    data = picture.read_bytes()
    at, packed = 8, b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += 12 + length
    return tuple(zlib.decompressobj().decompress(packed, 4)[1:4])
