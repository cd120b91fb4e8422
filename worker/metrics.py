"""The Prometheus counters; their names and labels are a promise (README, "Metrics")."""

from prometheus_client import CollectorRegistry, Counter

from worker.model import Decision, Kind

BOUNCE_TYPES = frozenset({"permanent", "transient", "undetermined"})
BOUNCE_SUBTYPES = frozenset({
    "undetermined", "general", "noemail", "suppressed", "onaccountsuppressionlist",
    "ontenantsuppressionlist", "emailvalidationsuppressed", "unsubscribedrecipient",
    "mailboxfull", "messagetoolarge", "contentrejected", "attachmentrejected",
    "customtimeoutexceeded",
})  # fmt: skip
COMPLAINT_SUBTYPES = frozenset({"onaccountsuppressionlist", "ontenantsuppressionlist"})
COMPLAINT_FEEDBACK = frozenset({"abuse", "auth-failure", "fraud", "not-spam", "other", "virus"})


def label(value: str | None, documented: frozenset[str]) -> str:
    """A label that strangers cannot multiply: a documented value, `none`, or `other`."""
    if not value:
        return "none"
    lowered = value.lower()
    return lowered if lowered in documented else "other"


class Metrics:
    """Everything that is counted, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._bounces = Counter(
            "email_bounce",
            "Bounced recipients, by what was decided",
            ["bounce_type", "bounce_subtype", "user_match", "relay_action"],
            registry=self.registry,
        )
        self._complaints = Counter(
            "email_complaint",
            "Complained recipients, by what was decided",
            ["complaint_subtype", "complaint_feedback", "user_match", "relay_action"],
            registry=self.registry,
        )

    def count(self, decision: Decision) -> None:
        """Count one recipient."""
        said = decision.feedback.notification
        outcome = decision.match.value, decision.action.value
        if said.kind is Kind.BOUNCE:
            kind, sort = label(said.type, BOUNCE_TYPES), label(said.subtype, BOUNCE_SUBTYPES)
            self._bounces.labels(kind, sort, *outcome).inc()
        else:
            sort = label(said.subtype, COMPLAINT_SUBTYPES)
            feedback = label(said.type, COMPLAINT_FEEDBACK)
            self._complaints.labels(sort, feedback, *outcome).inc()
