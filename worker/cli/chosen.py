"""Which dead letters a command is about, as options."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from worker.letters import Wanted

reason_option = click.option(
    "--reason", "reasons", multiple=True, metavar="REASON",
    help="Only letters with this reason, as `dlq list` shows it; may be repeated.",
)  # fmt: skip
ids_option = click.option(
    "--message-id", "ids", multiple=True, metavar="ID",
    help="Only the letter with this id, or the one in log and Slack; may be repeated.",
)  # fmt: skip


def wanted_by(reasons: tuple[str, ...], ids: tuple[str, ...] = ()) -> "Wanted":
    """What they mean."""
    from worker.letters import Wanted

    return Wanted(reasons=frozenset(reasons), message_ids=frozenset(ids))
