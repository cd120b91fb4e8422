"""Whether SES publishes to the topic, for a run that names nothing of SES's."""

from collections.abc import Sequence

from msgspec import Struct

from worker.topology import Aws, inspection
from worker.topology.checks.facts import Absent, FeedbackFacts, NotPermitted, Unknown
from worker.topology.checks.findings import some
from worker.topology.checks.sending import sending_sets

_OPTIONS = (
    "run this again with --identity NAME for each identity that you send from{named}, with "
    "--configuration-set NAME for each configuration set, or with --eventbridge"
)


class Publishing(Struct, frozen=True, kw_only=True):
    """What SES publishes to a topic."""

    publishes: bool | None
    """None: unknown."""
    why_unknown: str = ""
    identities: Sequence[str] = ()
    """The verified identities, as far as known."""

    def remark(self, topic: str) -> str:
        """Describe what is missing, and the options that add it; empty: nothing."""
        if self.publishes:
            return ""
        names = [name for name in self.identities if "@" not in name] or self.identities
        options = _OPTIONS.format(named=f" ({some(names)})" if names else "")
        if self.publishes is None:
            unknown = f"whether SES publishes to the topic {topic} is unknown ({self.why_unknown})"
            return f"{unknown}: {options}"
        return (
            f"SES publishes nothing to the topic {topic}, so nothing will arrive by it: {options}"
        )


def look(aws: Aws, topic_arn: str) -> Publishing:
    """Read whether an identity or a configuration set publishes to the topic."""
    identities = inspection.identities(aws)
    if not isinstance(identities, tuple):
        return Publishing(publishes=None, why_unknown=_why(identities))
    names = [identity.name for identity in identities]
    if any(topic_arn in {identity.bounces, identity.complaints} for identity in identities):
        return Publishing(publishes=True, identities=names)
    destinations, unread = inspection.destinations(aws)
    if not isinstance(destinations, tuple):
        return Publishing(publishes=None, why_unknown=_why(destinations), identities=names)
    facts = FeedbackFacts(identities=identities, destinations=destinations)
    publishes = bool(sending_sets(facts, [topic_arn]))
    if unread and not publishes:
        why = f"{unread} configuration sets were not read"
        return Publishing(publishes=None, why_unknown=why, identities=names)
    return Publishing(publishes=publishes, identities=names)


def _why(unknown: Unknown) -> str:
    match unknown:
        case NotPermitted():
            return f"{unknown}, config/iam-provision.json"
        case Absent(message):
            return message
    return unknown.error
