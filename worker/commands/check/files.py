"""Looks at the modes of the worker's files; none of them is opened."""

import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from worker.settings import Settings
from worker.settings.inputs import AWS_CREDENTIALS, CREDENTIALS
from worker.settings.origins import Shown, shown_settings
from worker.topology.checks.files import FileFacts, judge_files
from worker.topology.checks.findings import Finding

_READ, _WRITE, _ENTER = stat.S_IROTH, stat.S_IWOTH, stat.S_IXOTH


def check_files(settings: Settings, environment: Mapping[str, str]) -> list[Finding]:
    """Judge the files that settings, secrets and users are in."""
    return judge_files(list(_facts(settings, environment)))


def _facts(settings: Settings, environment: Mapping[str, str]) -> Iterator[FileFacts]:
    if settings.file:
        secrets = _secrets_in_file(shown_settings(settings, environment, settings.file))
        yield from _of("the settings", settings.file, secrets=secrets)
    if folder := environment.get("CREDENTIALS_DIRECTORY"):
        for name in (*CREDENTIALS, AWS_CREDENTIALS):
            yield from _of(f"the credential {name}", Path(folder, name), secrets=("a secret",))
    if keys := _aws_credentials(environment):
        yield from _of("AWS's credentials", keys, secrets=("AWS's keys",))
    scheme, _, path = settings.store.url.get_secret_value().partition(":///")
    if scheme == "sqlite":
        for suffix, what in (("", "the database"), ("-wal", "the database's -wal")):
            yield from _of(what, Path(os.path.realpath(path) + suffix), has_people=True)


def _secrets_in_file(shown: list[Shown]) -> tuple[str, ...]:
    """Name the secrets in the settings file, in force or overridden."""
    return tuple(
        setting.name
        for setting in shown
        if setting.is_secret and not str(setting.value).startswith("sqlite:")
        if any(origin.line for origin in (setting.origin, *setting.overridden))
    )


def _aws_credentials(environment: Mapping[str, str]) -> Path | None:
    """Return the file of AWS's keys, unless it is a credential of systemd's."""
    folder = environment.get("CREDENTIALS_DIRECTORY")
    named = environment.get("AWS_SHARED_CREDENTIALS_FILE", "")
    if named and folder and Path(named).parent == Path(folder):
        return None
    home = environment.get("HOME", "")
    return Path(named) if named else Path(home, ".aws", "credentials") if home else None


def _of(
    what: str, path: Path, *, secrets: tuple[str, ...] = (), has_people: bool = False
) -> Iterator[FileFacts]:
    """Yield what other users may do to a file; nothing if it is not there, or closed to us.

    Nor for what is no regular file: everybody may write `/dev/null`, and nothing is in it.
    """
    try:
        mode = path.stat().st_mode
        folders = [folder.stat().st_mode for folder in Path(os.path.realpath(path)).parents]
        # A symbolic link can be replaced in the folder where it is.
        folders += [folder.stat().st_mode for folder in path.absolute().parents]
    except OSError:
        return
    if not stat.S_ISREG(mode):
        return
    is_reachable = all(folder & _ENTER for folder in folders)
    is_writable = bool(mode & _WRITE) or any(map(_is_open, folders))
    yield FileFacts(
        what=what,
        path=str(path),
        is_readable=is_reachable and bool(mode & _READ),
        # Of the database the check `database` says it.
        is_writable=is_reachable and is_writable and not has_people,
        secrets=secrets,
        has_people=has_people,
        fix=_fix(path, mode),
    )


def _fix(path: Path, mode: int) -> str:
    commands = [("o-rw", [path])] if mode & (_READ | _WRITE) else []
    if folders := [folder for folder in path.absolute().parents if _is_open(folder.stat().st_mode)]:
        commands.append(("o-w", folders))
    return " && ".join(
        f"chmod {rights} {' '.join(shlex.quote(str(name)) for name in names)}"
        for rights, names in commands
    )


def _is_open(folder: int) -> bool:
    """Return whether every user may replace files in a folder; in /tmp only their owners may."""
    return bool(folder & _WRITE) and not folder & stat.S_ISVTX
