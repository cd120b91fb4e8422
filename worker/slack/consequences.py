"""What became of removals, messages and effects, sketched for people. Pure."""

from worker.effects import DeadLetterNotice, ParkedNotice, RemovalNotice, RemovalOutcome
from worker.slack.blocks import LONGEST_SECTION
from worker.slack.pretty import printed
from worker.slack.sketch import Lines, Pairs, Remark, Sketch, Whole
from worker.slack.text import code
from worker.slack.words import DELIVERED, OUTBOX, dead_letters, moment, why

_LONGEST_FENCE = LONGEST_SECTION - 100
_RESPONSES = {
    RemovalOutcome.REMOVED: "*Deleted!*",
    RemovalOutcome.STILL_LISTED: "Not deleted: SES took the call and lists the address still.",
    RemovalOutcome.NOT_LISTED: "Not listed: there was nothing to delete.",
    RemovalOutcome.KEPT_COMPLAINT: "Kept: it is listed for a complaint; undoing that is a person's"
    " decision.",
    RemovalOutcome.KEPT_REPEATED: "Kept: it was taken off too often lately; a person should look.",
    RemovalOutcome.KEPT_UNWANTED: "Kept: the settings do not ask for its removal any more.",
    RemovalOutcome.NOT_POSSIBLE: "Not possible: SES's call cannot delete this address.",
}


def of_a_removal(said: RemovalNotice, number: str, *, masked: bool) -> Sketch:
    """What became of an address on the suppression list, and the entry as it was."""
    address = f"***@{said.domain}" if masked and said.domain else said.address
    pointer = (None if masked else why(said.address)) or DELIVERED
    response = _RESPONSES[said.outcome]
    if said.response and said.outcome is not RemovalOutcome.REMOVED:
        response += f" ({code(said.response, 300, masked=masked)})"
    entry = printed(said.entry, masked=masked) if said.entry else ""
    return Sketch(
        title="Delete notification",
        word="DELETE" if said.outcome is RemovalOutcome.REMOVED else "NOT DELETED",
        subjects=[address or "(no address)"],
        parts=[
            Pairs([("Mail:", address)]),
            Remark("Response:", response),
            *([Whole("Suppressed destination json: ", entry, pointer)] if entry else []),
        ],
        context=[number, pointer],
    )


def of_dead_letters(said: DeadLetterNotice, number: str) -> Sketch:
    """Messages that were set aside."""
    return Sketch(
        title="Dead letter notification",
        word="DEAD LETTER",
        subjects=[f"{said.reason} ({said.count:,})"],
        parts=[
            Pairs([
                ("Timestamp (UTC): ", moment(said.occurred_at)),
                ("Reason: ", said.reason),
                ("Messages: ", f"{said.count:,}"),
                ("Set aside in: ", said.where),
                ("First message: ", said.message_id),
            ]),
            *([Lines("Detail: ", said.detail, _LONGEST_FENCE)] if said.detail else []),
        ],
        context=[number, dead_letters(said.reason)],
    )  # fmt: skip


def of_parked(said: ParkedNotice, number: str) -> Sketch:
    """Effects that wait for a person."""
    return Sketch(
        title="Parked effects",
        word="PARKED",
        subjects=[f"{said.what} ({said.count:,})"],
        parts=[
            Pairs([
                ("Timestamp (UTC): ", moment(said.occurred_at)),
                ("What: ", said.what.value),
                ("Effects: ", f"{said.count:,}"),
                ("First: ", f"outbox #{said.effect_id}"),
                ("Attempts: ", f"{said.attempts:,}"),
            ]),
            *([Lines("Error: ", said.error, _LONGEST_FENCE)] if said.error else []),
        ],
        context=[number, OUTBOX],
    )  # fmt: skip
