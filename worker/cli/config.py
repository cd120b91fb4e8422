"""`ses-worker config`: the settings as this program reads them."""

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from worker.cli.common import HELP_SETTINGS, json_option, settings_file, with_settings
from worker.cli.help import Group
from worker.core.masking import printable

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.settings.origins import Shown

_WIDEST = 60
"""Columns of names and values, before which no origin begins."""


@click.group(cls=Group, context_settings=HELP_SETTINGS)
def config() -> None:
    """Show the settings.

    \b
    Example:
      ses-worker config show
    """


@config.command(context_settings=HELP_SETTINGS)
@json_option
@with_settings
def show(settings: "Settings", *, as_json: bool) -> None:
    """Show every setting with its value and its origin; no service is called.

    The origin is a line of the settings file, a credential, a variable of the environment, or the
    default. A secret is `set` or `not set`; of store.url only the passwords are hidden.

    \b
    Example:
      ses-worker config show
      ses-worker config show --json
    """
    from worker.settings.origins import shown_settings

    shown = shown_settings(settings, os.environ, settings_file())
    if as_json:
        file = str(settings.file) if settings.file else None
        click.echo(json.dumps({"file": file, "settings": _as_json(shown)}))
        return
    click.echo(printable(f"# settings file: {settings.file or 'none'}"))
    section = ""
    for setting in shown:
        if setting.name.partition(".")[0] != section:
            section = setting.name.partition(".")[0]
            click.echo()
        click.echo(printable(_line(setting)))


def _as_json(shown: Sequence["Shown"]) -> dict[str, Any]:
    import msgspec

    return {
        setting.name: {"value": setting.value, "secret": setting.is_secret}
        | msgspec.to_builtins(setting.origin)
        | {"overridden": msgspec.to_builtins(setting.overridden)}
        for setting in shown
    }


def _line(shown: "Shown") -> str:
    value = _written(shown)
    overridden = ", ".join(map(str, reversed(shown.overridden)))
    more = f"; overrides {overridden}" if overridden else ""
    return f"{f'{shown.name} = {value}':<{_WIDEST}}  # {shown.origin}{more}"


def _written(shown: "Shown") -> str:
    from worker.settings.origins import NOT_SET, SET

    if shown.value is None or (shown.is_secret and shown.value in {SET, NOT_SET}):
        return shown.value or NOT_SET
    if isinstance(shown.value, dict):
        pairs = (f"{json.dumps(key)} = {json.dumps(item)}" for key, item in shown.value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(shown.value, float) and shown.value.is_integer():
        return str(int(shown.value))
    return json.dumps(shown.value, ensure_ascii=False)
