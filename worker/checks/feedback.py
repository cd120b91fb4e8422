"""Where SES sends bounces and complaints: notifications of identities, event destinations.

https://docs.aws.amazon.com/ses/latest/dg/monitor-sending-activity-using-notifications.html and
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-add-event-destination-sns.html
"""

from collections.abc import Iterator, Sequence

from worker.checks.commands import provision, set_destination, set_identity
from worker.checks.facts import (
    Absent,
    Away,
    DestinationFacts,
    FeedbackFacts,
    IdentityFacts,
    QueueFacts,
    Unseen,
    read_arn,
)
from worker.checks.findings import Check, Finding

FEEDBACK = Check("feedback")
_KINDS = frozenset({"BOUNCE", "COMPLAINT"})


def judge_feedback(facts: FeedbackFacts, topics: Sequence[str], queue: QueueFacts) -> list[Finding]:
    """Judge whether SES sends both kinds to the topics, by one way at least."""
    identities = facts.identities if isinstance(facts.identities, tuple) else ()
    destinations = facts.destinations if isinstance(facts.destinations, tuple) else ()
    ours = [one for one in identities if {one.bounces, one.complaints} & set(topics)]
    published = [one for one in destinations if one.topic in topics]
    findings = [*_not_seen(facts), *_about_identities(facts, ours, topics, queue)]
    findings += _about_destinations(published)
    whole = _whole_identities(ours, topics), [one for one in published if _is_whole(one)]
    if not any(whole) and not findings and not facts.unlooked:
        findings.append(_nothing(facts, topics, queue))
    if whole[0] and whole[1]:
        findings.append(_twice(*whole))
    for what in facts.unlooked:
        mend = "name yours: ses-worker check --identity NAME --configuration-set NAME"
        findings.append(FEEDBACK.note(f"{what} were not looked at", mend))
    if any(whole) and not any(finding.status in {"wrong", "note"} for finding in findings):
        findings.append(FEEDBACK.ok(_shown(*whole)))
    return findings


def _not_seen(facts: FeedbackFacts) -> Iterator[Finding]:
    named = (("identities", facts.identities), ("configuration sets", facts.destinations))
    for what, found in named:
        match found:
            case Unseen(action):
                yield FEEDBACK.unseen(f"SES's {what}: {action} is not permitted")
            case Absent(said):
                yield FEEDBACK.wrong(said, "see its name, and the region")
            case Away(error):
                yield FEEDBACK.wrong(f"SES's {what}: {error}", "see that SES can be reached")


def _about_identities(
    facts: FeedbackFacts, ours: Sequence[IdentityFacts], topics: Sequence[str], queue: QueueFacts
) -> Iterator[Finding]:
    for one in ours:
        for kind, topic in (("Bounce", one.bounces), ("Complaint", one.complaints)):
            if topic not in topics:
                said = f"{one.name}: its {kind.lower()} notifications go {_where(topic)}"
                yield FEEDBACK.wrong(said, set_identity(one.name, kind, topics[0]))
    if isinstance(facts.identities, tuple):
        for one in facts.identities:
            if one.name in facts.wanted and one not in ours:
                said = f"{one.name}: its notifications do not go to {' or '.join(topics)}"
                mend = _notify(one.name, topics[0], queue)
                yield FEEDBACK.wrong(said, mend)


def _where(topic: str) -> str:
    return f"to {topic}, which does not feed the queue" if topic else "nowhere"


def _about_destinations(published: Sequence[DestinationFacts]) -> Iterator[Finding]:
    for one in published:
        named = f"event destination {one.name} of {one.configuration_set}"
        if not one.enabled:
            said = f"{named} is switched off"
            yield FEEDBACK.wrong(said, _update(one, one.kinds | _KINDS))
        elif missing := sorted(_KINDS - one.kinds):
            said = f"{named} does not send {' and '.join(missing)}"
            yield FEEDBACK.wrong(said, _update(one, one.kinds | _KINDS))
        elif more := sorted(one.kinds - _KINDS):
            yield FEEDBACK.note(f"{named} also sends {', '.join(more)}, which say nothing to us")


def _notify(identity: str, topic: str, queue: QueueFacts) -> str:
    both = " && ".join(set_identity(identity, kind, topic) for kind in ("Bounce", "Complaint"))
    return provision(queue.arn, topic, elsewhere=both, identity=identity)


def _update(one: DestinationFacts, kinds: frozenset[str]) -> str:
    return set_destination(one.topic, kinds, one.configuration_set, one.name)


def _whole_identities(ours: Sequence[IdentityFacts], topics: Sequence[str]) -> list[IdentityFacts]:
    return [one for one in ours if {one.bounces, one.complaints} <= set(topics)]


def _is_whole(one: DestinationFacts) -> bool:
    return one.enabled and one.kinds >= _KINDS


def _nothing(facts: FeedbackFacts, topics: Sequence[str], queue: QueueFacts) -> Finding:
    own, others = read_arn(queue.arn), {arn.account for arn in map(read_arn, topics) if arn}
    if own and own.account not in others:
        said = f"nothing here sends to {' or '.join(topics)}; what SES of {', '.join(others)} does"
        return FEEDBACK.unseen(f"{said} can be seen there only")
    known = [one.name for one in facts.identities] if isinstance(facts.identities, tuple) else []
    said = f"no identity and no event destination of SES sends to {' or '.join(topics)}"
    name = known[0] if len(known) == 1 else "YOUR-DOMAIN"
    return FEEDBACK.wrong(said, _notify(name, topics[0], queue))


def _twice(
    identities: Sequence[IdentityFacts], destinations: Sequence[DestinationFacts]
) -> Finding:
    return FEEDBACK.note(
        f"{_shown(identities, destinations)}: mail of the one sent through the other is told of "
        "twice, which is harmless here: the second is a duplicate"
    )


def _shown(identities: Sequence[IdentityFacts], destinations: Sequence[DestinationFacts]) -> str:
    said = [f"notifications of {one.name}" for one in identities]
    said += [f"events of {one.configuration_set} ({one.name})" for one in destinations]
    return ", ".join(said)
