"""The names of all resources: from options, settings and credentials."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from msgspec import Struct, structs

from worker.aws import region_in
from worker.core.errors import Refused
from worker.settings import Settings
from worker.topology import Aws
from worker.topology.checks.facts import read_arn
from worker.topology.plan.desired import Names

DEFAULT_NAME = "ses-feedback"


class ProvisionOptions(Struct, frozen=True, kw_only=True):
    """What the operator wants."""

    topic: str = ""
    """Empty: the one in the settings, else `ses-feedback`."""
    queue: str = ""
    """Empty: the one in the settings, else `ses-feedback`."""
    dead_letter_queue: str = ""
    """Empty: the one that the queue has, else the queue's name and `-dlq`."""
    key: str = ""
    identities: Sequence[str] = ()
    configuration_sets: Sequence[str] = ()


def own_names(aws: Aws, settings: Settings, options: ProvisionOptions) -> Names:
    """Name all of it, before anything is made.

    Raises:
        Refused: the settings name what is not ours to make, or several topics.
        Unavailable: AWS cannot be reached.

    """
    # The caller's identity has the account, and so all ARNs.
    arn = read_arn(aws.ask("sts", "get_caller_identity")["Arn"])
    if arn is None:
        raise Refused("AWS did not return the identity of these credentials")
    url = settings.queue.url or ""
    queue = options.queue or url.rpartition("/")[2] or DEFAULT_NAME
    names = Names(
        partition=arn.partition,
        region=aws.region,
        account=arn.account,
        topic=options.topic or DEFAULT_NAME,
        queue=queue,
        dead_letter_queue=options.dead_letter_queue or f"{queue}-dlq",
        key=options.key,
    )
    if not options.queue:
        _see_that_it_is_ours(names, url)
    return names if options.topic else _with_topic(names, settings.sns.topic_arns)


def _see_that_it_is_ours(names: Names, url: str) -> None:
    """Compare account and region of the queue's URL, or a namesake would be created.

    Raises:
        Refused: it is somewhere else.

    """
    account = "".join(urlsplit(url).path.split("/")[-2:-1])
    elsewhere = account.isdecimal() and account != names.account
    if elsewhere or region_in(url) not in {None, names.region}:
        raise Refused(
            f"queue.url is {url}, which is not of account {names.account} in {names.region}: use "
            "its own credentials and region, or name a --queue here"
        )


def _with_topic(names: Names, topics: Sequence[str]) -> Names:
    """Take the topic of the settings, if there is one.

    Raises:
        Refused: there are several, or it is not ours to make.

    """
    match topics:
        case []:
            return names
        case [topic]:
            named = structs.replace(names, topic=topic.rpartition(":")[2])
            if named.topic_arn == topic:
                return named
            raise Refused(
                f"sns.topic_arns names {topic}, which is not of account {names.account} in "
                f"{names.region}: subscribe {names.queue_arn} to it there, or name a --topic here"
            )
    raise Refused("sns.topic_arns names several topics: choose one with --topic")
