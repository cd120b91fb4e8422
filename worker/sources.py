"""Where settings come from, and what is said when one is wrong.

From lowest to highest: defaults, the TOML file, systemd's credentials, the environment.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from worker.errors import Misconfigured
from worker.settings import Section, Settings

DEFAULT_FILE = Path("/etc/ses-worker/worker.toml")
FILE_VARIABLE = "SES_WORKER_CONFIG"
PREFIX = "SES_WORKER_"
CREDENTIALS = {
    "store_url": ("store", "url"),
    "slack_webhook_url": ("slack", "webhook_url"),
    "slack_token": ("slack", "token"),
}
"""Files in systemd's `$CREDENTIALS_DIRECTORY`, and the settings that they hold."""
NOT_BUILT = frozenset({"http", "retention", "sns.verify"})
"""Sections and keys whose feature this version does not have."""


class Given(NamedTuple):
    """A setting as somebody gave it."""

    section: str
    key: str
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
        values.setdefault(given.section, {})[given.key] = given.value
        origins[given.section, given.key] = given.origin
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        faults = [_sentence(fault, origins) for fault in error.errors()]
        raise Misconfigured("\n".join(dict.fromkeys(faults))) from None


def all_keys() -> list[str]:
    """Every setting, as `section.key`."""
    return [
        f"{name}.{key}" for name, section in _sections().items() for key in section.model_fields
    ]


def _everything(environment: Mapping[str, str], file: Path | None) -> Iterator[Given]:
    named = file or (Path(name) if (name := environment.get(FILE_VARIABLE)) else None)
    if named or DEFAULT_FILE.exists():
        yield from _from_file(named or DEFAULT_FILE)
    if folder := environment.get("CREDENTIALS_DIRECTORY"):
        yield from _from_credentials(Path(folder))
    for name, text in environment.items():
        if name.startswith(PREFIX) and name != FILE_VARIABLE:
            section, _, key = name.removeprefix(PREFIX).lower().partition("__")
            yield Given(section, key, _typed(section, key, text, name), name)


def _from_file(file: Path) -> Iterator[Given]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"cannot read the settings in {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{file} is not TOML: {error}") from None
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise Misconfigured(f"{section} stands outside of any [section] in {file}")
        yield from (Given(section, key, value, str(file)) for key, value in table.items())


def _from_credentials(folder: Path) -> Iterator[Given]:
    for name, (section, key) in CREDENTIALS.items():
        file = folder / name
        if file.exists():
            try:
                yield Given(section, key, file.read_text(encoding="utf-8").strip(), str(file))
            except (OSError, UnicodeDecodeError) as error:
                raise Misconfigured(f"cannot read the credential {file}: {error}") from None


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
    name = ".".join(str(part) for part in place)
    if fault["type"] == "extra_forbidden":
        said = [origin for at, origin in origins.items() if at[: len(place)] == place[:2]]
        return f"{name}{_unknown(name)} (in {said[0]})"
    text = fault["msg"].removeprefix("Value error, ")
    origin = origins.get(place[:2])
    return f"{name}: {text[0].lower()}{text[1:]}" + (f" (in {origin})" if origin else "")


def _unknown(name: str) -> str:
    if name in NOT_BUILT or name.partition(".")[0] in NOT_BUILT:
        return " belongs to a feature that this version does not have"
    near = get_close_matches(name, all_keys(), n=1)
    return " is not a setting" + (f"; did you mean {near[0]}?" if near else "")
