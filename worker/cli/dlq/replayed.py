"""Prints the result of `ses-worker dlq replay`, and chooses the exit status."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from worker.cli.exits import Exit
from worker.core.masking import printable, sanitized

if TYPE_CHECKING:
    from worker.commands.dlq.account import Account, DeadLetterOutcome
    from worker.commands.dlq.replaying import Plan, Replayed

MOST_LISTED = 50
"""Lines in a table; `--json` has all."""


def figures(replayed: "Replayed", plan: "Plan") -> dict[str, Any]:
    """Return what `--json` prints."""
    account, effects = replayed.account, replayed.effects
    found = {
        **account.counters.as_dict(),
        "examined": account.examined,
        "sent": account.sent,
        "remaining": account.not_processed,
        "still_there": None if plan.dry_run else account.still_there,
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
        found["dead_letters"] = [_dead_letter(outcome) for outcome in account.dry_run_outcomes]
    else:
        found["stayed_dead_letters"] = [_dead_letter(item) for item in account.named]
    return found


def _dead_letter(outcome: "DeadLetterOutcome") -> dict[str, Any]:
    return {
        "message_id": outcome.dead_letter.message_id,
        "original_message_id": outcome.dead_letter.original_id or None,
        "where": outcome.dead_letter.where.value,
        "outcome": outcome.outcome,
        "reason": outcome.reason,
        "detail": sanitized(outcome.error),
    }


def show(replayed: "Replayed", plan: "Plan") -> None:
    """Print the dead letters of a dry run, or those that stayed, and below them the figures."""
    from rich.table import Table

    from worker.cli.screen import screen

    account = replayed.account
    if plan.dry_run and account.dry_run_outcomes:
        _show_dead_letters(account.dry_run_outcomes, "would be", "--json lists all")
    elif account.named:
        count = account.stayed.total()
        _show_dead_letters(account.named, "stayed as", "a dry run lists all", count)
    would = "would be replayed" if plan.dry_run else "replayed"
    table = Table(title=f"{would} in {replayed.elapsed_seconds:.1f} s", min_width=30)
    table.add_column("dead letters")
    table.add_column("count", justify="right")
    found = figures(replayed, plan)
    outcomes = () if plan.to_queue else account.counters.as_dict()
    rows = {name: found[name] for name in outcomes}
    rows |= {name: found[name] for name in ("examined", "sent") if plan.to_queue}
    rows["not finished"] = found["remaining"]
    if not plan.dry_run:
        of_these = ", of those selected" if account.selects else ""
        rows[f"still dead letters{of_these}"] = found["still_there"]
    for name, count in rows.items():
        table.add_row(name, "unknown" if count is None else f"{count:,}")
    effects = {name: found[f"effects_{name}"] for name in ("delivered", "waiting", "parked")}
    if any(effects.values()):
        table.add_section()
        for name, count in effects.items():
            table.add_row(f"effects: {name}", f"{count:,}")
    screen().print(table)


def status(replayed: "Replayed", plan: "Plan") -> Exit:
    """Return the exit status of a replay; a dry run that has examined all is DONE."""
    found = exit_status(replayed.account, replayed.failure)
    return Exit.DONE if plan.dry_run and found is Exit.SET_ASIDE else found


def exit_status(account: "Account", failure: BaseException | None) -> Exit:
    """Return FAILED, else REMAIN, else SET_ASIDE; FAILED if a named id or reason was not found."""
    unmet = account.missing_ids or account.unmet_reasons
    if failure or (unmet and not account.remaining):
        return Exit.FAILED
    if account.remaining:
        return Exit.REMAIN
    return Exit.SET_ASIDE if account.stayed else Exit.DONE


def _show_dead_letters(
    dead_letters: Sequence["DeadLetterOutcome"], verb: str, hint: str, count: int | None = None
) -> None:
    from worker.cli.screen import put, screen

    shown, out = dead_letters[:MOST_LISTED], screen()
    for outcome in shown:
        why = ": ".join(filter(None, (outcome.reason, outcome.error)))
        where = outcome.dead_letter.where.value.replace("_", " ")
        put(out, printable(f"{outcome.dead_letter.message_id} ({where})"))
        put(out, sanitized(f"{verb} {outcome.outcome}: {why}"), indent=2)
    if more := (len(dead_letters) if count is None else count) - len(shown):
        put(out, f"and {more:,} more; {hint}")
