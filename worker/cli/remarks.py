"""Sentences printed beside the figures of a replay or a deletion, and the question before it."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from worker.cli.advice import next_step
from worker.cli.common import counted
from worker.cli.dead_letters import NO_QUEUE
from worker.core.dead_letter import Where
from worker.core.masking import printable

if TYPE_CHECKING:
    from worker.commands.dlq.account import Account
    from worker.commands.dlq.deleting import Deletion, Known
    from worker.commands.dlq.replaying import Plan, Replayed


def remarks(replayed: "Replayed", plan: "Plan") -> Iterator[str]:
    """The remarks, a sentence each."""
    account = replayed.account
    stay = "would stay" if plan.dry_run else "stay where they are"
    for (outcome, reason), count in sorted(account.stayed.items()):
        yield f"{count:,} {stay}: {outcome}, {reason}"
        if step := next_step(reason):
            yield f"{reason}, what to do: {step}"
    for code, count in sorted(account.refused.items()):
        yield f"{count:,} stay where they are: the queue refuses them ({code})"
    for name, count in sorted(account.foreign.items()):
        yield (
            f"{count:,} came from the queue {name} and stay; "
            "name them with --message-id to send them here all the same"
        )
    if account.newcomers:
        yield f"{account.newcomers:,} came since this began, and stay"
    yield from missing(account)
    yield from remaining(account, replayed.failure, limit=plan.limit)
    if account.no_queue:
        yield NO_QUEUE
    elif _sqs_might_do_the_rest(replayed, plan):
        yield (
            "SQS can move the rest of the dead-letter queue by itself, and faster: add --by-sqs. "
            "It moves other queues' dead letters here, too"
        )


def remaining(
    account: "Account", failure: BaseException | None = None, *, limit: int | None = None
) -> Iterator[str]:
    """Report what remains, and why."""
    if account.left_behind:
        return
    if account.undeleted:
        yield (
            f"{account.undeleted:,} remain though they are done with: SQS did not delete them, or "
            "too late; replayed again they are duplicates"
        )
    if others := account.remaining - account.undeleted:
        yield f"{others:,} remain: {_why_they_remain(account, failure, limit, others)}"


def _why_they_remain(
    account: "Account", failure: BaseException | None, limit: int | None, count: int
) -> str:
    if failure:
        return "it ended before they were reached"
    if account.interrupted:
        return "a signal ended it before they were reached"
    if limit is not None and account.handled >= limit:
        return "left at the limit"
    if account.refused.total() >= count:
        return "the queue refuses them"
    return "held by others, who may be looking at them: try again in a minute"


def missing(account: "Account") -> Iterator[str]:
    """Report what was named and not found."""
    for message_id in sorted(account.missing_ids):
        if other := account.other_reasons.get(message_id):
            yield f"the dead letter {message_id} is there, with the reason {other}: left alone"
        else:
            yield f"no dead letter {message_id} was found"
    if account.all_found and account.only_in_quarantine:
        yield (
            "all that was named lay in the table quarantine: "
            "the dead-letter queue was not looked into"
        )
    for reason in sorted(account.unmet_reasons):
        yield f"no dead letter has the reason {reason}; `ses-worker dlq list` shows the reasons"


def _sqs_might_do_the_rest(replayed: "Replayed", plan: "Plan") -> bool:
    """Return whether to recommend the move by SQS: interrupted, and nothing else would move."""
    account = replayed.account
    whole = plan.filter_.everything and plan.limit is None and not plan.dry_run
    eligible = plan.to_queue and not plan.by_sqs and whole
    return bool(eligible and account.interrupted and account.still_there and not account.foreign)


def question(deletion: "Deletion", known: "Known") -> str:
    """The question before dead letters are deleted."""
    places = {where for where, _ in known}
    queue, table = f"the dead-letter queue {deletion.queue}", "the table quarantine"
    where = {Where.DEAD_LETTER_QUEUE: queue, Where.QUARANTINE: table}
    named = " and ".join(name for place, name in where.items() if place in places)
    reasons = ", ".join(
        f"{count:,} {printable(reason)}" for reason, count in Counter(known.values()).most_common()
    )
    held = deletion.account.remaining
    more = f" {counted(held, 'other dead letter')} that others hold may be meant, too: not deleted."
    text = f"Delete {counted(len(known), 'dead letter')} for good from {named}: {reasons}."
    return f"{text}{more if held else ''} Sure?"
