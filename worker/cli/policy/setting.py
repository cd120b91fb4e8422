"""The values of `--set`: settings of a policy as in TOML."""

import tomllib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from worker.cli.common import print_message
from worker.core.errors import Misconfigured

if TYPE_CHECKING:
    from worker.settings import Settings

_SECTION = "policy."
_LONGEST = 10_000
"""Characters of a value of `--set`."""


def changes_of(settings: "Settings", texts: Sequence[str]) -> dict[str, Any]:
    """Read values of `--set`, such as `policy.soft_bounce_pause_days=3`; later values win.

    `bounce_actions."Transient/*"=no_action` adds an entry to the table that is set; a whole table
    replaces it.

    Raises:
        UsageError: a value cannot be read; the text names it.

    """
    changes: dict[str, Any] = {}
    for text in texts:
        name, value = _read(text)
        key, _, entry = name.partition(".")
        if entry:
            table = changes.get(key, getattr(settings.policy, key, {}))
            if not isinstance(table, Mapping):
                raise click.UsageError(f"--set {name}: policy.{key} is no table")
            changes[key] = {**table, entry.strip("\"'"): value}
        else:
            changes[key] = value
    return changes


def _read(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    section, dot, _ = name.strip().partition(".")
    if dot and section != _SECTION.removesuffix(".") and section in _other_sections():
        raise click.UsageError(
            f"--set {name.strip()[:80]}: is no setting of a policy; only [policy] can differ"
        )
    name, value = name.strip().removeprefix(_SECTION), value.strip()
    if not (name and equals) or len(text) > _LONGEST:
        raise click.UsageError(f"--set {text[:80]!r} must be KEY=VALUE")
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:  # a word without quotes
        return name, value
    except RecursionError:
        raise click.UsageError(f"--set {name[:80]}: the value is nested too deeply") from None


def _other_sections() -> frozenset[str]:
    from worker.settings import Settings

    return frozenset(Settings.model_fields) - {"policy"}


def another_policy(settings: "Settings", texts: Sequence[str]) -> "Settings":
    """Return the settings with another policy; warn of bounces that SES does not document.

    Raises:
        UsageError: a value cannot be read or is not valid, or nothing changes.

    """
    from worker.core.backtesting import decide_alike
    from worker.settings.another_policy import with_changes
    from worker.settings.bounce_names import doubtful_names

    try:
        other = with_changes(settings, changes_of(settings, texts))
    except Misconfigured as error:
        raise click.UsageError("; ".join(str(error).splitlines())) from None
    if decide_alike(other.as_policy(), settings.as_policy()):
        raise click.UsageError("that is the policy in force: nothing would be different")
    before, after = settings.policy.bounce_actions, other.policy.bounce_actions
    for doubt in doubtful_names(name for name in after if name not in before):
        print_message(doubt)
    return other
