"""Loads the settings, and reports wrong values.

From lowest to highest: defaults, systemd's runtime directory, the TOML file, systemd's credentials,
the environment.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

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
"""Files in systemd's `$CREDENTIALS_DIRECTORY`, and the settings that they hold."""
CREDSTORE = "/etc/credstore"
"""Where systemd looks for a credential that is named without a slash."""
HEALTH_FILE = "health.json"
"""In systemd's `$RUNTIME_DIRECTORY`, unless `health.file` says otherwise."""
_TWICE = re.compile(r"^Cannot declare \((.*)\) twice(.*)$")
NOT_BUILT = frozenset({"retention", "sns.verify"})
"""Sections and keys whose feature this version does not have."""


class Given(NamedTuple):
    """A setting as somebody gave it; without a key, a section that has none."""

    section: str
    key: str | None
    value: Any
    origin: str


def load_settings(environment: Mapping[str, str], file: Path | None = None) -> Settings:
    """Read and check everything; `file` is what `--config` says.

    Raises:
        Misconfigured: a line for each thing that is wrong, with where it stands.

    """
    values: dict[str, dict[str, Any]] = {}
    origins: dict[tuple[Any, ...], str] = {}
    for given in _everything(environment, file):
        section = values.setdefault(given.section, {})
        if given.key is not None:
            section[given.key] = given.value
        origins[given.section, given.key] = given.origin
    try:
        return Settings.model_validate(values).read_from(_file_in_use(environment, file))
    except ValidationError as error:
        faults = [_sentence(fault, origins) for fault in error.errors()]
        raise Misconfigured("\n".join(dict.fromkeys(faults))) from None


def all_keys() -> list[str]:
    """Every setting, as `section.key`."""
    return [
        f"{name}.{key}" for name, section in _sections().items() for key in section.model_fields
    ]


def _everything(environment: Mapping[str, str], file: Path | None) -> Iterator[Given]:
    # Several, where the unit names several: the first is the unit's own.
    if runtime := environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]:
        yield Given("health", "file", f"{runtime}/{HEALTH_FILE}", "RUNTIME_DIRECTORY")
    if named := file or environment.get(FILE_VARIABLE):
        try:
            yield from _from_file(Path(named))
        except FileNotFoundError as error:
            raise Misconfigured(f"cannot read the settings in {named}: {error.strerror}") from None
    else:
        with suppress(FileNotFoundError):
            yield from _from_file(DEFAULT_FILE)
    if folder := environment.get("CREDENTIALS_DIRECTORY"):
        yield from _from_credentials(Path(folder), _whose(environment))
    for name, text in environment.items():
        if name.startswith(PREFIX) and name != FILE_VARIABLE:
            section, _, key = name.removeprefix(PREFIX).lower().partition("__")
            yield Given(section, key, _typed(section, key, text, name), name)


def _from_file(file: Path) -> Iterator[Given]:
    text = _read(file, "settings")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{file} is not TOML: {_in_words(error, text)}") from None
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise Misconfigured(f"{section} stands outside of any [section] in {file}")
        yield Given(section, None, None, str(file))
        yield from (Given(section, key, value, str(file)) for key, value in table.items())


def _in_words(error: tomllib.TOMLDecodeError, text: str) -> str:
    """Report where a duplicate section was first."""
    found = _TWICE.search(str(error))
    if found is None:
        return str(error)
    name = ".".join(re.findall(r"'([^']+)'", found[1]))
    lines = (number for number, line in enumerate(text.splitlines(), 1) if _heads(line, name))
    first = next(lines, None)
    where = f" at line {first}" if first else " that is there already"
    return f"[{name}] stands in it twice; move its keys below the [{name}]{where}{found[2]}"


def _heads(line: str, name: str) -> bool:
    return line.partition("#")[0].replace(" ", "").strip() == f"[{name}]"


def _from_credentials(folder: Path, whose: str) -> Iterator[Given]:
    for name, (section, key) in CREDENTIALS.items():
        file = folder / name
        # As our units load it; its path in /run means nothing to an operator.
        origin = f"the credential {name}: {CREDSTORE}/{whose}.{name}" if whose else str(file)
        with suppress(FileNotFoundError):
            yield Given(section, key, _read(file, "credential").strip(), origin)


def _whose(environment: Mapping[str, str]) -> str:
    """`ses-worker`, `ses-worker.NAME`: how its secrets are named, by its folder in /run."""
    runtime = Path(environment.get("RUNTIME_DIRECTORY", "").partition(":")[0])
    unit, _, instance = runtime.name.partition("ses-worker")
    ours = runtime.parent == Path("/run") and not unit and instance[:1] in {"", "-"}
    return f"ses-worker.{instance[1:]}".rstrip(".") if ours else ""


def _file_in_use(environment: Mapping[str, str], file: Path | None) -> Path | None:
    if named := file or environment.get(FILE_VARIABLE):
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def _read(file: Path, what: str) -> str:
    """Read all of it.

    Raises:
        FileNotFoundError: there is none.
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
    """Lists and tables stand in the environment as JSON."""
    model = _sections().get(section)
    field = model.model_fields.get(key) if model else None
    if field is None or get_origin(field.annotation) not in {dict, tuple}:
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise Misconfigured(f"{name} must be JSON, such as [] or {{}}") from None


def _sections() -> dict[str, type[Section]]:
    found = ((name, field.annotation) for name, field in Settings.model_fields.items())
    return {
        name: kind for name, kind in found if isinstance(kind, type) and issubclass(kind, Section)
    }


def _sentence(fault: ErrorDetails, origins: Mapping[tuple[Any, ...], str]) -> str:
    place = fault["loc"]
    name = ".".join(str(part) for part in place if part != "")
    if fault["type"] == "extra_forbidden":
        origins_named = [origin for at, origin in origins.items() if at[: len(place)] == place[:2]]
        return (
            f"{name or 'an empty name'}{_unknown(name, origins_named[0])} (in {origins_named[0]})"
        )
    text = _WORDS.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
    if len(place) == 1:  # about several keys of a section, which the text names
        return text
    origin = origins.get(place[:2])
    return f"{name}: {text[0].lower()}{text[1:]}" + (f" (in {origin})" if origin else "")


_WORDS = {"tuple_type": "must be a list", "dict_type": "must be a table"}
"""pydantic's kinds of errors, where TOML has other words than Python."""


def _unknown(name: str, origin: str) -> str:
    if name in NOT_BUILT or name.partition(".")[0] in NOT_BUILT:
        return " belongs to a feature that this version does not have"
    as_given = _variable if origin.startswith(PREFIX) else str
    near = get_close_matches(as_given(name), map(as_given, all_keys()), n=1, cutoff=0.8)
    return " is not a setting" + (f"; did you mean {near[0]}?" if near else "")


def _variable(name: str) -> str:
    return PREFIX + name.upper().replace(".", "__")
