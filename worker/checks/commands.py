"""The commands that findings advise. Pure."""

import json
import shlex
from collections.abc import Mapping

from worker.checks.facts import read_arn


def set_queue(url: str, region: str, **attributes: object) -> str:
    """Set attributes of a queue; what is no text is written as JSON in a text, as SQS has it."""
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in attributes.items()
    }
    return _aws("sqs", "set-queue-attributes", region, queue_url=url, attributes=texts)


def set_subscription(arn: str, name: str, value: object) -> str:
    """Set an attribute of a subscription."""
    text = value if isinstance(value, str) else json.dumps(value)
    return _aws(
        "sns",
        "set-subscription-attributes",
        _region(arn),
        subscription_arn=arn,
        attribute_name=name,
        attribute_value=text,
    )


def set_identity(identity: str, kind: str, topic: str) -> str:
    """Have SES tell a topic of an identity's bounces or complaints."""
    return _aws(
        "ses",
        "set-identity-notification-topic",
        _region(topic),
        identity=identity,
        notification_type=kind,
        sns_topic=topic,
    )


def provision(queue: str, topic: str = "", **more: str) -> str:
    """Complete what is missing, and leave the rest alone."""
    named = {"queue": queue} | ({"topic": topic.rpartition(":")[2]} if topic else {}) | more
    return f"ses-worker provision {_options(named)}"


def _aws(service: str, operation: str, region: str, **options: object) -> str:
    return f"aws {service} {operation} {_options({'region': region} | options)}"


def _options(options: Mapping[str, object]) -> str:
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in options.items()
    }
    return " ".join(
        f"--{name.replace('_', '-')} {shlex.quote(text)}" for name, text in texts.items() if text
    )


def _region(arn: str) -> str:
    found = read_arn(arn)
    return found.region if found else ""
