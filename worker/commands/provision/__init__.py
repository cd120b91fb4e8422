"""`ses-worker provision`: reads what exists, plans the rest, and carries it out."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from msgspec import structs

from worker.app import region_of
from worker.commands.provision.naming import ProvisionOptions, own_names
from worker.commands.provision.publishing import Publishing, look
from worker.core.acceptance import EventBridge
from worker.core.errors import Refused
from worker.settings import Settings
from worker.sqs.redrive import read_redrive_policy
from worker.topology import Aws, inspection
from worker.topology.checks.facts import (
    Absent,
    DestinationFacts,
    NotPermitted,
    QueueFacts,
    RuleFacts,
    SubscriptionFacts,
    Unknown,
    Unreachable,
    read_arn,
)
from worker.topology.plan.desired import Names
from worker.topology.plan.plan import Found, make_plan
from worker.topology.plan.steps import Plan, Step

Known = TypeVar("Known")


class Provision:
    """Creates or completes the topology: `plan` reads, `carry_out` executes a step.

    Raises:
        Misconfigured: no region is set.
        Refused: AWS refuses to let us read or create it.
        Unavailable: AWS cannot be reached.

    """

    def __init__(self, settings: Settings, options: ProvisionOptions) -> None:
        self._options = options
        self._topics = settings.sns.topic_arns
        self._queue_url = settings.queue.url or ""
        self._eventbridge = settings.eventbridge
        self._aws = Aws(region_of(settings))
        self._urls: dict[str, str] = {}
        self.names = own_names(self._aws, settings, options)
        self.is_raw = False
        """The existing subscription delivers without SNS's envelope."""
        self._is_new = False
        """The topic does not exist yet."""
        self._unsupported: list[str] = []
        """The operations that SES's endpoint does not have."""

    def plan(self) -> Plan:
        """Read what exists, and plan what is missing."""
        queue = self._look_at_queue(self.names.queue)
        self.names = self._names_with(queue)
        dead = self._look_at_queue(self.names.dead_letter_queue)
        found = Found(
            queue=queue,
            dead_letter_queue=dead,
            topic_policy=self._look_at_topic() if self.names.topic else None,
            subscription=self._look_at_subscription() if self.names.topic else None,
            rule=self._look_at_rule() if self.names.rule else None,
            identities=self._look_at_identities(),
            destinations=self._look_at_destinations(),
        )
        plan = make_plan(self.names, found)
        plan.undone += self._unsupported
        used = self.names.dead_letter_queue
        if (dead_letter_name := self._options.dead_letter_queue or used) != used:
            plan.undone.append(
                f"queue {self.names.queue}: {used} is its dead-letter queue, not {dead_letter_name}"
            )
        return plan

    def carry_out(self, step: Step) -> None:
        """Carry out a step.

        Raises:
            Unsupported: the endpoint does not have the operation.
            Refused, Unavailable: AWS refuses, or cannot be reached.

        """
        arguments = dict(step.arguments)
        if step.queue:
            arguments["QueueUrl"] = self._urls[step.queue]
        answer = self._aws.ask(step.service, step.operation, **arguments)
        if answer.get("FailedEntryCount"):
            first = answer["FailedEntries"][0]
            raise Refused(f"AWS: {step.operation}: {first.get('ErrorMessage', first)}")
        if step.operation == "create_queue":
            self._urls[arguments["QueueName"]] = answer["QueueUrl"]

    def remark(self) -> str:
        """Return a remark if the queue is not that of the settings, or if SES publishes nothing."""
        return "; ".join(filter(None, (self._of_another_queue(), self._of_silence())))

    def _of_another_queue(self) -> str:
        """Return a remark if the settings name another queue, which their worker would leave."""
        if not self._queue_url or self._queue_url.rpartition("/")[2] == self.names.queue:
            return ""
        return (
            f"{self.names.queue} is not the queue of the settings (queue.url is "
            f"{self._queue_url}): a worker that gets this queue.url no longer reads that queue"
        )

    def _of_silence(self) -> str:
        """Return a remark if SES publishes nothing to the topic, and no option changes that."""
        named = self._options
        if named.identities or named.configuration_sets or named.eventbridge:
            return ""
        found = (
            Publishing(publishes=False) if self._is_new else look(self._aws, self.names.topic_arn)
        )
        return found.remark(self.names.topic)

    def settings(self) -> dict[str, dict[str, Any]]:
        """The settings that the worker needs."""
        url = self._urls.get(self.names.queue) or self.names.url(self.names.queue)
        changes: dict[str, dict[str, Any]] = {
            "aws": {"region": self.names.region},
            "queue": {"url": url},
        }
        if self.names.topic and not self.is_raw:  # without an envelope a message names no topic
            changes["sns"] = {"topic_arns": [*dict.fromkeys([*self._topics, self.names.topic_arn])]}
        if self.names.rule:
            changes |= self._acceptance(requires_proof=bool(self._topics) or "sns" in changes)
        return changes

    def _acceptance(self, *, requires_proof: bool) -> dict[str, dict[str, Any]]:
        """The settings by which the rule's events are accepted; empty: they are as it is."""
        account, accounts = self.names.account, self._eventbridge.accounts
        resolved = self._eventbridge.resolved(requires_proof=requires_proof)
        if resolved is not EventBridge.ACCEPTED:
            accounts = (*accounts, *({account} - {*accounts}))
            return {"eventbridge": {"accept": True, "accounts": [*accounts]}}
        if accounts and account not in accounts:
            return {"eventbridge": {"accounts": [*accounts, account]}}
        return {}

    def _names_with(self, queue: QueueFacts | None) -> Names:
        """Replace the dead-letter queue's name by that of the queue's redrive policy, if any."""
        redrive = read_redrive_policy(queue.text("RedrivePolicy")) if queue else None
        target = read_arn(redrive.target) if redrive else None
        if target is None:
            return self.names
        return structs.replace(self.names, dead_letter_queue=target.name)

    def _look_at_queue(self, name: str) -> QueueFacts | None:
        url = there(inspection.queue_url(self._aws, name))
        if url is None:
            return None
        self._urls[name] = url
        return there(inspection.queue(self._aws, url))

    def _look_at_topic(self) -> str | None:
        topic = there(inspection.topic(self._aws, self.names.topic_arn))
        self._is_new = topic is None
        return None if topic is None else topic.attributes.get("Policy", "")

    def _look_at_subscription(self) -> SubscriptionFacts | None:
        names = self.names
        some = there(inspection.subscriptions(self._aws, names.topic_arn, names.queue_arn))
        if not some:
            return None
        # Another subscription that is not confirmed does no harm.
        subscription = min(some, key=lambda subscription: read_arn(subscription.arn) is None)
        attributes = there(subscription.attributes)
        self.is_raw = (attributes or {}).get("RawMessageDelivery") == "true"
        return subscription

    def _look_at_rule(self) -> RuleFacts | None:
        rule = inspection.rule(self._aws, self.names.rule)
        return None if self._is_unsupported(rule, f"rule {self.names.rule}") else there(rule)

    def _look_at_identities(self) -> Sequence[Any]:
        if not self._options.identities:
            return ()
        names = self._options.identities
        facts = inspection.identities(self._aws, names)
        if self._is_unsupported(facts, ", ".join(names)):
            return ()
        return required(facts)

    def _look_at_destinations(self) -> Mapping[str, Sequence[DestinationFacts]]:
        found = {}
        for name in self._options.configuration_sets:
            facts = inspection.destinations_of(self._aws, name)
            if not self._is_unsupported(facts, f"configuration set {name}"):
                found[name] = required(facts)
        return found

    def _is_unsupported(self, facts: object, what: str) -> bool:
        """Note what stays undone, if the endpoint does not have SES's operation."""
        if not isinstance(facts, Unreachable) or facts.is_supported:
            return False
        self._unsupported.append(f"{what}: {facts.error}")
        return True


def there(found: Known | Unknown) -> Known | None:
    """Return what was read; None if it does not exist.

    Raises:
        Refused: it could not be read.

    """
    return None if isinstance(found, Absent) else required(found)


def required(found: Known | Unknown) -> Known:
    """Return what was read.

    Raises:
        Refused: it does not exist, or could not be read.

    """
    match found:
        case Absent(reason) | Unreachable(reason):
            raise Refused(reason)
        case NotPermitted():
            raise Refused(f"{found} (config/iam-provision.json)")
    return found
