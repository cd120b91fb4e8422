"""Notices about removals, dead letters, parked effects and faults of our own. Pure."""

from worker.core.payloads import (
    DeadLetterNotice,
    OwnFaultsNotice,
    ParkedNotice,
    RemovalNotice,
    RemovalOutcome,
)
from worker.notifiers.slack.blocks import LONGEST_SECTION
from worker.notifiers.slack.document import Document, Lines, Pairs, Remark, Whole
from worker.notifiers.slack.pretty import printed
from worker.notifiers.slack.text import code
from worker.notifiers.slack.words import DELIVERED, OUTBOX, dead_letters, moment, why

_LONGEST_FENCE = LONGEST_SECTION - 100
_RESPONSES = {
    RemovalOutcome.REMOVED: "*Deleted!*",
    RemovalOutcome.STILL_LISTED: "Not deleted: SES took the call and lists the address still.",
    RemovalOutcome.NOT_LISTED: "Not listed: there was nothing to delete.",
    RemovalOutcome.KEPT_COMPLAINT: "Kept: it is listed for a complaint; undoing that is a person's"
    " decision.",
    RemovalOutcome.KEPT_REPEATED: "Kept: it was taken off too often lately; a person should look.",
    RemovalOutcome.KEPT_UNWANTED: "Kept: the settings do not ask for its removal any more.",
    RemovalOutcome.KEPT_NEWER: "Kept: it was listed after its removal was requested. To take it off"
    " all the same, ask again.",
    RemovalOutcome.NOT_POSSIBLE: "Not possible: SES's call cannot delete this address.",
    RemovalOutcome.UNKNOWN_TENANT: "Not tried: it is on a tenant's list, and the message does not"
    " name the tenant. Remove it with `aws sesv2 delete-suppressed-destination --tenant-name`.",
}


_WHAT_TO_DO = (
    "check SPF, DKIM and DMARC of the senders, and whether a blocklist has their domains or SES's "
    "IP addresses; send less until it is found. Meanwhile `policy.spare_faults` can spare the "
    "recipients. Each bounce is recorded as usual."
)


def of_a_removal(notice: RemovalNotice, number: str, *, masked: bool) -> Document:
    """The outcome of a removal, and the entry before it."""
    address = f"***@{notice.domain}" if masked and notice.domain else notice.address
    pointer = (None if masked else why(notice.address)) or DELIVERED
    whose = [("List of tenant:", notice.tenant)] if notice.tenant else []
    requester = [("Requested by:", notice.asked_by)] if notice.asked_by else []
    requester += [("Why:", notice.why)] if notice.why else []
    response = _RESPONSES[notice.outcome]
    if notice.response and notice.outcome is not RemovalOutcome.REMOVED:
        response += f" ({code(notice.response, 300, masked=masked)})"
    entry = printed(notice.entry, masked=masked) if notice.entry else ""
    return Document(
        title="Delete notification",
        word="DELETE" if notice.outcome is RemovalOutcome.REMOVED else "NOT DELETED",
        subjects=[address or "(no address)"],
        parts=[
            Pairs([("Mail:", address), *whose, *requester]),
            Remark("Response:", response),
            *([Whole("Suppressed destination json: ", entry, pointer)] if entry else []),
        ],
        context=[number, pointer],
    )


def of_dead_letters(notice: DeadLetterNotice, number: str) -> Document:
    """Dead letters with the same reason."""
    return Document(
        title="Dead letter notification",
        word="DEAD LETTER",
        subjects=[f"{notice.reason} ({notice.count:,})"],
        parts=[
            Pairs([
                ("Timestamp (UTC): ", moment(notice.occurred_at)),
                ("Reason: ", notice.reason),
                ("Messages: ", f"{notice.count:,}"),
                ("Kept in: ", notice.where),
                ("First message: ", notice.message_id),
            ]),
            *([Lines("Detail: ", notice.detail, _LONGEST_FENCE)] if notice.detail else []),
        ],
        context=[number, dead_letters(notice.reason)],
    )  # fmt: skip


def of_parked(notice: ParkedNotice, number: str) -> Document:
    """Effects that wait for an operator."""
    return Document(
        title="Parked effects",
        word="PARKED",
        subjects=[f"{notice.what} ({notice.count:,})"],
        parts=[
            Pairs([
                ("Timestamp (UTC): ", moment(notice.occurred_at)),
                ("What: ", notice.what.value),
                ("Effects: ", f"{notice.count:,}"),
                ("First: ", f"outbox #{notice.effect_id}"),
                ("Attempts: ", f"{notice.attempts:,}"),
            ]),
            *([Lines("Error: ", notice.error, _LONGEST_FENCE)] if notice.error else []),
        ],
        context=[number, OUTBOX],
    )  # fmt: skip


def of_own_faults(notice: OwnFaultsNotice, number: str) -> Document:
    """Bounces by faults of our own: what mail servers say, about whose mail, and what to do."""
    named = {
        "Configuration sets: ": notice.configuration_sets,
        "Tenants: ": notice.tenants,
        "Senders: ": notice.senders,
        "Providers: ": notice.providers,
    }
    pairs = [(label, ", ".join(names)) for label, names in named.items() if names]
    diagnostic = notice.diagnostic
    return Document(
        title="Bounces by our own fault",
        word="OWN FAULT",
        subjects=[f"{notice.count:,} bounces within five minutes"],
        parts=[
            Pairs([
                ("Bounces: ", f"{notice.count:,}"),
                ("First (UTC): ", moment(notice.since)),
                ("Last (UTC): ", moment(notice.occurred_at)),
            ]),
            *([Pairs(pairs)] if pairs else []),
            *([Lines("Mail server: ", diagnostic, _LONGEST_FENCE)] if diagnostic else []),
            Remark("What to do: ", _WHAT_TO_DO),
        ],
        context=[number, "one notice an hour: `notify.own_faults`"],
    )  # fmt: skip
