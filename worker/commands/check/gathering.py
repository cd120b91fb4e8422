"""Reads the facts that the checks judge; each read needs the facts before it."""

from collections.abc import Iterator, Mapping, Sequence

from worker.sqs.redrive import read_redrive_policy
from worker.topology import Aws, inspection
from worker.topology.checks.admission import SNS, rules_let_in, topics_let_in
from worker.topology.checks.commands import set_queue
from worker.topology.checks.encryption import Encrypted
from worker.topology.checks.facts import (
    EventBridgeFacts,
    FeedbackFacts,
    NotPermitted,
    QueueFacts,
    TopicFacts,
    Unknown,
    Unreachable,
    account_in_arn,
    read_arn,
    region_in_arn,
)
from worker.topology.checks.narrowing import SES
from worker.topology.checks.statements import Caller
from worker.topology.checks.topic import EVENTS


def dead_letter_queue(
    aws: Aws, queue: QueueFacts, dead_letter_url: str | None
) -> QueueFacts | Unknown | None:
    """Read the dead-letter queue of the settings, else of the redrive policy; None: no name."""
    if dead_letter_url is not None:
        return inspection.queue(aws, dead_letter_url)
    redrive = read_redrive_policy(queue.text("RedrivePolicy"))
    target = read_arn(redrive.target) if redrive else None
    if target is None:
        return None
    # A dead-letter queue is in the account and the region of its source.
    return inspection.queue(aws, f"{queue.url.rpartition('/')[0]}/{target.name}")


def dead_letters(
    aws: Aws, queue: QueueFacts, arns: Sequence[str]
) -> Iterator[tuple[str, QueueFacts | Unknown]]:
    """Read the queues for what SNS cannot deliver, if they are in our account and region."""
    for arn in arns:
        found = read_arn(arn)
        if found and (found.account, found.region) == (
            account_in_arn(queue.arn),
            region_in_arn(queue.arn),
        ):
            yield arn, inspection.queue(aws, f"{queue.url.rpartition('/')[0]}/{found.name}")


def topics(aws: Aws, queue: QueueFacts, named: Sequence[str]) -> tuple[list[str], Unknown | None]:
    """Find the topics that should feed the queue: the named ones, else by policy and subscriptions.

    Also return why the subscriptions could not be listed; None: they could.
    """
    if named:
        return list(named), None
    subscribed = inspection.topics_subscribed(aws, queue.arn)
    if isinstance(subscribed, list):
        return list(dict.fromkeys([*topics_let_in(queue), *subscribed])), None
    return topics_let_in(queue), subscribed


def eventbridge(
    aws: Aws, queue: QueueFacts, arns: Sequence[str], *, is_expected: bool
) -> EventBridgeFacts:
    """Read the rules that send to the queue or to a topic, and those that its policy names."""
    names: dict[str, None] = {}
    unlisted: Unknown | None = None
    for target in (queue.arn, *arns):
        if _place(target) != _place(queue.arn):
            continue
        found = inspection.rules_of(aws, target)
        if not isinstance(found, list):
            unlisted = found
            break
        names |= dict.fromkeys(found)
    own = read_arn(queue.arn)
    prefix = f"arn:{own.partition}:events:{own.region}:{own.account}:rule/" if own else "-"
    admitted = [arn for arn in rules_let_in(queue) if arn.startswith(prefix)]
    named = [prefix + name for name in names]
    rules = {
        arn: inspection.rule(aws, arn.removeprefix(prefix))
        for arn in dict.fromkeys([*named, *admitted])
        if "/" not in arn.removeprefix(prefix)  # a rule of another bus, on which SES publishes none
    }
    return EventBridgeFacts(
        rules=rules, unlisted=unlisted, is_expected=is_expected or bool(admitted)
    )


def _place(arn: str) -> tuple[str, str]:
    return account_in_arn(arn), region_in_arn(arn)


def feedback(
    aws: Aws, arns: Sequence[str], named_identities: Sequence[str], named_sets: Sequence[str]
) -> FeedbackFacts:
    """Read what SES sends to topics and bus, by the named identities and configuration sets."""
    # SES publishes in its own region only, so it is called in the topic's region.
    region = region_in_arn(arns[0])
    at = aws if region in {"", aws.region} else aws.elsewhere(region)
    destinations, skipped = inspection.destinations(at, named_sets)
    identities = inspection.identities(at, named_identities)
    not_read = [f"{skipped} configuration sets"] if skipped else []
    if isinstance(identities, tuple) and len(identities) == inspection.MOST_IDENTITIES:
        not_read.append(f"identities beyond the first {inspection.MOST_IDENTITIES:,}")
    return FeedbackFacts(
        identities=identities,
        destinations=destinations,
        named_identities=tuple(named_identities),
        named_sets=tuple(named_sets),
        not_read=tuple(not_read),
    )


def encrypted(
    aws: Aws,
    queues: Sequence[QueueFacts],
    named: Mapping[str, TopicFacts | Unknown],
    rules: Sequence[str] = (),
) -> Iterator[Encrypted]:
    """Read the keys of queues, to which SNS or EventBridge writes, and of topics, likewise SES."""
    for queue in queues:
        key_id = queue.text("KmsMasterKeyId")
        key = inspection.key(aws, key_id, aws.region) if key_id else None
        is_plain = not key_id and queue.text("SqsManagedSseEnabled") == "false"
        fix = set_queue(queue.url, aws.region, SqsManagedSseEnabled="true") if is_plain else ""
        callers = [Caller(service=EVENTS, account=account_in_arn(rule), arn=rule) for rule in rules]
        for arn in named or ([] if rules else [""]):
            account = account_in_arn(arn or queue.arn)
            callers.append(Caller(service=SNS, account=account, arn=arn))
        for caller in callers:
            yield Encrypted(f"the queue {queue.name}", caller, key, fix)
    for arn, observed in named.items():
        ses = Caller(service=SES, account=account_in_arn(arn))
        if isinstance(observed, NotPermitted | Unreachable):
            yield Encrypted(f"the topic {arn}", ses, observed)
        elif isinstance(observed, TopicFacts) and (
            name := observed.attributes.get("KmsMasterKeyId")
        ):
            facts = inspection.key(aws, name, region_in_arn(arn))
            yield Encrypted(f"the topic {arn}", ses, facts)
