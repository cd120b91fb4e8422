"""Sentences below the figures of a replay or a deletion, and the question before a deletion."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from worker.cli.common import counted
from worker.cli.dlq.advice import next_step
from worker.cli.dlq.groups import NO_QUEUE
from worker.core.dead_letter import Where
from worker.core.masking import printable

if TYPE_CHECKING:
    from worker.commands.dlq.account import Account
    from worker.commands.dlq.deleting import Deletion, Known
    from worker.commands.dlq.replaying import Plan, Replayed


def remarks(replayed: "Replayed", plan: "Plan") -> Iterator[str]:
    """Yield the sentences about a replay."""
    account = replayed.account
    for (outcome, reason), count in sorted(account.stayed.items()):
        stay = "would stay" if plan.dry_run else _stay(count)
        yield f"{count:,} {stay}: {outcome}, {reason}"
        if step := next_step(reason):
            yield f"{reason}, what to do: {step}"
    for code, count in sorted(account.refused.items()):
        yield f"{count:,} {_stay(count)}: the queue refuses to take more ({code})"
    for name, count in sorted(account.foreign.items()):
        yield (
            f"{count:,} {_stay(count)}, from the queue {name}; with --message-id they are sent to "
            "this queue all the same"
        )
    if account.newcomers:
        yield f"{counted(account.newcomers, 'newer dead letter')} arrived since the replay began"
    yield from missing(account)
    yield from remaining(account, replayed.failure, limit=plan.limit)
    if account.no_queue:
        yield NO_QUEUE
    elif _sqs_might_do_the_rest(replayed, plan):
        yield (
            "SQS can move the rest of the dead-letter queue itself, and faster: add --by-sqs. "
            "That also moves other queues' dead letters to this queue"
        )


def remaining(
    account: "Account", failure: BaseException | None = None, *, limit: int | None = None
) -> Iterator[str]:
    """Report how many remain, and why."""
    if account.left_behind:
        return
    if account.undeleted:
        yield (
            f"{_remain(account.undeleted)} in spite of being processed: SQS deleted too late; "
            "another replay finds duplicates"
        )
    if others := account.remaining - account.undeleted:
        yield f"{_remain(others)}: {_why_they_remain(account, failure, limit, others)}"


def _why_they_remain(
    account: "Account", failure: BaseException | None, limit: int | None, count: int
) -> str:
    if failure:
        return "the command failed before it reached them"
    if account.interrupted:
        return "a signal ended the command before it reached them"
    if limit is not None and account.handled >= limit:
        return "--limit was reached"
    if account.refused.total() >= count:
        return "the queue refuses them"
    return "held by others, such as another dlq command: try again in a minute"


def _stay(count: int) -> str:
    return "stays a dead letter" if count == 1 else "stay dead letters"


def _remain(count: int) -> str:
    return f"{count:,} {'remains' if count == 1 else 'remain'}"


def missing(account: "Account") -> Iterator[str]:
    """Report named ids and reasons that were not found."""
    for message_id in sorted(account.missing_ids):
        if other := account.other_reasons.get(message_id):
            yield f"the dead letter {message_id} has the reason {other}: not touched"
        else:
            yield f"no dead letter {message_id} was found"
    if account.all_found and account.only_in_quarantine:
        yield (
            "all named dead letters were in the table quarantine: "
            "the dead-letter queue was not read"
        )
    for reason in sorted(account.unmet_reasons):
        yield f"no dead letter has the reason {reason}; `ses-worker dlq list` shows the reasons"


def _sqs_might_do_the_rest(replayed: "Replayed", plan: "Plan") -> bool:
    """Return whether to recommend --by-sqs: interrupted, and it would move nothing else."""
    account = replayed.account
    whole = plan.filter_.everything and plan.limit is None and not plan.dry_run
    eligible = plan.to_queue and not plan.by_sqs and whole
    return bool(eligible and account.interrupted and account.not_processed and not account.foreign)


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
    more = f" {counted(held, 'other dead letter')} held by others will not be deleted."
    text = f"Delete {counted(len(known), 'dead letter')} for good from {named}: {reasons}."
    return f"{text}{more if held else ''} Sure?"
