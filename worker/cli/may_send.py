"""`ses-worker may-send`: whether mail may go to an address now."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from worker.cli.common import HELP_SETTINGS, json_option, with_settings
from worker.cli.exits import Exit
from worker.cli.words import moment, verdict_figures
from worker.core.errors import Misconfigured, Refused, WorkerError

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store.answers import Verdict

_NO_ANSWER = "This is no answer: treat it as no"


@click.command("may-send", context_settings=HELP_SETTINGS)
@click.argument("address")
@json_option
@with_settings
def may_send(settings: "Settings", address: str, as_json: bool) -> None:
    """Show whether mail may go to an address now, however the address is spelled.

    The exit status is 0 if it may, 3 if it must not, 2 if this is no address, 1 if the database
    cannot be read, and 78 if the settings are wrong, or people were forgotten and privacy.key is
    not set. Send only after 0. An address that is no user is judged by its
    events on record; an unknown address is 0, and is called unknown. Who was forgotten is
    judged by the tombstone, which keeps the block or the end of the pause.

    The database is only read, so this also works while the worker runs, and for an account
    that may only read.

    \b
    Example:
      ses-worker may-send jane@example.com
    """
    from worker.core.address import parse_address

    parsed = parse_address(address)
    if parsed is None:
        raise click.BadParameter("is no usable address", param_hint="ADDRESS")
    verdict = _ask(settings, parsed.key)
    if as_json:
        click.echo(json.dumps({"address": parsed.key} | verdict_figures(verdict)))
    else:
        click.echo(_sentence(parsed.key, verdict))
    sys.exit(Exit.DONE if verdict.may_send else Exit.NO)


def _ask(settings: "Settings", key: str) -> "Verdict":
    from worker.app import open_existing_store
    from worker.store.answers import READ, verdict_on

    with no_answer_is_no():
        store = open_existing_store(settings, READ)
        return verdict_on(store, key, settings.privacy.privacy_key)


@contextmanager
def no_answer_is_no() -> Iterator[None]:
    """Add to an error of the block what it means.

    Raises:
        Misconfigured, Refused: the error.

    """
    try:
        yield
    except Misconfigured as error:
        raise Misconfigured(_without_answer(error)) from error
    except WorkerError as error:
        raise Refused(_without_answer(error)) from error


def _without_answer(error: WorkerError) -> str:
    """Add to an error what it means; it may end with a statement to be pasted."""
    text = str(error)
    return f"{text} {_NO_ANSWER}" if text.endswith((";", ".")) else f"{text}. {_NO_ANSWER}"


def _sentence(key: str, verdict: "Verdict") -> str:
    who = "a user" if verdict.is_user else "no user"
    if verdict.forgotten_at:
        who = f"forgotten on {verdict.forgotten_at:%Y-%m-%d}"
    if verdict.until:
        return f"no: {key}, {who}, is paused until {moment(verdict.until)} UTC ({verdict.reason})"
    if not verdict.may_send:
        return f"no: {key}, {who}, is blocked, without an end ({verdict.reason})"
    if verdict.is_user:
        return f"yes: {key}, a user, is neither paused nor blocked"
    if verdict.forgotten_at:
        return f"yes: {key}, {who}, is neither paused nor blocked"
    if verdict.is_known:
        return f"yes: {key}, no user, has events on record, and none of them stops mail now"
    return f"yes: {key} is unknown: no user, and no event on record"
