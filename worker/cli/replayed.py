"""What a replay came to, on paper."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from worker.cli.common import screen
from worker.cli.exits import Exit
from worker.cli.letters import NO_QUEUE
from worker.masking import harmless

if TYPE_CHECKING:
    from worker.dead_letters.account import Account
    from worker.dead_letters.replaying import Plan, Replayed

MOST_FORETOLD = 50
"""Lines for people; machines get them all."""


def figures(replayed: "Replayed", plan: "Plan") -> dict[str, Any]:
    """What `--json` prints."""
    account, effects = replayed.account, replayed.effects
    found = {
        **account.tally.as_dict(),
        "sent": account.sent,
        "remaining": account.remaining,
        "effects_delivered": effects.delivered,
        "effects_waiting": effects.waiting,
        "effects_parked": effects.parked,
        "elapsed_s": round(replayed.elapsed_seconds, 3),
        "dry_run": plan.dry_run,
        "stayed": [
            {"outcome": outcome, "reason": reason, "count": count}
            for (outcome, reason), count in sorted(account.stayed.items())
        ],
    }
    if plan.dry_run:
        found["letters"] = [
            {
                "message_id": one.letter.message_id,
                "original_message_id": one.letter.original_id or None,
                "where": one.letter.where.value,
                "outcome": one.outcome.value,
                "reason": one.reason,
                "detail": harmless(one.error),
            }
            for one in account.foretold
        ]
    return found


def show(replayed: "Replayed", plan: "Plan") -> None:
    """Show the figures as a table; before them, of a dry run, what would become of each letter."""
    from rich.table import Table

    if plan.dry_run and replayed.account.foretold:
        _show_foretold(replayed.account)
    would = "would be replayed" if plan.dry_run else "replayed"
    table = Table(title=f"{would} in {replayed.elapsed_seconds:.1f} s", min_width=30)
    table.add_column("letters")
    table.add_column("count", justify="right")
    found = figures(replayed, plan)
    for name in (*replayed.account.tally.as_dict(), "sent", "remaining"):
        table.add_row(name, f"{found[name]:,}")
    effects = {name: found[f"effects_{name}"] for name in ("delivered", "waiting", "parked")}
    if any(effects.values()):
        table.add_section()
        for name, count in effects.items():
            table.add_row(f"effects: {name}", f"{count:,}")
    screen().print(table)


def remarks(replayed: "Replayed", plan: "Plan") -> Iterator[str]:
    """What else there is to be said, a sentence each."""
    account = replayed.account
    stay = "would stay" if plan.dry_run else "stay where they are"
    for (outcome, reason), count in sorted(account.stayed.items()):
        yield f"{count:,} {stay}: {outcome}, {reason}"
    for code, count in sorted(account.refused.items()):
        yield f"{count:,} stay where they are: the queue refuses them ({code})"
    for name, count in sorted(account.strangers.items()):
        yield (
            f"{count:,} came from the queue {name} and stay; "
            "name them with --message-id to send them here all the same"
        )
    if account.newcomers:
        yield f"{account.newcomers:,} came since this began, and stay"
    yield from missing(account)
    yield from remaining(account)
    if account.no_queue:
        yield NO_QUEUE
    elif _sqs_might_have_done_it(account, plan):
        yield "SQS can move a whole dead-letter queue by itself, and faster: add --by-sqs"


def remaining(account: "Account") -> Iterator[str]:
    """Say what is there still, and why."""
    if account.undeleted:
        yield (
            f"{account.undeleted:,} remain though they are done with: SQS did not delete them, or "
            "too late; replayed again they are duplicates"
        )
    if others := account.remaining - account.undeleted:
        yield (
            f"{others:,} remain: left at a limit or a signal, or held by others, "
            "who may be looking at them"
        )


def missing(account: "Account") -> Iterator[str]:
    """Say what was asked for and is not there."""
    for message_id in sorted(account.missing_ids):
        yield f"no letter {message_id} came by"
    if account.all_found and account.only_in_quarantine:
        yield (
            "all that was named lay in the table quarantine: "
            "the dead-letter queue was not looked into"
        )
    for reason in sorted(account.unmet_reasons):
        yield f"no letter has the reason {reason}; `ses-worker dlq list` says which there are"


def _sqs_might_have_done_it(account: "Account", plan: "Plan") -> bool:
    """Tell whether to recommend it: SQS would send other queues' letters here, too."""
    all_sent = plan.to_queue and not plan.by_sqs and plan.wanted.everything
    return bool(all_sent and account.sent and not account.strangers)


def status(replayed: "Replayed", plan: "Plan") -> Exit:
    """How a replay leaves; a dry run has done all it was to do."""
    found = exit_status(replayed.account, replayed.failure)
    return Exit.DONE if plan.dry_run and found is not Exit.FAILED else found


def exit_status(account: "Account", failure: BaseException | None) -> Exit:
    """FAILED before REMAIN before SET_ASIDE; an id that is not there is a failure."""
    if failure or (account.missing_ids and not account.remaining):
        return Exit.FAILED
    if account.remaining:
        return Exit.REMAIN
    return Exit.SET_ASIDE if account.stayed else Exit.DONE


def _show_foretold(account: "Account") -> None:
    from rich.table import Table
    from rich.text import Text

    shown = account.foretold[:MOST_FORETOLD]
    more = len(account.foretold) - len(shown)
    table = Table(caption=f"and {more:,} more; --json has them all" if more else None)
    for name in ("message id", "where", "would be", "why"):
        table.add_column(name, overflow="fold")
    for one in shown:
        why = ": ".join(filter(None, (one.reason, one.error)))
        where = one.letter.where.value
        cells = (one.letter.message_id, where, one.outcome.value, harmless(why))
        table.add_row(*map(Text, cells))
    screen().print(table)
