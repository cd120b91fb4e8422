"""Plans EventBridge's rule and its target. Pure."""

from collections.abc import Mapping

from worker.topology.checks.commands import put_rule, put_target, remove_target
from worker.topology.checks.conditions import Verdict
from worker.topology.checks.event_patterns import ALL_OF_SES, FEEDBACK_TYPES, passes
from worker.topology.checks.facts import RuleFacts, TargetFacts
from worker.topology.plan import desired
from worker.topology.plan.desired import Names
from worker.topology.plan.steps import Plan, Step


def plan_rule(plan: Plan, names: Names, rule: RuleFacts | None) -> None:
    """Create or enable the rule; the pattern of an existing rule stays."""
    if rule is None:
        plan.steps.append(
            Step(
                service="events",
                operation="put_rule",
                arguments=desired.rule(names),
                description=f"create the rule {names.rule} for SES's events",
                result=f"created the rule {names.rule} for SES's events",
            )
        )
        return
    verdicts = [passes(rule.pattern, kind, names.account, names.region) for kind in FEEDBACK_TYPES]
    if Verdict.NO in verdicts:
        message = f"rule {rule.name}: its pattern does not match bounces and complaints"
        plan.undone.append(f"{message}; to replace it: {put_rule(rule, ALL_OF_SES)}")
    elif Verdict.PERHAPS in verdicts:
        plan.left.append(f"rule {rule.name}: its pattern cannot be evaluated")
    if not rule.is_enabled:
        plan.steps.append(
            Step(
                service="events",
                operation="enable_rule",
                arguments={"Name": rule.name},
                description=f"enable the rule {rule.name}",
                result=f"enabled the rule {rule.name}",
            )
        )


def plan_target(plan: Plan, names: Names, rule: RuleFacts | None) -> None:
    """Have the rule send to the queue, and keep what EventBridge cannot deliver."""
    targets = rule.targets if rule else ()
    ours = [target for target in targets if target.arn == names.queue_arn]
    if not ours:
        name = desired.free(names.queue, {target.id for target in targets})
        _put(
            plan,
            names,
            desired.target(names, name),
            f"have the rule {names.rule} send to the queue {names.queue}",
            f"the rule {names.rule} now sends to the queue {names.queue}",
        )
    for other in targets:
        if rule and other not in ours:
            message = f"rule {names.rule}: it also sends to {other.arn}"
            fix = remove_target(rule, other)
            plan.left.append(f"{message}; if nothing there needs it: {fix}")
    for there in ours:
        if _is_changing(there):
            message = f"rule {names.rule}: it changes events by its {there.transforms}"
            fix = put_target(rule.arn, rule.name, there) if rule else ""
            plan.undone.append(f"{message}; to have it pass them on as they are: {fix}")
        if not there.dead_letters:
            _put(
                plan,
                names,
                dict(there.written) | desired.undelivered(names),
                f"keep what EventBridge cannot deliver in the queue {names.dead_letter_queue}",
                f"the queue {names.dead_letter_queue} now keeps what EventBridge cannot deliver",
            )


def _is_changing(target: TargetFacts) -> bool:
    return bool(target.transforms) and not target.is_detail


def _put(
    plan: Plan, names: Names, target: Mapping[str, object], description: str, result: str
) -> None:
    plan.steps.append(
        Step(
            service="events",
            operation="put_targets",
            arguments={"Rule": names.rule, "Targets": [target]},
            description=description,
            result=result,
        )
    )
