"""Which dead letters a command is about, as options."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from worker.core.dead_letter import DeadLetterFilter

reason_option = click.option(
    "--reason", "reasons", multiple=True, metavar="REASON",
    help="Only dead letters with this reason, as `dlq list` shows it; may be repeated.",
)  # fmt: skip
ids_option = click.option(
    "--message-id", "ids", multiple=True, metavar="ID",
    help="Only the dead letter with this id, or the one in log and Slack; may be repeated.",
)  # fmt: skip


def filter_by(reasons: tuple[str, ...], ids: tuple[str, ...] = ()) -> "DeadLetterFilter":
    """What they mean."""
    from worker.core.dead_letter import DeadLetterFilter

    return DeadLetterFilter(reasons=frozenset(reasons), message_ids=frozenset(ids))
