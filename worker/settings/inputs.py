"""Reads what the operator has set: TOML file, systemd's credentials, environment.

Values are not checked here; each is returned with its origin, for error messages.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, get_origin

from worker.core.errors import Misconfigured
from worker.settings import Section, Settings

DEFAULT_FILE = Path("/etc/ses-worker/worker.toml")
FILE_VARIABLE = "SES_WORKER_CONFIG"
PREFIX = "SES_WORKER_"
CREDENTIALS = {"store_url": ("store", "url")} | {
    f"{name}_{key}": (name, key)
    for name, section in Settings().channel_sections.items()
    for key in section.credentials
}
"""Files in systemd's `$CREDENTIALS_DIRECTORY`, and the settings that they contain."""
CREDSTORE = "/etc/credstore"
"""Where systemd looks for a credential whose name has no slash."""
HEALTH_FILE = "health.json"
"""In systemd's `$RUNTIME_DIRECTORY`, unless `health.file` is set."""
_DUPLICATE = re.compile(r"^Cannot declare \((.*)\) twice(.*)$")
"""tomllib's error about a duplicate section."""


class Input(NamedTuple):
    """A value that the operator has set; without a key, an empty section."""

    section: str
    key: str | None
    value: Any
    origin: str
    """A file, a credential or a variable."""


def inputs(environment: Mapping[str, str], file: Path | None) -> Iterator[Input]:
    """Yield all inputs; a later input overrides an earlier one.

    Raises:
        Misconfigured: a file or a variable cannot be read.

    """
    # RUNTIME_DIRECTORY has several directories if a drop-in adds some: the first is the unit's.
    if runtime := environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]:
        yield Input("health", "file", f"{runtime}/{HEALTH_FILE}", "RUNTIME_DIRECTORY")
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
            yield Input(section, key, _typed(section, key, text, name), name)


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
    text = _read(file, "settings")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{file} is not TOML: {_explained(error, text)}") from None
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise Misconfigured(f"{section} is not in any [section] of {file}")
        yield Input(section, None, None, str(file))
        yield from (Input(section, key, value, str(file)) for key, value in table.items())


def _explained(error: tomllib.TOMLDecodeError, text: str) -> str:
    """Add to the error about a duplicate section where the section was first."""
    found = _DUPLICATE.search(str(error))
    if found is None:
        return str(error)
    name = ".".join(re.findall(r"'([^']+)'", found[1]))
    lines = (number for number, line in enumerate(text.splitlines(), 1) if _heads(line, name))
    first = next(lines, None)
    where = f" at line {first}" if first else " that is there already"
    return f"[{name}] is in it twice; move its keys below the [{name}]{where}{found[2]}"


def _heads(line: str, name: str) -> bool:
    return line.partition("#")[0].replace(" ", "").strip() == f"[{name}]"


def _from_credentials(folder: Path, unit: str) -> Iterator[Input]:
    for name, (section, key) in CREDENTIALS.items():
        file = folder / name
        # Named as in our units: the path in /run means nothing to an operator.
        origin = f"the credential {name}: {CREDSTORE}/{unit}.{name}" if unit else str(file)
        with suppress(FileNotFoundError):
            yield Input(section, key, _read(file, "credential").strip(), origin)


def _unit(environment: Mapping[str, str]) -> str:
    """`ses-worker` or `ses-worker.NAME`, the prefix of its credentials; empty: no unit of ours."""
    runtime = Path(environment.get("RUNTIME_DIRECTORY", "").partition(":")[0])
    before, _, instance = runtime.name.partition("ses-worker")
    ours = runtime.parent == Path("/run") and not before and instance[:1] in {"", "-"}
    return f"ses-worker.{instance[1:]}".rstrip(".") if ours else ""


def _read(file: Path, what: str) -> str:
    """Read a whole file.

    Raises:
        FileNotFoundError: it does not exist.
        Misconfigured: it cannot be read.

    """
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Misconfigured(f"cannot read the {what} in {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{file} is not UTF-8 text: {error.reason}") from None


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
