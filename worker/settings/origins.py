"""Every setting with its value and its origin, as people may see it: without secrets."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from msgspec import Struct
from pydantic import SecretStr

from worker.settings import Settings
from worker.settings.inputs import Input, Source, inputs
from worker.settings.lines import lines_of
from worker.settings.text_file import read_text

SET, NOT_SET = "set", "not set"
"""What is shown of a secret."""
MASK = "***"


class Origin(Struct, frozen=True, omit_defaults=True):
    """Where a value is from."""

    origin: str
    """`file`, `credential`, `environment`, `default`; of the region also `queue.url`."""
    where: str = ""
    """The file, the credential or the variable."""
    line: int = 0
    """The line in the file; 0: it has no lines."""

    def __str__(self) -> str:
        """Write it for people."""
        return f"{self.where}, line {self.line}" if self.line else self.where or self.origin


class Shown(Struct, frozen=True):
    """A setting."""

    name: str
    """`section.key`."""
    value: Any
    """As JSON has it; None: not set. Of a secret `set`, `not set`, or a URL without passwords."""
    is_secret: bool
    origin: Origin
    overridden: tuple[Origin, ...] = ()
    """Where the setting is, too, without effect; the strongest last."""


DEFAULT = Origin("default")


def shown_settings(
    settings: Settings, environment: Mapping[str, str], file: Path | None
) -> list[Shown]:
    """Return all settings; the arguments are those that the settings were loaded with."""
    origins: dict[tuple[str, str], list[Origin]] = {}
    lines = _lines(settings.file)
    for item in inputs(environment, file):
        if item.key is not None:
            origins.setdefault((item.section, item.key), []).append(_origin(item, lines))
    return list(_shown(settings, origins, environment))


def _shown(
    settings: Settings,
    origins: Mapping[tuple[str, str], list[Origin]],
    environment: Mapping[str, str],
) -> Iterator[Shown]:
    plain = settings.model_dump(mode="json")
    for section, values in plain.items():
        for key, value in values.items():
            *overridden, origin = origins.get((section, key), [DEFAULT])
            field = type(getattr(settings, section)).model_fields[key]
            is_secret = "SecretStr" in str(field.annotation)
            shown = _secret(getattr(getattr(settings, section), key)) if is_secret else value
            if (section, key) == ("aws", "region") and value is None:
                shown, origin = _region(settings, environment)
            yield Shown(f"{section}.{key}", shown, is_secret, origin, tuple(overridden))


def _lines(file: Path | None) -> dict[tuple[str, ...], int]:
    return lines_of(read_text(file, "settings")) if file else {}


def _origin(item: Input, lines: Mapping[tuple[str, ...], int]) -> Origin:
    line = lines.get((item.section, item.key or ""), 0) if item.source is Source.FILE else 0
    return Origin(item.source.value, item.origin, line)


def _secret(value: SecretStr | None) -> str:
    secret = value.get_secret_value() if value else ""
    if not secret:
        return NOT_SET
    return without_passwords(secret) if _is_database(secret) else SET


def _is_database(text: str) -> bool:
    return text.startswith(("sqlite:///", "postgresql://"))


def without_passwords(url: str) -> str:
    """Mask the passwords in a database's URL; in doubt, more than them.

    A password with `@`, `/` or `?` that is not percent-encoded makes a URL ambiguous: all between
    the first colon and the last `@` is masked, and all of the URL if a `/` or `?` is before that.
    """
    scheme, separator, rest = url.partition("://")
    if scheme == "sqlite":
        return url
    before, at, host = rest.rpartition("@")
    if "/" in before or "?" in before:  # the sign is in a password of the query, perhaps
        return f"{scheme}{separator}{MASK}"
    user, colon, _ = before.partition(":")
    shown = f"{user}{colon}{MASK if colon else ''}{at}"
    place, question, query = host.partition("?")
    place = _without_misplaced_password(place)
    parts = "&".join(map(_without_value, query.split("&")))
    return f"{scheme}{separator}{shown}{place}{question}{parts}"


def _without_misplaced_password(place: str) -> str:
    """Mask a port that is no number: `postgresql://user:secret/` is short of a host."""
    host, slash, path = place.partition("/")
    if host.startswith("["):
        return place
    shown = [
        f"{name}:{MASK}" if colon and not port.isdigit() else f"{name}{colon}{port}"
        for name, colon, port in (part.partition(":") for part in host.split(","))
    ]
    return ",".join(shown) + slash + path


def _without_value(parameter: str) -> str:
    key, equals, _ = parameter.partition("=")
    return f"{key}{equals}{MASK}" if "password" in unquote(parameter).lower() else parameter


def _region(settings: Settings, environment: Mapping[str, str]) -> tuple[str | None, Origin]:
    """Return the region in use, if the setting does not name it."""
    from worker.aws import region_in  # noqa: PLC0415 boto3 takes 0.2 s to load

    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if named := environment.get(variable):
            return named, Origin(Source.ENVIRONMENT.value, variable)
    found = region_in(settings.queue.url or "")
    return found, Origin("queue.url") if found else DEFAULT
