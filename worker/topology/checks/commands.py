"""The commands that findings recommend. Pure."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping

from worker.topology.checks.facts import RuleFacts, TargetFacts, read_arn, region_in_arn


def texts(attributes: Mapping[str, object]) -> dict[str, str]:
    """Attributes as AWS accepts them: values that are not text are encoded as JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in attributes.items()
    }


def set_queue(url: str, region: str, **attributes: object) -> str:
    """Set attributes of a queue; values that are not text are encoded as JSON."""
    named = texts(attributes)
    return _aws("sqs", "set-queue-attributes", region, queue_url=url, attributes=named)


def set_subscription(arn: str, name: str, value: object) -> str:
    """Set an attribute of a subscription."""
    return _set_attribute("subscription", arn, name, value)


def set_topic(arn: str, name: str, value: object) -> str:
    """Set an attribute of a topic."""
    return _set_attribute("topic", arn, name, value)


def _set_attribute(kind: str, arn: str, name: str, value: object) -> str:
    named = {f"{kind}_arn": arn, "attribute_name": name, "attribute_value": value}
    return _aws("sns", f"set-{kind}-attributes", region_in_arn(arn), **named)


def set_identity(identity: str, kind: str, topic: str) -> str:
    """Make SES publish an identity's bounces or complaints to a topic."""
    return _aws(
        "ses",
        "set-identity-notification-topic",
        region_in_arn(topic),
        identity=identity,
        notification_type=kind,
        sns_topic=topic,
    )


def get_subscription(arn: str) -> str:
    """Show the attributes of a subscription."""
    return _aws("sns", "get-subscription-attributes", region_in_arn(arn), subscription_arn=arn)


def subscribe(queue: str, topic: str) -> str:
    """Subscribe a queue to a topic, by their ARNs; `provision` does so in its own account only."""
    call = _aws(
        "sns",
        "subscribe",
        region_in_arn(topic),
        topic_arn=topic,
        protocol="sqs",
        notification_endpoint=queue,
    )
    return provision(queue, topic, elsewhere=call)


def create_topic(queue: str, topic: str) -> str:
    """Create a missing topic, by the ARN that it should have."""
    call = _aws("sns", "create-topic", region_in_arn(topic), name=_name(topic))
    return provision(queue, topic, elsewhere=f"{call}  # in the account of {topic}")


def set_destination(arn: str, kinds: Iterable[str], configuration_set: str, name: str) -> str:
    """Make an event destination of SES send these kinds of event to a topic or event bus."""
    where: dict[str, object] = (
        {"EventBridgeDestination": {"EventBusArn": arn}}
        if is_bus(arn)
        else {"SnsDestination": {"TopicArn": arn}}
    )
    event = {"Enabled": True, "MatchingEventTypes": sorted(kinds)} | where
    return _aws(
        "sesv2",
        "update-configuration-set-event-destination",
        region_in_arn(arn),
        configuration_set_name=configuration_set,
        event_destination_name=name,
        event_destination=event,
    )


def is_bus(arn: str) -> bool:
    """Return whether an ARN is that of an event bus."""
    found = read_arn(arn)
    return found is not None and found.service == "events"


def enable_rule(arn: str, name: str) -> str:
    """Enable a disabled rule of EventBridge."""
    return _aws("events", "enable-rule", region_in_arn(arn), name=name)


def put_rule(rule: RuleFacts, pattern: Mapping[str, object]) -> str:
    """Give a rule another pattern. AWS replaces the rule, so the rest of it is repeated."""
    rest = {
        "_".join(re.findall("[A-Z][a-z]+", name)).lower(): rule.rest[name] for name in rule.rest
    }
    where = region_in_arn(rule.arn)
    return _aws("events", "put-rule", where, name=rule.name, event_pattern=pattern, **rest)


def remove_target(rule: RuleFacts, target: TargetFacts) -> str:
    """Remove a target from a rule."""
    where = region_in_arn(rule.arn)
    return _aws("events", "remove-targets", where, rule=rule.name, ids=target.id)


def put_target(rule_arn: str, rule: str, target: TargetFacts) -> str:
    """Have a rule send events to a target as they are."""
    changing = {"Input", "InputPath", "InputTransformer"}
    plain = {name: value for name, value in target.written.items() if name not in changing}
    where = region_in_arn(rule_arn)
    return _aws("events", "put-targets", where, rule=rule, targets=[plain])


def provision_eventbridge(queue: str, **more: str) -> str:
    """Create what is missing of EventBridge's way to the queue."""
    return f"{provision(queue, **more)} --eventbridge"


def set_suppression(region: str, reasons: Iterable[str]) -> str:
    """Make SES add addresses to the account's suppression list for these reasons."""
    call = _aws("sesv2", "put-account-suppression-attributes", region)
    return f"{call} --suppressed-reasons {' '.join(reasons)}"


def enable_key(arn: str) -> str:
    """Enable a disabled key; KMS accepts no alias here."""
    return _aws("kms", "enable-key", region_in_arn(arn), key_id=arn)


def cancel_key_deletion(arn: str) -> str:
    """Cancel the deletion of a key; the key is disabled afterwards."""
    return _aws("kms", "cancel-key-deletion", region_in_arn(arn), key_id=arn)


def provision(queue: str, topic: str = "", *, elsewhere: str = "", **more: str) -> str:
    """Create what is missing, and change nothing else.

    `queue` is a name or an ARN. An ARN shows whether the topic is in the account and region where
    `provision` would create it; if it is not, `elsewhere` is recommended instead.
    """
    ours, theirs = read_arn(queue), read_arn(topic)
    if ours and theirs and (ours.region, ours.account) != (theirs.region, theirs.account):
        return (
            elsewhere
            or f"by hand, since provision creates no path from another account or region: {topic}"
        )
    named = {"queue": _name(queue)} | ({"topic": _name(topic)} if topic else {}) | more
    return f"ses-worker provision {_options(named)}"


def _aws(service: str, operation: str, region: str, **options: object) -> str:
    return f"aws {service} {operation} {_options({'region': region} | options)}"


def _options(options: Mapping[str, object]) -> str:
    given = texts(options).items()
    return " ".join(
        f"--{name.replace('_', '-')} {shlex.quote(text)}" for name, text in given if text
    )


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]
