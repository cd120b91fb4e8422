"""What an unproven report about the account says, in words, where it is not acted on. Pure."""

from worker.core.account_events import AccountEvent, AccountStatus, Scope
from worker.core.masking import mask_addresses
from worker.core.parsing import clip

_SENTENCES = {
    AccountStatus.DISABLED: "SES stopped sending",
    AccountStatus.ENABLED: "SES resumed sending",
    AccountStatus.OPEN: "SES opened a finding",
    AccountStatus.RESOLVED: "SES closed a finding",
}
_LONGEST_NAME = 100
_MARK = "Unproven claim: "


def claim_of(event: AccountEvent) -> str:
    """`Unproven claim: SES stopped sending for tenant acme of account 111122223333, eu-west-1`."""
    account = (
        " of " * (event.scope is not Scope.ACCOUNT) + f"account {event.account_id or '(none)'}"
    )
    named = mask_addresses(clip(event.tenant or event.resource.rpartition("/")[2], _LONGEST_NAME))
    part = "" if event.scope is Scope.ACCOUNT else f"{event.scope.value.replace('_', ' ')} {named}"
    region = f", {event.region}" if event.region else ""
    return f"{_MARK}{_SENTENCES[event.status]} for {part}{account}{region}"


def says_sending_stopped(detail: str) -> bool:
    """Return whether the detail of a dead letter holds such a claim."""
    return f"{_MARK}{_SENTENCES[AccountStatus.DISABLED]}" in detail
