"""EventBridge: the rules that bring SES's events to the queue, and whether they are accepted.

https://docs.aws.amazon.com/ses/latest/dg/monitoring-eventbridge.html. SES publishes to the default
event bus only; a rule passes on the events that fit its pattern to its targets.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from worker.core.acceptance import Acceptance, EventBridge
from worker.topology.checks.admission import SEND
from worker.topology.checks.commands import enable_rule, provision_eventbridge, put_rule, put_target
from worker.topology.checks.event_patterns import ALL_OF_SES, FEEDBACK_TYPES, STATUS_TYPES, passes
from worker.topology.checks.facts import (
    Absent,
    EventBridgeFacts,
    NotPermitted,
    QueueFacts,
    RuleFacts,
    TargetFacts,
    Unknown,
    Unreachable,
    account_in_arn,
    read_arn,
    region_in_arn,
)
from worker.topology.checks.findings import Check, Finding, some
from worker.topology.checks.statements import Caller, Verdict, judge, read_policy
from worker.topology.checks.topic import EVENTS

EVENTBRIDGE = Check("eventbridge")
_WITHOUT = "take its statement out of the policy of {queue}: another rule feeds the queue"
_MEANINGS = {
    EventBridge.ACCEPTED: "events are accepted",
    EventBridge.BY_TOPIC: "events are accepted only in envelopes of sns.topic_arns",
    EventBridge.REFUSED: "events are not accepted",
}


def bus_of(queue: QueueFacts) -> str:
    """The ARN of the default event bus of the queue's account and region."""
    own = read_arn(queue.arn)
    return f"arn:{own.partition}:events:{own.region}:{own.account}:event-bus/default" if own else ""


class Accepting(Struct, frozen=True):
    """Which events the settings accept."""

    acceptance: Acceptance
    accept: str
    """`eventbridge.accept` as it is written; `acceptance` is what it means."""

    def __str__(self) -> str:
        """For people."""
        return f"eventbridge.accept is {self.accept}: {_MEANINGS[self.acceptance.eventbridge]}"


def judge_eventbridge(
    facts: EventBridgeFacts,
    queue: QueueFacts,
    topics: Sequence[str],
    dead: QueueFacts | Unknown | None,
    accepting: Accepting,
) -> list[Finding]:
    """Judge the rules that feed the queue, directly or by its topics."""
    resolved, acceptance = str(accepting), accepting.acceptance
    if not facts.rules:
        return list(_without_rules(facts, queue, resolved))
    findings = list(_about_rules(facts, queue, topics, dead))
    findings += _not_all_kinds(facts, queue, topics)
    targets = [target for rule in _known(facts) for target in rule.targets]
    whole = {target.arn for target in targets if not target.is_detail}
    if whole & {queue.arn, *topics}:
        findings += _not_accepted(queue, acceptance, resolved, is_direct=queue.arn in whole)
    if acceptance.topics and any(item.is_detail and item.arn == queue.arn for item in targets):
        message = "sns.topic_arns is set, and a detail alone names no topic: it is dead-lettered"
        findings.append(EVENTBRIDGE.wrong(message, "have the rule send whole events"))
    if any(finding.status in {"wrong", "unknown"} for finding in findings):
        return findings
    named = some([rule.name for rule in _known(facts)])
    return [*findings, EVENTBRIDGE.ok(f"the rule {named} sends to the queue; {resolved}")]


def _without_rules(facts: EventBridgeFacts, queue: QueueFacts, resolved: str) -> Iterator[Finding]:
    match facts.unlisted:
        case NotPermitted() | Unreachable() as why if facts.is_expected:
            yield EVENTBRIDGE.blind("rules that have the queue as a target", why)
        case Unreachable(is_supported=False):
            pass  # a stand-in for AWS without EventBridge, which no setting demands
        case NotPermitted() | Unreachable() as why:
            reason = why.error if isinstance(why, Unreachable) else f"{why.action} is not permitted"
            yield EVENTBRIDGE.skipped(f"whether a rule sends to the queue is not known: {reason}")
        case _ if facts.is_expected:
            message = f"no rule of the default event bus sends to {queue.name}"
            yield EVENTBRIDGE.wrong(message, provision_eventbridge(queue.arn))
        case _:
            yield EVENTBRIDGE.ok(f"no rule sends to the queue; {resolved}")


def _about_rules(
    facts: EventBridgeFacts,
    queue: QueueFacts,
    topics: Sequence[str],
    dead: QueueFacts | Unknown | None,
) -> Iterator[Finding]:
    for arn, rule in facts.rules.items():
        match rule:
            case Absent():
                message = f"the policy of {queue.name} admits {arn}, and there is no such rule"
                fix = provision_eventbridge(queue.arn)
                if not arn.endswith(f":rule/{queue.name}"):  # provision makes no other rule
                    fix = f"take its statement out of the policy of {queue.name}, or make the rule"
                if _feeding(facts, queue, topics):
                    yield EVENTBRIDGE.note(message, _WITHOUT.format(queue=queue.name))
                else:
                    yield EVENTBRIDGE.wrong(message, fix)
            case NotPermitted() | Unreachable() as why:
                yield EVENTBRIDGE.blind(arn, why)
            case _:
                yield from _about(rule, queue, topics)
                yield from _lost(rule, queue, dead)


def _about(rule: RuleFacts, queue: QueueFacts, topics: Sequence[str]) -> Iterator[Finding]:
    if not rule.is_enabled:
        message = f"the rule {rule.name} is disabled: nothing of SES arrives by it"
        yield EVENTBRIDGE.wrong(message, enable_rule(rule.arn, rule.name))
    targets = [target for target in rule.targets if target.arn in {queue.arn, *topics}]
    if not targets:
        others = some([target.arn for target in rule.targets])
        where = f"to {others}, not to" if others else "to no target, and not to"
        message = f"the rule {rule.name} sends {where} {queue.arn}"
        yield EVENTBRIDGE.wrong(message, provision_eventbridge(queue.arn))
    for target in targets:
        yield from _about_target(rule, target)


def _about_target(rule: RuleFacts, target: TargetFacts) -> Iterator[Finding]:
    if target.is_detail:
        message = (
            f"the rule {rule.name} passes on only the detail, which reads as raw delivery: bounces "
            "and complaints are read, changes of the sending status are not"
        )
        yield EVENTBRIDGE.note(message, put_target(rule.arn, rule.name, target))
    elif target.transforms:
        message = (
            f"the rule {rule.name} changes events by its {target.transforms}: the worker may not "
            "recognise them"
        )
        yield EVENTBRIDGE.wrong(message, put_target(rule.arn, rule.name, target))


def _lost(
    rule: RuleFacts, queue: QueueFacts, dead: QueueFacts | Unknown | None
) -> Iterator[Finding]:
    """Report that what EventBridge cannot deliver is lost."""
    caller = Caller(service=EVENTS, account=account_in_arn(rule.arn), arn=rule.arn)
    for target in rule.targets:
        why = ""
        if target.arn == queue.arn and not target.dead_letters:
            why = "its target has no dead-letter queue"
        elif isinstance(dead, QueueFacts) and target.dead_letters == dead.arn and not target.role:
            statements = read_policy(dead.text("Policy"))
            verdict = judge(statements, caller, SEND, dead.arn) if statements is not None else None
            if verdict in {Verdict.NO, Verdict.DENIED}:
                why = f"the policy of {dead.name} does not admit the rule"
        if why:
            message = f"the rule {rule.name}: what EventBridge cannot deliver in a day is lost"
            by_hand = (
                "name a queue in the target's DeadLetterConfig, and admit events.amazonaws.com in "
                f"its policy, with ArnEquals aws:SourceArn {rule.arn}"
            )
            is_ours = rule.name == queue.name and target.arn == queue.arn
            fix = provision_eventbridge(queue.arn) if is_ours else by_hand
            yield EVENTBRIDGE.note(f"{message}, because {why}", fix)


def _not_all_kinds(
    facts: EventBridgeFacts, queue: QueueFacts, topics: Sequence[str]
) -> Iterator[Finding]:
    """Report kinds of event that no rule lets pass; several rules may share them."""
    feeding = _feeding(facts, queue, topics)
    if not feeding:
        return
    names = some([rule.name for rule in feeding])
    verdicts = {
        kind: {
            passes(rule.pattern, kind, account_in_arn(rule.arn), region_in_arn(rule.arn))
            for rule in feeding
        }
        for kind in (*FEEDBACK_TYPES, *STATUS_TYPES)
    }
    blocked = [kind for kind, found in verdicts.items() if found == {Verdict.NO}]
    fix = put_rule(feeding[0], ALL_OF_SES)
    if lost := [kind for kind in FEEDBACK_TYPES if kind in blocked]:
        message = f"the pattern of the rule {names} does not match SES's {some(lost)}"
        yield EVENTBRIDGE.wrong(message, fix)
    elif any(Verdict.YES not in verdicts[kind] for kind in FEEDBACK_TYPES):
        message = (
            f"the rule {names} has a pattern that check cannot evaluate: make sure that bounces "
            "and complaints pass"
        )
        yield EVENTBRIDGE.note(message)
    elif unheard := [kind for kind in STATUS_TYPES if kind in blocked]:
        message = f"the pattern of the rule {names} does not match {some(unheard)}"
        yield EVENTBRIDGE.note(f"{message}: that SES stops sending will not be noticed", fix)


def _not_accepted(
    queue: QueueFacts, acceptance: Acceptance, resolved: str, *, is_direct: bool
) -> Iterator[Finding]:
    """Report that the settings refuse whole events; `is_direct`: not only by a topic."""
    account = account_in_arn(queue.arn)
    refusing = {EventBridge.REFUSED, *([EventBridge.BY_TOPIC] if is_direct else [])}
    if acceptance.eventbridge in refusing:
        message = f"{resolved}; what the rule sends is dead-lettered"
        fix = f'set eventbridge.accept = true and eventbridge.accounts = ["{account}"]'
        yield EVENTBRIDGE.wrong(message, fix)
    elif acceptance.accounts and account not in acceptance.accounts:
        message = f"eventbridge.accounts does not list {account}: its events are dead-lettered"
        yield EVENTBRIDGE.wrong(message, "add it to eventbridge.accounts")


def _feeding(facts: EventBridgeFacts, queue: QueueFacts, topics: Sequence[str]) -> list[RuleFacts]:
    """Return the rules that send to the queue or its topics."""
    return [
        rule
        for rule in _known(facts)
        if any(target.arn in {queue.arn, *topics} for target in rule.targets)
    ]


def _known(facts: EventBridgeFacts) -> list[RuleFacts]:
    return [rule for rule in facts.rules.values() if isinstance(rule, RuleFacts)]
