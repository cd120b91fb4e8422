"""Loads the settings, and reports wrong values.

From lowest to highest: defaults, systemd's runtime directory, the TOML file, systemd's credentials,
the environment.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from worker.core.errors import Misconfigured
from worker.settings import Settings
from worker.settings.environment import PREFIX, variable
from worker.settings.inputs import file_in_use, inputs, sections
from worker.settings.program import command

NOT_BUILT = frozenset({"webhook"})
"""Sections and keys whose feature this version does not have."""


def load_settings(environment: Mapping[str, str], file: Path | None = None) -> Settings:
    """Read and check all settings; `file`: the value of `--config`.

    Raises:
        Misconfigured: a line for each error, with the origin of the value.

    """
    values: dict[str, dict[str, Any]] = {}
    origins: dict[tuple[Any, ...], str] = {}
    for item in inputs(environment, file):
        section = values.setdefault(item.section, {})
        if item.key is not None:
            section[item.key] = item.value
        origins[item.section, item.key] = item.origin
    try:
        settings = Settings.model_validate(values)
        return settings.read_from(file_in_use(environment, file), command(environment, file))
    except ValidationError as error:
        lines = [_sentence(details, origins) for details in error.errors()]
        raise Misconfigured("\n".join(dict.fromkeys(lines))) from None


def all_keys() -> list[str]:
    """Every setting, as `section.key`."""
    return [f"{name}.{key}" for name, section in sections().items() for key in section.model_fields]


def _sentence(details: ErrorDetails, origins: Mapping[tuple[Any, ...], str]) -> str:
    place = details["loc"]
    name = ".".join(str(part) for part in place if part != "")
    if details["type"] == "extra_forbidden":
        origin = next(text for at, text in origins.items() if at[: len(place)] == place[:2])
        return f"{name or 'an empty name'}{_unknown(name, origin)} (in {origin})"
    text = _WORDS.get(details["type"]) or details["msg"].removeprefix("Value error, ")
    if len(place) <= 1:  # about several keys, which the text names
        return text
    found = origins.get(place[:2])
    return f"{name}: {text[0].lower()}{text[1:]}" + (f" (in {found})" if found else "")


_WORDS = {"tuple_type": "must be a list", "dict_type": "must be a table"}
"""Our words for pydantic's errors about types: TOML has lists and tables."""


def _unknown(name: str, origin: str) -> str:
    if name in NOT_BUILT or name.partition(".")[0] in NOT_BUILT:
        return " belongs to a feature that this version does not have"
    near = _near_variable(origin) if origin.startswith(PREFIX) else _near(name)
    return " is not a setting" + (f"; did you mean {near}?" if near else "")


def _near_variable(name: str) -> str:
    variables = [_variable(key) for key in all_keys()]
    return next(iter(get_close_matches(name.upper(), variables, n=1, cutoff=0.8)), "")


def _near(name: str) -> str:
    """Return the section or key that was most likely meant; empty: none."""
    section, _, key = name.partition(".")
    if not key:
        near = get_close_matches(section, sections(), n=1, cutoff=0.7)
        return f"[{near[0]}]" if near else ""
    if near := get_close_matches(name, all_keys(), n=1, cutoff=0.8):
        return near[0]
    elsewhere = [other for other in all_keys() if other.partition(".")[2] == key]
    return " or ".join(elsewhere)


def _variable(name: str) -> str:
    section, _, key = name.partition(".")
    return variable(section, key)
