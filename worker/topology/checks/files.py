"""Files with settings, secrets and people's addresses: who else on this machine may open them."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from worker.topology.checks.findings import Check, Finding

FILES = Check("files")


class FileFacts(Struct, frozen=True, kw_only=True):
    """A file of the worker's, and what other users of this machine may do to it."""

    what: str
    """Such as `the settings`."""
    path: str
    is_readable: bool
    """Every user may read it."""
    is_writable: bool
    """Every user may write it, or replace it in its folder."""
    secrets: Sequence[str] = ()
    """What in it is secret, such as `slack.token`."""
    has_people: bool = False
    """It contains addresses of people."""
    fix: str = ""
    """The command that removes these rights."""


def judge_files(files: Sequence[FileFacts]) -> list[Finding]:
    """Judge the rights of other users; all of them, since each alone is enough."""
    faults = [fault for file in files for fault in _faults(file)]
    if faults:
        return faults
    names = ", ".join(file.what for file in files)
    return [FILES.ok(f"no other user may write {names}, or read a secret there")]


def _faults(file: FileFacts) -> Iterator[Finding]:
    name = f"{file.what}, {file.path}"
    if file.is_writable:
        yield FILES.wrong(f"every user of this machine may change {name}", file.fix)
    if file.is_readable and file.secrets:
        message = f"every user of this machine may read {name}: it has {', '.join(file.secrets)}"
        yield FILES.wrong(message, file.fix)
    elif file.is_readable and file.has_people:
        message = f"every user of this machine may read the addresses in {name}"
        yield FILES.note(message, file.fix)
