"""The commands that findings advise. Pure."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping

from worker.topology.checks.facts import read_arn, region_in_arn

_OWN = re.compile(r"(?<!\S)ses-worker (?=[a-z])")
"""Before a command of ours; as the value of an option it is followed by another option."""


def texts(attributes: Mapping[str, object]) -> dict[str, str]:
    """Attributes as AWS takes them: what is no text, as JSON in one."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in attributes.items()
    }


def set_queue(url: str, region: str, **attributes: object) -> str:
    """Set attributes of a queue; what is no text is written as JSON in a text, as SQS has it."""
    named = texts(attributes)
    return _aws("sqs", "set-queue-attributes", region, queue_url=url, attributes=named)


def set_subscription(arn: str, name: str, value: object) -> str:
    """Set an attribute of a subscription."""
    return _aws(
        "sns",
        "set-subscription-attributes",
        region_in_arn(arn),
        subscription_arn=arn,
        attribute_name=name,
        attribute_value=value,
    )


def set_identity(identity: str, kind: str, topic: str) -> str:
    """Have SES publish an identity's bounces or complaints to a topic."""
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
    """Have a topic deliver to a queue, by their ARNs; `provision` reaches no topic elsewhere."""
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
    """Make a topic that is not there, by the ARN that it should have."""
    call = _aws("sns", "create-topic", region_in_arn(topic), name=_name(topic))
    return provision(queue, topic, elsewhere=f"{call}  # in the account of {topic}")


def set_destination(arn: str, kinds: Iterable[str], configuration_set: str, name: str) -> str:
    """Have an event destination of SES send these kinds to a topic."""
    event = {
        "Enabled": True,
        "MatchingEventTypes": sorted(kinds),
        "SnsDestination": {"TopicArn": arn},
    }
    return _aws(
        "sesv2",
        "update-configuration-set-event-destination",
        region_in_arn(arn),
        configuration_set_name=configuration_set,
        event_destination_name=name,
        event_destination=event,
    )


def set_suppression(region: str, reasons: Iterable[str]) -> str:
    """Have the account's suppression list take addresses for these reasons."""
    call = _aws("sesv2", "put-account-suppression-attributes", region)
    return f"{call} --suppressed-reasons {' '.join(reasons)}"


def enable_key(arn: str) -> str:
    """Have KMS use a key again, which it takes no alias for."""
    return _aws("kms", "enable-key", region_in_arn(arn), key_id=arn)


def cancel_key_deletion(arn: str) -> str:
    """Have KMS keep a key after all; it is disabled then."""
    return _aws("kms", "cancel-key-deletion", region_in_arn(arn), key_id=arn)


def provision(queue: str, topic: str = "", *, elsewhere: str = "", **more: str) -> str:
    """Complete what is missing, and leave the rest alone.

    `queue` is a name, or an ARN, which shows whether the topic is where `provision` makes one: a
    namesake would be no help. Of one in another region or account, `elsewhere` says what to do.
    """
    ours, theirs = read_arn(queue), read_arn(topic)
    if ours and theirs and (ours.region, ours.account) != (theirs.region, theirs.account):
        return elsewhere or f"by hand, for provision makes no path from elsewhere: {topic}"
    named = {"queue": _name(queue)} | ({"topic": _name(topic)} if topic else {}) | more
    return f"ses-worker provision {_options(named)}"


def called(command: str, how: str) -> str:
    """Add the options of this call to advised commands, so that they use the same settings."""
    return _OWN.sub(lambda _: f"{how} ", command)


def _aws(service: str, operation: str, region: str, **options: object) -> str:
    return f"aws {service} {operation} {_options({'region': region} | options)}"


def _options(options: Mapping[str, object]) -> str:
    given = texts(options).items()
    return " ".join(
        f"--{name.replace('_', '-')} {shlex.quote(text)}" for name, text in given if text
    )


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]
