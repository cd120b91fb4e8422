"""The names of all resources: from options, settings and credentials."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from msgspec import Struct, structs

from worker.aws import region_in
from worker.core.errors import Refused
from worker.settings import Settings
from worker.topology import Aws
from worker.topology.checks.facts import read_arn
from worker.topology.plan.desired import LONGEST_RULE, Names

DEFAULT_NAME = "ses-feedback"


class ProvisionOptions(Struct, frozen=True, kw_only=True):
    """The operator's options."""

    topic: str = ""
    """Empty: the topic in the settings, else `ses-feedback`."""
    queue: str = ""
    """Empty: the queue in the settings, else `ses-feedback`."""
    dead_letter_queue: str = ""
    """Empty: the queue's own, else the queue's name and `-dlq`."""
    key: str = ""
    identities: Sequence[str] = ()
    configuration_sets: Sequence[str] = ()
    eventbridge: bool = False
    """Have EventBridge bring events to the queue."""


def own_names(aws: Aws, settings: Settings, options: ProvisionOptions) -> Names:
    """Choose all names, before anything is created.

    Raises:
        Refused: the settings name a queue or topic of another account or region, or several topics.
        Unavailable: AWS cannot be reached.

    """
    # The caller's identity contains the account, which all ARNs need.
    arn = read_arn(aws.ask("sts", "get_caller_identity")["Arn"])
    if arn is None:
        raise Refused("AWS did not return the identity of these credentials")
    url = settings.queue.url or ""
    queue = options.queue or url.rpartition("/")[2] or DEFAULT_NAME
    names = Names(
        partition=arn.partition,
        region=aws.region,
        account=arn.account,
        topic=options.topic or (DEFAULT_NAME if _needs_topic(settings, options) else ""),
        queue=queue,
        dead_letter_queue=options.dead_letter_queue or f"{queue}-dlq",
        key=options.key,
        rule=queue[:LONGEST_RULE] if options.eventbridge else "",
    )
    if not options.queue:
        _require_own_queue(names, url)
    return names if options.topic else _with_topic(names, settings.sns.topic_arns)


def _needs_topic(settings: Settings, options: ProvisionOptions) -> bool:
    """Return whether a topic feeds the queue: only topics take notifications of identities."""
    return bool(not options.eventbridge or options.identities or settings.sns.topic_arns)


def _require_own_queue(names: Names, url: str) -> None:
    """Compare account and region of the queue's URL: else another queue of that name is created.

    Raises:
        Refused: the queue is in another account or region.

    """
    account = "".join(urlsplit(url).path.split("/")[-2:-1])
    elsewhere = account.isdecimal() and account != names.account
    if elsewhere or region_in(url) not in {None, names.region}:
        raise Refused(
            f"queue.url is {url}, which is not in account {names.account} and {names.region}: use "
            "credentials and region of that queue, or name a queue of this account with --queue"
        )


def _with_topic(names: Names, topics: Sequence[str]) -> Names:
    """Replace the topic's name by that of the settings, if any.

    Raises:
        Refused: the settings name several topics, or a topic of another account or region.

    """
    match topics:
        case []:
            return names
        case [topic]:
            named = structs.replace(names, topic=topic.rpartition(":")[2])
            if named.topic_arn == topic:
                return named
            raise Refused(
                f"sns.topic_arns names {topic}, which is not in account {names.account} and "
                f"{names.region}: subscribe {names.queue_arn} to it there, or name a topic of this "
                "account with --topic"
            )
    raise Refused("sns.topic_arns names several topics: choose a topic with --topic")
