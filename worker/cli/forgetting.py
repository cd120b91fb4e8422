"""`ses-worker users forget`."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from worker.cli.common import (
    HELP_SETTINGS,
    address_hash,
    counted,
    json_option,
    print_message,
    require_terminal,
    with_settings,
)
from worker.cli.exits import Exit
from worker.cli.help import option
from worker.cli.words import moment
from worker.core.masking import cut, printable

if TYPE_CHECKING:
    from worker.commands.forget import Forgotten
    from worker.settings import Settings
    from worker.store.forgetting import OnRecord
    from worker.store.traces import Trace

MOST_ADDRESSES = 50
"""The database is searched for all of them at once; more would make each row slow."""
MOST_LEFT_SHOWN = 20
LONGEST_SHOWN = 100
OUT_OF_REACH = (
    "the queue: what arrives later about them is ignored",
    "backups, WAL archives and replicas' backups: delete them, or repeat this after a restore",
    "Slack, and mail or tickets made of notices: delete the messages there",
    "SES's suppression lists: they keep mail from them; the address is there until you delete it",
    "your shell's history, and logs of sudo or audit: they have the command with the address",
    "your application's own tables and files, also exports of users and events",
    "names without an address, in the subjects and texts of what is kept for others",
)
"""Where this command cannot delete anything, and what to do."""
OF_THE_VIEW = (
    "applications that ask the view do_not_mail: it does not list the forgotten; ask may-send or "
    "users check"
)
"""Where a block or a pause is kept, and not shown."""
OF_OLD_WORKERS = (
    "workers that were started before the upgrade to this version, which do not know who was "
    "forgotten, if {workers} are such: restart them"
)
"""Nothing says which version a worker is."""


@click.command(context_settings=HELP_SETTINGS)
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@option(
    "--also-unblock",
    is_flag=True,
    show_default="off",
    help="Drop the block of a person who complained, too.",
)
@option("--dry-run", is_flag=True, show_default="off", help="Only show what is on record.")
@option("--yes", is_flag=True, show_default="off", help="Do not ask for confirmation.")
@json_option
@with_settings
def forget(
    settings: "Settings",
    *,
    addresses: Sequence[str],
    also_unblock: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete all that is on record about people, however their addresses are spelled.

    With - the addresses stand on standard input, one a line, or in CSV with a column email.

    First it says what there is and where, and asks. Users, events, notices and removals are
    deleted; so are their parts of quarantined messages, dead letters and notices that name others
    too, which are kept for the others. A dead letter about others as well moves to quarantine.

    What remains is a digest of the address that privacy.key keys, with the block or the end of the
    pause: may-send, users check and users import still answer by it, and a bounce or complaint
    that arrives later is ignored, or blocks or pauses for longer. --also-unblock drops a block.

    Run it again after a failure: it finishes. The exit status is 3 if something cannot be taken
    out, which is listed and stays, and 4 if others hold dead letters.

    \b
    Example:
      ses-worker users forget jane@example.com --dry-run
      ses-worker users forget jane@example.com --yes
      ses-worker users forget - --yes < requests.txt
    """
    from worker.cli.progress import Progress
    from worker.commands.forget import forget as forget_them
    from worker.commands.forget import require_privacy_key, survey
    from worker.store.forgetting import Forgetting

    keys = _keys(addresses)
    forgetting = Forgetting(
        keys=keys,
        privacy_key=require_privacy_key(settings),
        policy=settings.as_policy(),
        also_unblock=also_unblock,
    )
    hashes = {key: hashed for key in keys if (hashed := address_hash(settings, key))}
    if not dry_run:
        require_terminal(yes=yes)
    if dry_run or not yes:
        with Progress("search", "rows", enabled=not as_json) as progress:
            found = survey(settings, forgetting, lambda rows: progress.update(rows, None))
        if dry_run:
            _conclude(found, hashes, as_json=as_json, dry_run=True)
        _show(found, hashes, is_done=False, err=as_json)
        click.confirm(f"Forget {counted(len(keys), 'person', 'people')}?", abort=True, err=True)
    with Progress("forget", "rows", enabled=not as_json) as progress:
        done = forget_them(settings, forgetting, lambda rows: progress.update(rows, None))
    _conclude(done, hashes, as_json=as_json, dry_run=False)


def _keys(addresses: Sequence[str]) -> list[str]:
    """Return the normalised addresses of the command line, or of standard input; all, or none.

    Raises:
        UsageError: a text is no address, there is none, or there are too many.

    """
    from worker.core.address import parse_address

    if "-" in addresses:
        return _listed_keys(addresses)
    keys = []
    for given in addresses:
        if (address := parse_address(given)) is None:
            shown = printable(cut(given, LONGEST_SHOWN))
            raise click.BadParameter(f"{shown} is no usable address", param_hint="ADDRESS")
        keys.append(address.key)
    return _distinct(keys)


def _listed_keys(addresses: Sequence[str]) -> list[str]:
    from worker.cli.address_lines import AddressLines

    if len(addresses) > 1:
        raise click.UsageError("- stands alone: the addresses are on standard input")
    lines = AddressLines("-", show_all=False)
    keys = _distinct(list(islice(lines, MOST_ADDRESSES + 1)))
    if lines.refused:
        raise click.UsageError("a line is no usable address; nobody was forgotten")
    if not keys:
        raise click.UsageError("there is no address on standard input")
    return keys


def _distinct(keys: Sequence[str]) -> list[str]:
    if len(keys) > MOST_ADDRESSES:
        raise click.UsageError(f"at most {MOST_ADDRESSES} addresses at once")
    return list(dict.fromkeys(keys))


def _conclude(
    found: "Forgotten", hashes: Mapping[str, str], *, as_json: bool, dry_run: bool
) -> None:
    if as_json:
        click.echo(json.dumps(_figures(found, hashes, dry_run=dry_run)))
    else:
        _show(found, hashes, is_done=not dry_run)
        if found.remark:
            print_message(found.remark)
    if found.failure:
        print_message(f"{found.failure}. All else is done")
    sys.exit(_status(found))


def _status(found: "Forgotten") -> Exit:
    if found.failure:
        return Exit.FAILED
    if found.hidden:
        return Exit.REMAIN
    return Exit.SET_ASIDE if found.left or found.not_looked_at else Exit.DONE


def _figures(found: "Forgotten", hashes: Mapping[str, str], *, dry_run: bool) -> dict[str, Any]:
    from worker.commands.forget import places

    return {
        "people": [
            _person(person) | {"address_hash": hashes.get(person.key)} for person in found.people
        ],
        "places": {
            name.replace("-", "_").replace(" ", "_"): dict(counts) for name, counts in places(found)
        },
        "left": [
            {"place": each.place, "id": each.id or None, "message_id": each.name or None,
             "why": each.why}
            for each in found.left
        ],
        "dead_letter_queue": found.queue or None,
        "not_looked_at": found.not_looked_at or None,
        "hidden_dead_letters": found.hidden,
        "out_of_reach": list(_out_of_reach(found)),
        "dry_run": dry_run,
    }  # fmt: skip


def _person(person: "OnRecord") -> dict[str, Any]:
    until, before = person.paused_until, person.forgotten_at
    return {
        "address": person.key,
        "rows": dict(person.rows),
        "blocked": person.blocked,
        "paused_until": until.isoformat() if until else None,
        "forgotten_before": before.isoformat() if before else None,
    }


def _show(
    found: "Forgotten", hashes: Mapping[str, str], *, is_done: bool, err: bool = False
) -> None:
    for line in _lines(found, hashes, is_done=is_done):
        click.echo(printable(line), err=err)


def _lines(found: "Forgotten", hashes: Mapping[str, str], *, is_done: bool) -> Iterator[str]:
    from worker.commands.forget import places

    for person in found.people:
        yield _sentence(person, is_done=is_done)
        if person.key in hashes:
            yield f"  address_hash in the log: {hashes[person.key]}"
    for name, counts in places(found):
        if any(counts.values()):
            yield f"  {name + ':':<19} {_fates(counts, is_done=is_done)}"
    for trace in found.left[:MOST_LEFT_SHOWN]:
        yield f"cannot be redacted, and stays: {_named(trace)}: {trace.why}"
    if more := found.left[MOST_LEFT_SHOWN:]:
        yield f"and {len(more):,} more; --json lists them all"
    if found.not_looked_at:
        yield f"dead letters were not looked at: {found.not_looked_at}"
    if found.hidden:
        held = counted(found.hidden, "dead letter")
        yield f"{held} could not be looked at, because others hold them: run it again"
    yield "out of reach:"
    yield from (f"  {each}" for each in _out_of_reach(found))


def _out_of_reach(found: "Forgotten") -> Iterator[str]:
    yield from OUT_OF_REACH
    if any(person.blocked or person.paused_until for person in found.people):
        yield OF_THE_VIEW
    if found.workers:
        yield OF_OLD_WORKERS.format(workers=found.workers)


def _sentence(person: "OnRecord", *, is_done: bool) -> str:
    bars = ["blocked"] if person.blocked else []
    if person.paused_until:
        bars.append(f"paused until {moment(person.paused_until)} UTC")
    state = " and ".join(bars) or "neither blocked nor paused"
    before = (
        f" (forgotten before, on {person.forgotten_at:%Y-%m-%d})" if person.forgotten_at else ""
    )
    if not any(person.rows.values()):
        before = before or "; no user, no event"
    verb = "is forgotten, and stays" if is_done else "would be forgotten, and stay"
    return f"{person.key} {verb} {state}{before}"


def _fates(counts: Any, *, is_done: bool) -> str:
    from worker.store.traces import Fate

    words = {
        Fate.DELETED: "deleted" if is_done else "to delete",
        Fate.REDACTED: "redacted" if is_done else "to redact, kept for others",
        Fate.LEFT: "left as they are",
    }
    return ", ".join(f"{count:,} {words[fate]}" for fate, count in counts.items() if count)


def _named(trace: "Trace") -> str:
    from worker.commands.forget import DEAD_LETTERS

    where = trace.place if trace.place == DEAD_LETTERS else f"{trace.place} #{trace.id}"
    if not trace.name:
        return where
    return f"{where}, message {trace.name} (ses-worker dlq delete --message-id {trace.name})"
