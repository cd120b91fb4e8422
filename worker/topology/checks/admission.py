"""The queue's policy: it must admit the topics and EventBridge's rules, and nobody else.

https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
"""

from collections.abc import Iterator, Sequence

from worker.topology.checks.commands import provision, provision_eventbridge
from worker.topology.checks.facts import QueueFacts, account_in_arn
from worker.topology.checks.findings import Check, Finding, Status
from worker.topology.checks.statements import Caller, Statement, Verdict, judge, read_policy
from worker.topology.checks.third_parties import Reach, source_arns, third_parties
from worker.topology.checks.topic import EVENTS

POLICY = Check("queue policy")
SNS = "sns.amazonaws.com"
SEND = "sqs:SendMessage"


def topics_let_in(queue: QueueFacts) -> list[str]:
    """The topics that the queue's policy names."""
    return source_arns(read_policy(queue.text("Policy")) or [], SNS, SEND)


def rules_let_in(queue: QueueFacts) -> list[str]:
    """The rules of EventBridge that the queue's policy names."""
    return source_arns(read_policy(queue.text("Policy")) or [], EVENTS, SEND)


def judge_policy(
    queue: QueueFacts, topics: Sequence[str], rules: Sequence[str] = ()
) -> list[Finding]:
    """Judge whether the queue's policy admits the topics and rules that should feed it, and others.

    `rules`: the ARNs of rules of EventBridge.
    """
    statements = read_policy(queue.text("Policy"))
    if statements is None:
        return [POLICY.unknown(f"the policy of {queue.name} cannot be read")]
    if not topics and not rules:
        message = f"the policy of {queue.name} admits no topic: SQS refuses what SNS delivers"
        return [POLICY.wrong(message, provision(queue.name))]
    callers = [*map(_topic, topics), *map(_rule, rules)]
    faults = [fault for caller in callers for fault in _about(queue, statements, caller)]
    expected = [*topics, *rules]
    faults += _about_third_parties(queue, statements, expected)
    return faults or [POLICY.ok(f"admits {', '.join(expected)}, and nobody else")]


def judge_dead_letter_policy(dead: QueueFacts, expected: Sequence[str]) -> list[Finding]:
    """Report whom the dead-letter queue's policy admits, if these are many; it may name anybody."""
    statements = read_policy(dead.text("Policy")) or []
    danger = "a replay may apply what it forges"
    findings = _about_third_parties(dead, statements, expected, danger)
    return [finding for finding in findings if finding.status is Status.WRONG]


def _topic(arn: str) -> Caller:
    return Caller(service=SNS, account=account_in_arn(arn), arn=arn)


def _rule(arn: str) -> Caller:
    return Caller(service=EVENTS, account=account_in_arn(arn), arn=arn)


def _about(queue: QueueFacts, statements: Sequence[Statement], caller: Caller) -> Iterator[Finding]:
    topic = caller.arn
    match judge(statements, caller, SEND, queue.arn):
        case Verdict.NO:
            message = (
                f"the policy of {queue.name} does not admit {topic}: SQS refuses what it delivers"
            )
            elsewhere = (
                f"add to the queue's policy: Allow {caller.service} sqs:SendMessage, "
                f"with ArnEquals aws:SourceArn {topic}"
            )
            fix = provision(queue.arn, topic, elsewhere=elsewhere)
            if caller.service == EVENTS:
                is_ours = topic.endswith(f":rule/{queue.name}")  # as `provision` names its rule
                fix = provision_eventbridge(queue.arn) if is_ours else elsewhere
            yield POLICY.wrong(message, fix)
        case Verdict.DENIED:
            message = f"a Deny in the policy of {queue.name} refuses what {topic} delivers"
            yield POLICY.wrong(message, "remove that statement from the queue's policy")
        case Verdict.PERHAPS:
            message = (
                f"whether {topic} is admitted depends on conditions that check cannot evaluate"
            )
            yield POLICY.unknown(message, "send yourself a bounce: bounce@simulator.amazonses.com")


def _about_third_parties(
    queue: QueueFacts,
    statements: Sequence[Statement],
    topics: Sequence[str],
    danger: str = "a sender may forge bounces",
) -> Iterator[Finding]:
    own = account_in_arn(queue.arn) or "-"
    for party in third_parties(statements, SEND, own, topics, queue.arn):
        message = f"the policy of {queue.name} also admits {party.who}: {danger}"
        fix = "remove it from the queue's policy"
        match party.reach:
            case Reach.SINGLE:
                yield POLICY.note(message, f"{fix}, or add it to sns.topic_arns")
            case Reach.MANY:
                yield POLICY.wrong(message, f"{fix}; narrow it with aws:SourceArn")
            case Reach.UNKNOWN:
                yield POLICY.unknown(message, "find out whom the conditions admit")
