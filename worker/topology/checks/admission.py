"""The queue's policy: it must admit the topics, and nobody else.

https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
"""

from collections.abc import Iterator, Sequence

from worker.topology.checks.commands import provision
from worker.topology.checks.facts import QueueFacts, account_in_arn
from worker.topology.checks.findings import Check, Finding
from worker.topology.checks.statements import Caller, Statement, Verdict, judge, read_policy
from worker.topology.checks.third_parties import Reach, source_arns, third_parties

POLICY = Check("queue policy")
SNS = "sns.amazonaws.com"
SEND = "sqs:SendMessage"


def topics_let_in(queue: QueueFacts) -> list[str]:
    """The topics that the queue's policy names."""
    return source_arns(read_policy(queue.text("Policy")) or [], SNS, SEND)


def judge_policy(queue: QueueFacts, topics: Sequence[str]) -> list[Finding]:
    """Judge whether the queue's policy admits the topics that should feed it, and others."""
    statements = read_policy(queue.text("Policy"))
    if statements is None:
        return [POLICY.unknown(f"the policy of {queue.name} cannot be read")]
    if not topics:
        message = f"the policy of {queue.name} admits no topic: SQS refuses what SNS delivers"
        return [POLICY.wrong(message, provision(queue.name))]
    faults = [fault for topic in topics for fault in _about(queue, statements, topic)]
    faults += _about_third_parties(queue, statements, topics)
    return faults or [POLICY.ok(f"admits {', '.join(topics)}, and nobody else")]


def _about(queue: QueueFacts, statements: Sequence[Statement], topic: str) -> Iterator[Finding]:
    caller = Caller(service=SNS, account=account_in_arn(topic), arn=topic)
    match judge(statements, caller, SEND, queue.arn):
        case Verdict.NO:
            message = (
                f"the policy of {queue.name} does not admit {topic}: SQS refuses what it delivers"
            )
            elsewhere = (
                "add to the queue's policy: Allow sns.amazonaws.com sqs:SendMessage, "
                f"with ArnEquals aws:SourceArn {topic}"
            )
            yield POLICY.wrong(message, provision(queue.arn, topic, elsewhere=elsewhere))
        case Verdict.DENIED:
            message = f"a Deny in the policy of {queue.name} refuses what {topic} delivers"
            yield POLICY.wrong(message, "remove that statement from the queue's policy")
        case Verdict.PERHAPS:
            message = (
                f"whether {topic} is admitted depends on conditions that check cannot evaluate"
            )
            yield POLICY.unknown(message, "send yourself a bounce: bounce@simulator.amazonses.com")


def _about_third_parties(
    queue: QueueFacts, statements: Sequence[Statement], topics: Sequence[str]
) -> Iterator[Finding]:
    own = account_in_arn(queue.arn) or "-"
    for party in third_parties(statements, SEND, own, topics, queue.arn):
        message = f"the policy of {queue.name} also admits {party.who}: a sender may forge bounces"
        fix = "remove it from the queue's policy"
        match party.reach:
            case Reach.SINGLE:
                yield POLICY.note(message, f"{fix}, or add it to sns.topic_arns")
            case Reach.MANY:
                yield POLICY.wrong(message, f"{fix}; narrow it with aws:SourceArn")
            case Reach.UNKNOWN:
                yield POLICY.unknown(message, "find out whom the conditions admit")
