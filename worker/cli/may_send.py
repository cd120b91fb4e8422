"""`ses-worker may-send`: whether mail may go to an address now."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from worker.cli.common import HELP_SETTINGS, json_option, with_settings
from worker.cli.exits import Exit
from worker.core.errors import Misconfigured, Refused, WorkerError

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store.answers import Verdict

_NO_ANSWER = "this is no answer: treat it as no"


@click.command("may-send", context_settings=HELP_SETTINGS)
@click.argument("address")
@json_option
@with_settings
def may_send(settings: "Settings", address: str, as_json: bool) -> None:
    """Tell whether mail may go to an address now, however the address is spelled.

    The exit status is 0 if it may, 3 if it must not, 2 if this is no address, and 1 if the
    database cannot be read. Send only after 0. An address that is no user is judged by its
    events on record; an unknown address is 0, and is said to be unknown.

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
        click.echo(json.dumps(_figures(parsed.key, verdict)))
    else:
        click.echo(_sentence(parsed.key, verdict))
    sys.exit(Exit.DONE if verdict.may_send else Exit.NO)


def _ask(settings: "Settings", key: str) -> "Verdict":
    from worker.app import open_existing_store
    from worker.store.answers import verdict_on

    try:
        return verdict_on(open_existing_store(settings), key)
    except Misconfigured as error:
        raise Misconfigured(f"{error}; {_NO_ANSWER}") from error
    except WorkerError as error:
        raise Refused(f"{error}; {_NO_ANSWER}") from error


def _figures(key: str, verdict: "Verdict") -> dict[str, Any]:
    return {
        "address": key,
        "may_send": verdict.may_send,
        "known": verdict.is_known,
        "user": verdict.is_user,
        "reason": verdict.reason,
        "until": verdict.until.isoformat() if verdict.until else None,
    }


def _sentence(key: str, verdict: "Verdict") -> str:
    who = "a user" if verdict.is_user else "no user"
    if verdict.until:
        until = f"{verdict.until:%Y-%m-%d %H:%M:%S} UTC"
        return f"no: {key}, {who}, is paused until {until} ({verdict.reason})"
    if not verdict.may_send:
        return f"no: {key}, {who}, is blocked, without an end ({verdict.reason})"
    if verdict.is_user:
        return f"yes: {key}, a user, is neither paused nor blocked"
    if verdict.is_known:
        return f"yes: {key}, no user, has events on record, and none of them stops mail now"
    return f"yes: {key} is unknown: no user, and no event on record"
