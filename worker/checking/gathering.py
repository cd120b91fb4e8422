"""The facts that checks are told, fetched as one leads to the next."""

from collections.abc import Iterator, Mapping, Sequence

from worker.checks.admission import SNS, topics_let_in
from worker.checks.commands import set_queue
from worker.checks.dead_letters import read_redrive
from worker.checks.encryption import Encrypted
from worker.checks.facts import (
    Away,
    Blank,
    FeedbackFacts,
    QueueFacts,
    TopicFacts,
    Unseen,
    account_in_arn,
    read_arn,
    region_in_arn,
)
from worker.checks.statements import Caller
from worker.checks.topic import SES
from worker.plumbing import Aws, looking


def dead_letter_queue(
    aws: Aws, queue: QueueFacts, dead_letter_url: str | None
) -> QueueFacts | Blank | None:
    """The one that the settings name, else the redrive policy's; None: neither does."""
    if dead_letter_url is not None:
        return looking.queue(aws, dead_letter_url)
    redrive = read_redrive(queue.text("RedrivePolicy"))
    target = read_arn(redrive.target) if redrive else None
    if target is None:
        return None
    # A dead-letter queue is in the account and the region of its source.
    return looking.queue(aws, f"{queue.url.rpartition('/')[0]}/{target.name}")


def letters(
    aws: Aws, queue: QueueFacts, arns: Sequence[str]
) -> Iterator[tuple[str, QueueFacts | Blank]]:
    """Queues for what SNS cannot deliver, as far as they are beside ours."""
    for arn in arns:
        found = read_arn(arn)
        if found and (found.account, found.region) == (
            account_in_arn(queue.arn),
            region_in_arn(queue.arn),
        ):
            yield arn, looking.queue(aws, f"{queue.url.rpartition('/')[0]}/{found.name}")


def topics(aws: Aws, queue: QueueFacts, named: Sequence[str]) -> tuple[list[str], Blank | None]:
    """The topics that should feed the queue: those that are named, else by whatever knows of some.

    And why the subscriptions could not be listed, if they could not.
    """
    if named:
        return list(named), None
    subscribed = looking.topics_subscribed(aws, queue.arn)
    if isinstance(subscribed, list):
        return list(dict.fromkeys([*topics_let_in(queue), *subscribed])), None
    return topics_let_in(queue), subscribed


def feedback(
    aws: Aws, arns: Sequence[str], wanted: Sequence[str], wanted_sets: Sequence[str]
) -> FeedbackFacts:
    """What SES sends to the topics, by the identities and configuration sets that are wanted."""
    # SES publishes in its own region only, so it is asked where the topic is.
    region = region_in_arn(arns[0])
    at = aws if region in {"", aws.region} else aws.elsewhere(region)
    destinations, unlooked = looking.destinations(at, wanted_sets)
    identities = looking.identities(at, wanted)
    beyond = [f"{unlooked} configuration sets"] if unlooked else []
    if isinstance(identities, tuple) and len(identities) == looking.MOST_IDENTITIES:
        beyond.append(f"identities beyond the first {looking.MOST_IDENTITIES:,}")
    return FeedbackFacts(
        identities=identities,
        destinations=destinations,
        wanted=tuple(wanted),
        wanted_sets=tuple(wanted_sets),
        unlooked=tuple(beyond),
    )


def encrypted(
    aws: Aws, queues: Sequence[QueueFacts], named: Mapping[str, TopicFacts | Blank]
) -> Iterator[Encrypted]:
    """Whom SNS writes to, and whom SES does."""
    for one in queues:
        used = one.text("KmsMasterKeyId")
        key = looking.key(aws, used, aws.region) if used else None
        bare = not used and one.text("SqsManagedSseEnabled") == "false"
        mend = set_queue(one.url, aws.region, SqsManagedSseEnabled="true") if bare else ""
        for arn in named or [""]:
            account = account_in_arn(arn or one.arn)
            caller = Caller(service=SNS, account=account, arn=arn)
            yield Encrypted(f"the queue {one.name}", caller, key, mend)
    for arn, seen in named.items():
        ses = Caller(service=SES, account=account_in_arn(arn))
        if isinstance(seen, Unseen | Away):
            yield Encrypted(f"the topic {arn}", ses, seen)
        elif isinstance(seen, TopicFacts) and (name := seen.attributes.get("KmsMasterKeyId")):
            facts = looking.key(aws, name, region_in_arn(arn))
            yield Encrypted(f"the topic {arn}", ses, facts)
