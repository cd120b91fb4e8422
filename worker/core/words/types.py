"""What SES's types of bounces and complaints mean.

https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html and, for feedback types,
https://www.iana.org/assignments/marf-parameters
"""

from collections.abc import Mapping

from worker.core.model import Kind

_BOUNCES: Mapping[str, str] = {
    "permanent/general": "the receiving side refused the mail for good",
    "permanent/noemail": "it is permanent, and the report did not name the address",
    "permanent/suppressed": (
        "SES did not send: the address bounced recently, for some customer of SES, and is on SES's "
        "own list"
    ),
    "permanent/onaccountsuppressionlist": (
        "SES did not send: the address is on your account's suppression list"
    ),
    "permanent/ontenantsuppressionlist": (
        "SES did not send: the address is on the tenant's suppression list"
    ),
    "permanent/emailvalidationsuppressed": (
        "SES did not send: its validation takes the address to be undeliverable"
    ),
    "permanent/unsubscribedrecipient": (
        "SES did not send: the person had opted out of the mailing list"
    ),
    "transient/general": (
        "SES tried until it gave up, and mail may work later; out-of-office replies come so, too"
    ),
    "transient/mailboxfull": "the mailbox is full",
    "transient/messagetoolarge": "the mail was too large for the receiving side",
    "transient/contentrejected": "the receiving side refused the content of the mail",
    "transient/attachmentrejected": "the receiving side refused an attachment",
    "transient/customtimeoutexceeded": (
        "SES did not deliver within the time that the sender allowed (MaxDeliverySeconds)"
    ),
    "undetermined/undetermined": "SES could not read from the report why it bounced",
}
"""By type and sub-type, in lower case."""
_BOUNCE_TYPES: Mapping[str, str] = {
    "permanent": "the mail was refused for good",
    "transient": "the mail was not delivered, and mail may work later",
    "undetermined": "SES could not read from the report why it bounced",
}
_COMPLAINTS: Mapping[str, str] = {
    "abuse": "the person marked the mail as spam",
    "auth-failure": "the mail provider reports that the mail failed SPF, DKIM or DMARC",
    "fraud": "it was reported as fraud or phishing",
    "not-spam": "the person says that the mail is no spam",
    "opt-out": "the person wants no more of this mail",
    "virus": "it was reported to have a virus",
    "other": "the person complained, and the mail provider does not say of what",
}
_REPEATED = "SES did not send: there had been a complaint, and the address is on a suppression list"
_UNSAID = _COMPLAINTS["other"]


def meaning_of_type(kind: str, type_: str | None, subtype: str | None) -> str:
    """Explain a type and sub-type, in any case; empty if nobody knows it.

    `kind`: `bounce` or `complaint`. Of a complaint the type is the feedback type.
    """
    name, detail = (type_ or "").lower(), (subtype or "").lower()
    if kind == Kind.COMPLAINT:
        return _REPEATED if detail.endswith("suppressionlist") else _COMPLAINTS.get(name, _UNSAID)
    if kind == Kind.BOUNCE:
        return _BOUNCES.get(f"{name}/{detail}") or _BOUNCE_TYPES.get(name, "")
    return ""
