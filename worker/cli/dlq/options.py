"""Options that select dead letters."""

from typing import TYPE_CHECKING

from worker.cli.help import option

if TYPE_CHECKING:
    from worker.core.dead_letter import DeadLetterFilter

reason_option = option(
    "--reason", "reasons", multiple=True, metavar="REASON",
    help="Only dead letters with this reason, as shown by `dlq list`; may be repeated.",
)  # fmt: skip
ids_option = option(
    "--message-id", "ids", multiple=True, metavar="ID",
    help="Only the dead letter with this id, from `dlq list`, the log or Slack; may be repeated.",
)  # fmt: skip


def filter_by(reasons: tuple[str, ...], ids: tuple[str, ...] = ()) -> "DeadLetterFilter":
    """Make the filter that the options describe."""
    from worker.core.dead_letter import DeadLetterFilter

    return DeadLetterFilter(reasons=frozenset(reasons), message_ids=frozenset(ids))
