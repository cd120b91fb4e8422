"""Every fsync and fdatasync of this process, watched by another: recorded, held up, or refused.

    python syncs.py LOG HOLD_SECONDS -- drain --json

The kernel itself asks that other process before each of the calls (seccomp_unotify(2)): SQLite is
the real fsync, and so is the file. Unlike strace it needs no package, and unlike strace and a small
file system it needs no root; unlike a library to preload it needs no compiler.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import signal
import struct
import sys
import time
from pathlib import Path

from worker.cli import main

_ARCHITECTURES = {  # audit's number; seccomp, fsync, fdatasync
    "x86_64": (0xC000003E, 317, 74, 75),
    "aarch64": (0xC00000B7, 277, 82, 83),
}
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_ASK, _ALLOW = 0x7FC00000, 0x7FFF0000
_GO_ON = 1
_RECEIVE, _ANSWER = 0xC0502100, 0xC0182101
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06

_libc = ctypes.CDLL(None, use_errno=True)


class Syncs:
    """Watch this thread and all that are started from now on."""

    def __init__(self, log: Path, hold_seconds: float = 0) -> None:
        self._refused = mmap.mmap(-1, 1)
        watched = os.getpid()
        listener = _ask_about_syncs()
        if os.fork() == 0:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            with log.open("w", buffering=1) as written:
                while True:
                    self._answer(listener, watched, written, hold_seconds)
        os.close(listener)

    def refuse(self) -> None:
        """Have each of them end with EIO from now on."""
        self._refused[0] = 1

    def _answer(self, listener, watched, written, hold_seconds):
        question = bytearray(80)
        fcntl.ioctl(listener, _RECEIVE, question)
        (call,) = struct.unpack_from("Q", question, 0)
        (descriptor,) = struct.unpack_from("Q", question, 32)
        path = Path(f"/proc/{watched}/fd/{descriptor}").readlink()
        requested = time.monotonic()
        time.sleep(hold_seconds)
        error = -errno.EIO if self._refused[0] else 0
        # The call itself is made after the answer, so what follows it comes later still.
        written.write(f"{requested} {time.monotonic()} {error} {path}\n")
        flags = 0 if error else _GO_ON
        fcntl.ioctl(listener, _ANSWER, struct.pack("QqiI", call, 0, error, flags))


def _ask_about_syncs() -> int:
    """Put a filter before every system call of ours; return where its questions are read."""
    audit, seccomp, fsync, fdatasync = _ARCHITECTURES[platform.machine()]
    program = b"".join(
        struct.pack("HBBI", *step)
        for step in (
            (_LOAD, 0, 0, 4),
            (_JUMP_IF_EQUAL, 0, 4, audit),
            (_LOAD, 0, 0, 0),
            (_JUMP_IF_EQUAL, 1, 0, fsync),
            (_JUMP_IF_EQUAL, 0, 1, fdatasync),
            (_RETURN, 0, 0, _ASK),
            (_RETURN, 0, 0, _ALLOW),
        )
    )
    text = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(text))
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    listener = _libc.syscall(seccomp, _SET_MODE_FILTER, _NEW_LISTENER, described)
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp: needs Linux 5.5")
    return int(listener)


if __name__ == "__main__":
    Syncs(Path(sys.argv[1]), float(sys.argv[2]))
    sys.argv = ["ses-worker", *sys.argv[4:]]
    main()
