"""Reads what the operator has set: TOML file, systemd's credentials, environment.

Values are not checked here; each is returned with its origin, for error messages.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, get_origin

from worker.core.errors import Misconfigured
from worker.settings import Section, Settings
from worker.settings.environment import PREFIX
from worker.settings.text_file import read_text
from worker.settings.toml_file import read_toml

DEFAULT_FILE = Path("/etc/ses-worker/worker.toml")
FILE_VARIABLE = "SES_WORKER_CONFIG"
CREDENTIALS = {"store_url": ("store", "url"), "privacy_key": ("privacy", "key")} | {
    f"{name}_{key}": (name, key)
    for name, section in Settings().channel_sections.items()
    for key in section.credentials
}
"""Files in systemd's `$CREDENTIALS_DIRECTORY`, and the settings that they contain."""
AWS_CREDENTIALS = "aws_credentials"
"""Another file there, which AWS's libraries read."""
CREDSTORE = "/etc/credstore"
"""Where systemd looks for a credential whose name has no slash."""
HEALTH_FILE = "health.json"
"""In systemd's `$RUNTIME_DIRECTORY`, unless `health.file` is set."""


class Source(StrEnum):
    """The kind of an origin."""

    FILE = "file"
    CREDENTIAL = "credential"
    ENVIRONMENT = "environment"


class Input(NamedTuple):
    """A value that the operator has set; without a key, an empty section."""

    section: str
    key: str | None
    value: Any
    origin: str
    """A file, a credential or a variable."""
    source: Source


def inputs(environment: Mapping[str, str], file: Path | None) -> Iterator[Input]:
    """Yield all inputs; a later input overrides an earlier input.

    Raises:
        Misconfigured: a file or a variable cannot be read.

    """
    # RUNTIME_DIRECTORY has several directories if a drop-in adds some: the first is the unit's.
    if runtime := environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]:
        path = f"{runtime}/{HEALTH_FILE}"
        yield Input("health", "file", path, "RUNTIME_DIRECTORY", Source.ENVIRONMENT)
    if named := file or environment.get(FILE_VARIABLE):
        try:
            yield from _from_file(Path(named))
        except FileNotFoundError as error:
            raise Misconfigured(f"cannot read the settings in {named}: {error.strerror}") from None
    else:
        with suppress(FileNotFoundError):
            yield from _from_file(DEFAULT_FILE)
    if folder := environment.get("CREDENTIALS_DIRECTORY"):
        yield from _from_credentials(Path(folder), _unit(environment))
    for name, text in environment.items():
        if name.startswith(PREFIX) and name != FILE_VARIABLE:
            section, _, key = name.removeprefix(PREFIX).lower().partition("__")
            value = _typed(section, key, text, name)
            yield Input(section, key, value, name, Source.ENVIRONMENT)


def file_in_use(environment: Mapping[str, str], file: Path | None) -> Path | None:
    """Return the settings file that is read; None: there is none."""
    if named := file or environment.get(FILE_VARIABLE):
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def sections() -> dict[str, type[Section]]:
    """Return the sections of the settings by name."""
    found = ((name, field.annotation) for name, field in Settings.model_fields.items())
    return {
        name: kind for name, kind in found if isinstance(kind, type) and issubclass(kind, Section)
    }


def _from_file(file: Path) -> Iterator[Input]:
    for section, table in read_toml(file).items():
        if not isinstance(table, dict):
            owners = [name for name, kind in sections().items() if section in kind.model_fields]
            hint = f"; it belongs below {' or '.join(f'[{name}]' for name in owners)}"
            what = f"{section} is not in any [section] of {file}"
            raise Misconfigured(what + hint if owners else what)
        yield Input(section, None, None, str(file), Source.FILE)
        yield from (
            Input(section, key, value, str(file), Source.FILE) for key, value in table.items()
        )


def _from_credentials(folder: Path, unit: str) -> Iterator[Input]:
    _require_known_names(folder, unit)
    for name, (section, key) in CREDENTIALS.items():
        file = folder / name
        origin = _origin(file, unit)
        with suppress(FileNotFoundError):
            value = read_text(file, "credential").strip()
            if not value:
                raise Misconfigured(f"{origin} is empty: write the secret into it, or remove it")
            yield Input(section, key, value, origin, Source.CREDENTIAL)


def _require_known_names(folder: Path, unit: str) -> None:
    """Refuse a credential that has nearly the name of ours: it would be ignored.

    Raises:
        Misconfigured: its name is misspelt.

    """
    with suppress(OSError):  # it is reported when its files are read
        for file in sorted(folder.iterdir()):
            name = file.name
            near = get_close_matches(name, {*CREDENTIALS, AWS_CREDENTIALS}, n=1, cutoff=0.8)
            if near and name not in {*CREDENTIALS, AWS_CREDENTIALS}:
                raise Misconfigured(f"{_origin(file, unit)} is not read; did you mean {near[0]}?")


def _origin(file: Path, unit: str) -> str:
    """Name a credential as in our units: the path in /run means nothing to an operator."""
    name = file.name
    return f"the credential {name}: {CREDSTORE}/{unit}.{name}" if unit else str(file)


def _unit(environment: Mapping[str, str]) -> str:
    """`ses-worker` or `ses-worker.NAME`, the prefix of its credentials; empty: no unit of ours."""
    runtime = Path(environment.get("RUNTIME_DIRECTORY", "").partition(":")[0])
    before, _, instance = runtime.name.partition("ses-worker")
    ours = runtime.parent == Path("/run") and not before and instance[:1] in {"", "-"}
    return f"ses-worker.{instance[1:]}".rstrip(".") if ours else ""


def _typed(section: str, key: str, text: str, name: str) -> Any:
    """Decode a variable; lists and tables are JSON there."""
    model = sections().get(section)
    field = model.model_fields.get(key) if model else None
    if field is None or get_origin(field.annotation) not in {dict, tuple}:
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise Misconfigured(f"{name} must be JSON, such as [] or {{}}") from None
