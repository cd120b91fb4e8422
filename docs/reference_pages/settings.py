"""The reference of settings: from the model, with the comments of `config/worker.toml`."""

import re
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from reference_pages.markdown import escaped
from worker.app.reload import LIVE
from worker.settings import Settings
from worker.settings.environment import variable
from worker.settings.inputs import CREDENTIALS

FILE = Path(__file__).parents[2] / "config" / "worker.toml"
HEAD = """# Settings

Made from the settings model; the texts are the comments of `config/worker.toml`, which has every
setting with its default. How settings are given is explained in
[Configuration](../configuration.md).
"""
NAMES = {int: "integer", float: "number", bool: "true or false", dict: "table", tuple: "list"}
LIMITS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def settings_page() -> str:
    """Return the page."""
    texts = comments(FILE.read_text(encoding="utf-8"))
    secrets = {setting: name for name, setting in CREDENTIALS.items()}
    parts = [HEAD]
    for section, model in Settings.model_fields.items():
        reload = "can change by a reload" if section in LIVE else "a change needs a restart"
        parts.append(f"## {section}\n\nThe section `[{section}]`; {reload}.\n")
        for key, field in model.annotation.model_fields.items():  # type: ignore[union-attr]
            name = f"{section}.{key}"
            facts = [
                f"Default: {default_of(field)}",
                kind_of(field),
                f"`{variable(section, key)}`",
            ]
            if (section, key) in secrets:
                facts.append(f"credential `{secrets[section, key]}`")
            parts.append(f"### {name}\n\n{'; '.join(facts)}.\n\n{escaped(texts[name])}\n")
    return "\n".join(parts)


def comments(toml: str) -> dict[str, str]:
    """Return the comment before each key, by `section.key`."""
    found: dict[str, str] = {}
    section, lines = "", list[str]()
    for line in toml.splitlines():
        if head := re.fullmatch(r"\[([\w.]+)\]", line):
            section = head[1]
            if "." in section:
                found[section] = " ".join(lines)
            lines = []
        elif key := re.fullmatch(r"#?(\w+) = .*", line):
            found[f"{section}.{key[1]}"] = " ".join(lines)
            lines = []
        elif line.startswith("# "):
            lines.append(line.removeprefix("# "))
        else:
            lines = []
    return found


def default_of(field: FieldInfo) -> str:
    """Return the default in Markdown."""
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str) and not value:
        return "empty"
    if isinstance(value, tuple):
        value = list(value)
    return f"`{value}`"


def kind_of(field: FieldInfo) -> str:
    """Return type and limits, such as `integer, at least 1, at most 20`."""
    limits = [
        f"{words} {getattr(limit, name):,}"
        for limit in field.metadata
        for name, words in LIMITS.items()
        if hasattr(limit, name)
    ]
    return ", ".join([_kind(field.annotation), *limits])


def _kind(annotation: Any) -> str:
    if isinstance(annotation, UnionType):
        annotation = next(kind for kind in get_args(annotation) if kind is not type(None))
    annotation = get_origin(annotation) or annotation
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " or ".join(f"`{item.value}`" for item in annotation)
    return NAMES.get(annotation, "text")
