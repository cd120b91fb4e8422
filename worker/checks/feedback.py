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
from worker.checks.findings import Check, Finding, some
from worker.checks.sending import KINDS, ConfigurationSet, sending_sets

FEEDBACK = Check("feedback")


def judge_feedback(facts: FeedbackFacts, topics: Sequence[str], queue: QueueFacts) -> list[Finding]:
    """Judge whether SES sends both kinds to the topics, by one way at least."""
    identities = facts.identities if isinstance(facts.identities, tuple) else ()
    ours = [one for one in identities if {one.bounces, one.complaints} & {*topics}]
    sets = sending_sets(facts, topics)
    whole = _whole_identities(ours, topics), [one for one in sets if one.kinds >= KINDS]
    findings = [*_not_seen(facts), *_about_identities(facts, ours, sets, topics, queue)]
    findings += _about_sets(facts, ours, sets, topics, queue)
    if not any(whole) and not findings and not facts.unlooked:
        findings.append(_nothing(facts, topics, queue))
    if whole[0] and whole[1]:
        findings.append(_twice(*whole))
    elif whole[0]:
        findings += _uncovered(facts, ours, topics, queue)
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
            case Unseen() | Away() as why:
                yield FEEDBACK.blind(f"SES's {what}", why)
            case Absent(said):
                yield FEEDBACK.wrong(said, "see its name, and the region")


def _about_identities(
    facts: FeedbackFacts,
    ours: Sequence[IdentityFacts],
    sets: Sequence[ConfigurationSet],
    topics: Sequence[str],
    queue: QueueFacts,
) -> Iterator[Finding]:
    for one in ours:
        for kind, topic in (("Bounce", one.bounces), ("Complaint", one.complaints)):
            if topic not in topics:
                said = f"{one.name}: its {kind.lower()} notifications go {_where(topic)}"
                others = [a_set for a_set in sets if kind.upper() in a_set.kinds]
                yield _told(said, others, set_identity(one.name, kind, topics[0]))
    if isinstance(facts.identities, tuple):
        for one in facts.identities:
            if one.name in facts.wanted and one not in ours:
                said = f"{one.name}: its notifications do not go to {' or '.join(topics)}"
                mend = _notify(one.name, topics[0], queue)
                yield _told(said, [a_set for a_set in sets if a_set.kinds >= KINDS], mend)


def _told(said: str, sets: Sequence[ConfigurationSet], mend: str) -> Finding:
    """It is wrong, unless configuration sets tell of the same mail."""
    if not sets:
        return FEEDBACK.wrong(said, mend)
    names = " or ".join(one.name for one in sets)
    return FEEDBACK.note(f"{said}: only mail that is sent with {names} is told of", mend)


def _uncovered(
    facts: FeedbackFacts, ours: Sequence[IdentityFacts], topics: Sequence[str], queue: QueueFacts
) -> Iterator[Finding]:
    seen = facts.identities if isinstance(facts.identities, tuple) else ()
    names = [one.name for one in seen if one not in ours and one.name not in facts.wanted]
    if not names:
        return
    said = f"notifications of {some(names)} do not come here"
    if any("@" in name for name in names):
        said += "; an address that is verified itself does not have its domain's settings"
    yield FEEDBACK.note(said, _notify(names[0], topics[0], queue))


def _where(topic: str) -> str:
    return f"to {topic}, which does not feed the queue" if topic else "nowhere"


def _about_sets(
    facts: FeedbackFacts,
    ours: Sequence[IdentityFacts],
    sets: Sequence[ConfigurationSet],
    topics: Sequence[str],
    queue: QueueFacts,
) -> Iterator[Finding]:
    notified = {"BOUNCE" for one in ours if one.bounces in topics}
    notified |= {"COMPLAINT" for one in ours if one.complaints in topics}
    for a_set in sets:
        missing = KINDS - a_set.kinds - notified
        for one in sorted(a_set.destinations, key=lambda one: one.enabled):
            yield from _about(one, missing)
            missing -= one.kinds if not one.enabled else KINDS  # said once
    if isinstance(facts.destinations, tuple):
        for name in facts.wanted_sets:
            if name not in {a_set.name for a_set in sets}:
                said = f"{name}: no event destination of it is {' or '.join(topics)}"
                mend = provision(queue.arn, topics[0], configuration_set=name)
                yield FEEDBACK.wrong(said, mend)


def _about(one: DestinationFacts, missing: frozenset[str]) -> Iterator[Finding]:
    named = f"event destination {one.name} of {one.configuration_set}"
    if not one.enabled:
        say = FEEDBACK.wrong if missing & one.kinds else FEEDBACK.note
        yield say(f"{named} is switched off", _update(one, one.kinds | missing))
    elif missing:
        said = f"{named} does not send {' and '.join(sorted(missing))}"
        yield FEEDBACK.wrong(said, _update(one, one.kinds | missing))
    elif more := sorted(one.kinds - KINDS):
        yield FEEDBACK.note(f"{named} also sends {', '.join(more)}, which say nothing to us")


def _notify(identity: str, topic: str, queue: QueueFacts) -> str:
    both = " && ".join(set_identity(identity, kind, topic) for kind in ("Bounce", "Complaint"))
    return provision(queue.arn, topic, elsewhere=both, identity=identity)


def _update(one: DestinationFacts, kinds: frozenset[str]) -> str:
    return set_destination(one.topic, kinds, one.configuration_set, one.name)


def _whole_identities(ours: Sequence[IdentityFacts], topics: Sequence[str]) -> list[IdentityFacts]:
    return [one for one in ours if {one.bounces, one.complaints} <= set(topics)]


def _nothing(facts: FeedbackFacts, topics: Sequence[str], queue: QueueFacts) -> Finding:
    own, others = read_arn(queue.arn), {arn.account for arn in map(read_arn, topics) if arn}
    if own and own.account not in others:
        said = f"nothing here sends to {' or '.join(topics)}; what SES of {', '.join(others)} does"
        return FEEDBACK.unseen(f"{said} can be seen there only")
    known = [one.name for one in facts.identities] if isinstance(facts.identities, tuple) else []
    said = f"no identity and no event destination of SES sends to {' or '.join(topics)}"
    name = known[0] if len(known) == 1 else "YOUR-DOMAIN"
    return FEEDBACK.wrong(said, _notify(name, topics[0], queue))


def _twice(identities: Sequence[IdentityFacts], sets: Sequence[ConfigurationSet]) -> Finding:
    return FEEDBACK.note(
        f"{_shown(identities, sets)}: mail of the one sent through the other is told of "
        "twice, which is harmless here: the second is a duplicate"
    )


def _shown(identities: Sequence[IdentityFacts], sets: Sequence[ConfigurationSet]) -> str:
    said = [f"notifications of {one.name}" for one in identities]
    for a_set in sets:
        names = ", ".join(one.name for one in a_set.destinations if one.enabled)
        said.append(f"events of {a_set.name} ({names})")
    return ", ".join(said)
