"""Notices that SES stopped or resumed sending, or has a finding. Pure.

How to look and how to resume: https://docs.aws.amazon.com/ses/latest/dg/tenants.html and, for the
commands, https://docs.aws.amazon.com/cli/latest/reference/sesv2/.
"""

import shlex
from collections.abc import Iterator

from worker.core.account_events import AccountEventKind, AccountStatus, Scope, Verification
from worker.core.payloads import AccountNotice
from worker.notifiers.slack.document import Document, Lines, Pairs, Part, Remark
from worker.notifiers.slack.text import bounded, code
from worker.notifiers.slack.words import moment

_LONGEST_FINDING = 1_500
_LONGEST_ANSWER = 300
_LONGEST_ARGUMENT = 400
"""An ARN; a longer argument is left out of a command."""
_HAPPENED = {
    AccountStatus.DISABLED: ("SES stopped sending", "SENDING STOPPED"),
    AccountStatus.ENABLED: ("SES sends again", "SENDING RESUMED"),
    AccountStatus.OPEN: ("SES has a finding", "FINDING OPENED"),
    AccountStatus.RESOLVED: ("SES closed a finding", "FINDING CLOSED"),
}
_EARLIER = {
    AccountStatus.DISABLED: "Earlier: SES had stopped sending",
    AccountStatus.ENABLED: "Earlier: SES had resumed sending",
    AccountStatus.OPEN: "Earlier: SES had a finding",
    AccountStatus.RESOLVED: "Earlier: SES had closed a finding",
}
"""Of an event that arrived after a newer event of the same resource."""
_NOW = {
    AccountStatus.DISABLED: "sending is disabled",
    AccountStatus.ENABLED: "sending is enabled",
    AccountStatus.OPEN: "the finding is open",
    AccountStatus.RESOLVED: "the finding is closed",
}
_SCOPES = {
    Scope.ACCOUNT: "the account",
    Scope.TENANT: "tenant",
    Scope.IDENTITY: "identity",
    Scope.CONFIGURATION_SET: "configuration set",
    Scope.OTHER: "a resource of unknown type",
}
_VERIFIED = {
    Verification.REPORTED: "Reported, not verified",
    Verification.CONFIRMED: "Yes, SES's API says the same",
    Verification.CONTRADICTED: "*No, SES's API says otherwise*",
}


def of_the_account(notice: AccountNotice, number: str, *, masked: bool) -> Document:
    """What happened, for whom, why, whether it is verified, and what to do."""
    title, word = _HAPPENED[notice.status]
    if notice.superseded_by:
        title, word = _EARLIER[notice.status], f"EARLIER, {word}"
    elif notice.verification is Verification.CONTRADICTED:
        title, word = f"Not so, says SES: {title}", f"CONTRADICTED, {word}"
    subject = " ".join(filter(None, (_SCOPES[notice.scope], name_of(notice))))
    return Document(
        title=title,
        word=word,
        subjects=[subject],
        parts=[*_facts(notice, subject), *_verdicts(notice, masked=masked)],
        context=[number, *commands(notice, masked=masked)],
    )


def name_of(notice: AccountNotice) -> str:
    """The name of the tenant, identity or configuration set; empty: the account."""
    return notice.tenant or notice.resource.rpartition("/")[2]


def _facts(notice: AccountNotice, subject: str) -> Iterator[Part]:
    account = ", ".join(filter(None, (notice.account_id, notice.region)))
    is_finding = notice.kind is AccountEventKind.RECOMMENDATION
    cause = ", impact ".join(filter(None, (notice.cause, notice.impact)))
    yield Pairs([
        ("Timestamp (UTC): ", moment(notice.occurred_at)),
        ("For: ", subject),
        ("Account: ", account),
        ("Type: " if is_finding else "Cause: ", cause),
    ])  # fmt: skip
    if notice.finding:
        yield Lines("Finding: ", notice.finding, _LONGEST_FINDING)


def _verdicts(notice: AccountNotice, *, masked: bool) -> Iterator[Part]:
    if notice.superseded_by and notice.superseded_at:
        since = f"since {moment(notice.superseded_at)} {_NOW[notice.superseded_by]}"
        yield Remark("Now: ", f"{since}, as SES has reported")
        return
    verified = _VERIFIED[notice.verification]
    if notice.answer:
        verified += f" ({code(notice.answer, _LONGEST_ANSWER, masked=masked)})"
    yield Remark("Verified: ", verified)
    if advice := _advice(notice):
        yield Remark("What to do: ", advice)


def _advice(notice: AccountNotice) -> str:
    if notice.verification is Verification.CONTRADICTED:
        return (
            "Nothing, if SES's console agrees. Anybody who may write to the queue can report this: "
            "who may, `ses-worker check` says"
        )
    match notice.status, notice.scope:
        case AccountStatus.DISABLED, Scope.ACCOUNT:
            return (
                "No mail of the account is sent in this region. If AWS stopped it, answer its case "
                "in AWS's Support Center. What bounced is in the table `events`"
            )
        case AccountStatus.DISABLED, Scope.TENANT:
            return (
                "Each send of this tenant fails, until its findings are dealt with and somebody "
                "resumes it: SES console, _Tenants_, _Resume sending_. If SES itself enforces the "
                "pause, only AWS's Support can lift it"
            )
        case AccountStatus.DISABLED, _:
            return "Each send with it fails, until somebody resumes it"
        case AccountStatus.OPEN, _:
            return (
                "Deal with the cause, before SES stops sending: stop mailing what bounces or "
                "complains. SES console: _Reputation findings_ of the tenant, or "
                "_Virtual Deliverability Manager_, _Advisor_"
            )
    return ""


def commands(notice: AccountNotice, *, masked: bool) -> Iterator[str]:
    """The commands that look and that resume, in code; none with what a shell would misread.

    Nor with what AWS's command line would take for an option, or an address that is masked.
    """
    untrusted = name_of(notice), notice.resource, notice.region
    has_option = any(word.startswith("-") for word in untrusted)
    if notice.superseded_by or has_option or (masked and "@" in "".join(untrusted)):
        return
    for words in _commands(notice):
        arguments = [*words, *(["--region", notice.region] if notice.region else [])]
        if all(_is_plain(word) for word in arguments):
            yield f"`aws sesv2 {' '.join(arguments)}`"


def _commands(notice: AccountNotice) -> Iterator[list[str]]:
    name, arn = name_of(notice), notice.resource
    stopped = notice.status is AccountStatus.DISABLED
    resumes = stopped and notice.verification is not Verification.CONTRADICTED
    if notice.kind is AccountEventKind.RECOMMENDATION:
        filtered = ["--filter", f"RESOURCE_ARN={arn}"] if arn else []
        yield ["list-recommendations", *filtered]
        return
    match notice.scope:
        case Scope.ACCOUNT:
            yield ["get-account"]
        case Scope.TENANT:
            yield ["get-tenant", "--tenant-name", name]
            if resumes and arn:
                yield [
                    "update-reputation-entity-customer-managed-status",
                    "--reputation-entity-type", "RESOURCE", "--reputation-entity-reference", arn,
                    "--sending-status", "ENABLED",
                ]  # fmt: skip
        case Scope.CONFIGURATION_SET:
            yield ["get-configuration-set", "--configuration-set-name", name]
            if resumes:
                yield [
                    "put-configuration-set-sending-options",
                    "--configuration-set-name", name, "--sending-enabled",
                ]  # fmt: skip
        case Scope.IDENTITY:
            yield ["get-email-identity", "--email-identity", name]


def _is_plain(word: str) -> bool:
    """Return whether a shell takes a word as it is; the names are untrusted."""
    fits = 0 < len(word) <= _LONGEST_ARGUMENT
    return fits and shlex.quote(bounded(word, _LONGEST_ARGUMENT)) == word
