"""Where SES sends bounces and complaints: identities' notifications, event destinations.

https://docs.aws.amazon.com/ses/latest/dg/monitor-sending-activity-using-notifications.html and
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-add-event-destination-sns.html
"""

from collections.abc import Iterator, Sequence

from worker.topology.checks.commands import (
    is_bus,
    provision,
    provision_eventbridge,
    set_destination,
    set_identity,
)
from worker.topology.checks.facts import (
    Absent,
    DestinationFacts,
    FeedbackFacts,
    IdentityFacts,
    NotPermitted,
    QueueFacts,
    Unreachable,
    read_arn,
)
from worker.topology.checks.findings import Check, Finding, some
from worker.topology.checks.sending import KINDS, ConfigurationSet, sending_sets

FEEDBACK = Check("feedback")


def judge_feedback(facts: FeedbackFacts, topics: Sequence[str], queue: QueueFacts) -> list[Finding]:
    """Judge whether SES sends bounces and complaints to the topics, by any route.

    The last of `topics` may be the event bus whose rules feed the queue.
    """
    identities = facts.identities if isinstance(facts.identities, tuple) else ()
    ours = [
        identity for identity in identities if {identity.bounces, identity.complaints} & {*topics}
    ]
    sets = sending_sets(facts, topics)
    whole = (
        _whole_identities(ours, topics),
        [configuration_set for configuration_set in sets if configuration_set.kinds >= KINDS],
    )
    findings = [*_not_checked(facts), *_about_identities(facts, ours, sets, topics, queue)]
    findings += _about_sets(facts, ours, sets, topics, queue)
    if not any(whole) and not findings and not facts.not_read:
        findings.append(_nothing(facts, topics, queue))
    if whole[0] and whole[1]:
        findings.append(_twice(*whole))
    elif whole[0]:
        findings += _uncovered(facts, ours, topics, queue)
    for what in facts.not_read:
        fix = "name yours: ses-worker check --identity NAME --configuration-set NAME"
        findings.append(FEEDBACK.note(f"{what} were not checked", fix))
    if any(whole) and not any(finding.status in {"wrong", "note"} for finding in findings):
        findings.append(FEEDBACK.ok(_shown(*whole)))
    return findings


def _not_checked(facts: FeedbackFacts) -> Iterator[Finding]:
    named = (("identities", facts.identities), ("configuration sets", facts.destinations))
    for what, found in named:
        match found:
            case NotPermitted() | Unreachable() as why:
                yield FEEDBACK.blind(f"SES's {what}", why)
            case Absent(message):
                yield FEEDBACK.wrong(message, "check the name, and the region")


def _about_identities(
    facts: FeedbackFacts,
    ours: Sequence[IdentityFacts],
    sets: Sequence[ConfigurationSet],
    topics: Sequence[str],
    queue: QueueFacts,
) -> Iterator[Finding]:
    for identity in ours:
        for kind, topic in (("Bounce", identity.bounces), ("Complaint", identity.complaints)):
            if topic not in topics:
                message = f"{identity.name}: its {kind.lower()} notifications go {_where(topic)}"
                others = [a_set for a_set in sets if kind.upper() in a_set.kinds]
                yield _finding(message, others, set_identity(identity.name, kind, topics[0]))
    if isinstance(facts.identities, tuple):
        for identity in facts.identities:
            if identity.name in facts.named_identities and identity not in ours:
                message = f"{identity.name}: its notifications do not go to {' or '.join(topics)}"
                fix = _notify(identity.name, topics[0], queue)
                yield _finding(message, [a_set for a_set in sets if a_set.kinds >= KINDS], fix)


def _finding(message: str, sets: Sequence[ConfigurationSet], fix: str) -> Finding:
    """Wrong, unless configuration sets report the same mail."""
    if not sets:
        return FEEDBACK.wrong(message, fix)
    names = " or ".join(configuration_set.name for configuration_set in sets)
    return FEEDBACK.note(f"{message}: only mail sent with {names} is reported", fix)


def _uncovered(
    facts: FeedbackFacts, ours: Sequence[IdentityFacts], topics: Sequence[str], queue: QueueFacts
) -> Iterator[Finding]:
    identities = facts.identities if isinstance(facts.identities, tuple) else ()
    names = [
        identity.name
        for identity in identities
        if identity not in ours and identity.name not in facts.named_identities
    ]
    if not names:
        return
    message = f"notifications of {some(names)} do not go to this queue"
    if any("@" in name for name in names):
        message += "; a verified address does not inherit the settings of its domain"
    yield FEEDBACK.note(message, _notify(names[0], topics[0], queue))


def _where(topic: str) -> str:
    return f"to {topic}, which does not feed the queue" if topic else "nowhere"


def _about_sets(
    facts: FeedbackFacts,
    ours: Sequence[IdentityFacts],
    sets: Sequence[ConfigurationSet],
    topics: Sequence[str],
    queue: QueueFacts,
) -> Iterator[Finding]:
    notified = {"BOUNCE" for identity in ours if identity.bounces in topics}
    notified |= {"COMPLAINT" for identity in ours if identity.complaints in topics}
    for a_set in sets:
        missing = KINDS - a_set.kinds - notified
        for destination in sorted(a_set.destinations, key=lambda destination: destination.enabled):
            yield from _about(destination, missing)
            missing -= destination.kinds if not destination.enabled else KINDS  # reported once
    if isinstance(facts.destinations, tuple):
        for name in facts.named_sets:
            if name not in {a_set.name for a_set in sets}:
                message = f"{name}: none of its event destinations is {' or '.join(topics)}"
                fix = _send(name, topics[0], queue)
                yield FEEDBACK.wrong(message, fix)


def _about(destination: DestinationFacts, missing: frozenset[str]) -> Iterator[Finding]:
    named = f"event destination {destination.name} of {destination.configuration_set}"
    if not destination.enabled:
        report = FEEDBACK.wrong if missing & destination.kinds else FEEDBACK.note
        yield report(f"{named} is switched off", _update(destination, destination.kinds | missing))
    elif missing:
        message = f"{named} does not send {' and '.join(sorted(missing))}"
        yield FEEDBACK.wrong(message, _update(destination, destination.kinds | missing))
    elif not is_bus(destination.target) and (more := sorted(destination.kinds - KINDS)):
        yield FEEDBACK.note(f"{named} also sends {', '.join(more)}, which the worker ignores")


def _notify(identity: str, topic: str, queue: QueueFacts) -> str:
    if is_bus(topic):  # which takes no notifications
        return provision(queue.arn, identity=identity)
    both = " && ".join(set_identity(identity, kind, topic) for kind in ("Bounce", "Complaint"))
    return provision(queue.arn, topic, elsewhere=both, identity=identity)


def _send(configuration_set: str, target: str, queue: QueueFacts) -> str:
    if is_bus(target):
        return provision_eventbridge(queue.arn, configuration_set=configuration_set)
    return provision(queue.arn, target, configuration_set=configuration_set)


def _update(destination: DestinationFacts, kinds: frozenset[str]) -> str:
    return set_destination(
        destination.target, kinds, destination.configuration_set, destination.name
    )


def _whole_identities(ours: Sequence[IdentityFacts], topics: Sequence[str]) -> list[IdentityFacts]:
    return [identity for identity in ours if {identity.bounces, identity.complaints} <= set(topics)]


def _nothing(facts: FeedbackFacts, topics: Sequence[str], queue: QueueFacts) -> Finding:
    own, others = read_arn(queue.arn), {arn.account for arn in map(read_arn, topics) if arn}
    if own and own.account not in others:
        message = (
            f"nothing in this account sends to {' or '.join(topics)}; whether SES of account "
            f"{', '.join(sorted(others))} does"
        )
        return FEEDBACK.unknown(f"{message} can be checked there only")
    known = (
        [identity.name for identity in facts.identities]
        if isinstance(facts.identities, tuple)
        else []
    )
    message = (
        f"no identity and no event destination of SES sends to {' or '.join(topics)}, so no bounce "
        "arrives: provision adds them with --identity or --configuration-set"
    )
    name = known[0] if len(known) == 1 else "YOUR-DOMAIN"
    if is_bus(topics[0]):
        return FEEDBACK.wrong(message, _send("YOUR-CONFIGURATION-SET", topics[0], queue))
    return FEEDBACK.wrong(message, _notify(name, topics[0], queue))


def _twice(identities: Sequence[IdentityFacts], sets: Sequence[ConfigurationSet]) -> Finding:
    return FEEDBACK.note(
        f"{_shown(identities, sets)}: both report the same mail, which does no harm: the second "
        "report is a duplicate"
    )


def _shown(identities: Sequence[IdentityFacts], sets: Sequence[ConfigurationSet]) -> str:
    message = [f"notifications of {identity.name}" for identity in identities]
    for a_set in sets:
        names = ", ".join(
            destination.name for destination in a_set.destinations if destination.enabled
        )
        message.append(f"events of {a_set.name} ({names})")
    return ", ".join(message)
