"""Topics: whether they exist, and whether SES may publish to them.

https://docs.aws.amazon.com/ses/latest/dg/configure-sns-notifications.html
"""

from collections.abc import Iterator, Sequence

from worker.topology.checks.commands import create_topic, provision
from worker.topology.checks.facts import (
    Absent,
    NotPermitted,
    QueueFacts,
    TopicFacts,
    Unknown,
    Unreachable,
    account_in_arn,
    read_arn,
)
from worker.topology.checks.findings import Check, Finding, some
from worker.topology.checks.narrowing import PUBLISH, SES, lets_any_ses_in, narrow, narrowing
from worker.topology.checks.statements import Caller, Statement, Verdict, judge, read_policy
from worker.topology.checks.third_parties import Reach, third_parties

TOPIC = Check("topic")
EVENTS = "events.amazonaws.com"


def judge_topic(
    arn: str,
    topic: TopicFacts | Unknown,
    queue: QueueFacts,
    senders: Sequence[str] = (),
    rules: Sequence[str] = (),
) -> list[Finding]:
    """Judge whether a topic exists, and whether SES, or EventBridge, may publish to it.

    `senders`: the ARNs of the identities and configuration sets that publish to it; if none is
    known, SES of the topic's account. `rules`: those of EventBridge's rules that do.
    """
    match topic:
        case Absent():
            return [TOPIC.wrong(f"{arn}: there is no such topic", create_topic(queue.arn, arn))]
        case NotPermitted() | Unreachable() as why:
            return [TOPIC.blind(arn, why)]
    if arn.endswith(".fifo"):
        message = f"{arn}: SES publishes to standard topics only"
        return [TOPIC.wrong(message, provision(queue.arn, arn.removesuffix(".fifo")))]
    policy = topic.attributes.get("Policy", "")
    statements = read_policy(policy)
    if statements is None:
        return [TOPIC.unknown(f"{arn}: its policy cannot be read")]
    findings = [_by_rule(arn, statements, rule) for rule in rules]
    if senders or not rules:
        findings.append(_publishing(arn, statements, queue, senders))
    others = [statement for statement in statements if not lets_any_ses_in(statement, arn)]
    if len(others) < len(statements):
        findings.append(_about_any_ses(arn, policy, senders))
    return findings + list(_about_third_parties(arn, others, [*senders, *rules]))


def _about_any_ses(arn: str, policy: str, senders: Sequence[str]) -> Finding:
    """Report SES's own permission without a condition; SES publishes by it, so it must stay."""
    conditions = [
        f"{test} {key} {values if isinstance(values, str) else ', '.join(values)}"
        for test, keys in narrowing(arn, senders).items()
        for key, values in keys.items()
    ]
    message = (
        f"{arn}: its policy also admits {SES} for any account: a publisher may forge bounces. "
        f"This permission of SES has no condition: do not remove it, since SES publishes by it, "
        f"but add {' and '.join(conditions)}"
    )
    return TOPIC.wrong(message, narrow(policy, arn, senders))


def _about_third_parties(
    arn: str, statements: Sequence[Statement], expected: Sequence[str]
) -> Iterator[Finding]:
    """Report who else may publish: by the topic the message gets SNS's signature.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    own = account_in_arn(arn) or "-"
    for party in third_parties(statements, PUBLISH, own, expected, arn):
        if account_in_arn(party.who) == own:
            continue  # SES's identities and rules of the account itself, now or later
        message = f"{arn}: its policy also admits {party.who}: a publisher may forge bounces"
        match party.reach:
            case Reach.SINGLE:
                yield TOPIC.note(message, "remove it from the topic's policy")
            case Reach.MANY:
                narrower = f"narrow it with StringEquals aws:SourceAccount {own}"
                other = "remove it if SES publishes by another statement"
                yield TOPIC.wrong(message, f"{narrower}, or {other}")
            case Reach.UNKNOWN:
                yield TOPIC.unknown(message, "find out whom the conditions admit")


def _by_rule(arn: str, statements: Sequence[Statement], rule: str) -> Finding:
    caller = Caller(service=EVENTS, account=account_in_arn(rule), arn=rule)
    match judge(statements, caller, PUBLISH, arn):
        case Verdict.YES:
            return TOPIC.ok(f"{arn}: {rule} may publish to it")
        case Verdict.PERHAPS:
            message = f"{arn}: whether {rule} may publish depends on conditions that check cannot"
            return TOPIC.unknown(f"{message} evaluate")
    fix = f"allow {EVENTS} sns:Publish in the policy of {arn}, with ArnEquals aws:SourceArn {rule}"
    return TOPIC.wrong(f"{arn}: its policy does not let {rule} publish", fix)


def _publishing(
    arn: str, statements: Sequence[Statement], queue: QueueFacts, senders: Sequence[str]
) -> Finding:
    verdicts: dict[Verdict, list[str]] = {}
    for sender in senders or [""]:
        caller = Caller(service=SES, account=account_in_arn(sender or arn), arn=sender)
        found = read_arn(sender)
        name = found.name if found else "SES"
        verdicts.setdefault(judge(statements, caller, PUBLISH, arn), []).append(name)
    if denied := verdicts.get(Verdict.DENIED):
        message = f"{arn}: a Deny in its policy excludes {some(denied)}"
        return TOPIC.wrong(message, "remove that statement from the topic's policy")
    if excluded := verdicts.get(Verdict.NO):
        message = f"{arn}: its policy does not let SES publish for {some(excluded)}"
        if excluded == ["SES"]:
            message = f"{arn}: its policy does not let SES publish"
        elsewhere = f"allow ses.amazonaws.com sns:Publish in the policy of {arn}"
        kind, _, sent_by = excluded[0].rpartition("/")
        more = {kind.replace("-", "_"): sent_by} if kind else {}
        fix = provision(queue.arn, arn, elsewhere=elsewhere, **more)
        return TOPIC.wrong(f"{message}; SES removes a topic that it may not publish to", fix)
    if Verdict.PERHAPS in verdicts:
        return TOPIC.unknown(
            f"{arn}: whether SES may publish depends on conditions that check cannot evaluate"
        )
    return TOPIC.ok(f"{arn}: SES may publish to it")
