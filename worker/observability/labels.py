"""The values that labels of metrics may have, so that untrusted text cannot add series. Pure."""

BOUNCE_TYPES = frozenset({"permanent", "transient", "undetermined"})
BOUNCE_SUBTYPES = frozenset({
    "undetermined", "general", "noemail", "suppressed", "onaccountsuppressionlist",
    "ontenantsuppressionlist", "emailvalidationsuppressed", "unsubscribedrecipient",
    "mailboxfull", "messagetoolarge", "contentrejected", "attachmentrejected",
    "customtimeoutexceeded",
})  # fmt: skip
COMPLAINT_SUBTYPES = frozenset({"onaccountsuppressionlist", "ontenantsuppressionlist"})
COMPLAINT_FEEDBACK = frozenset({"abuse", "auth-failure", "fraud", "not-spam", "other", "virus"})
IGNORED = frozenset({
    "send", "delivery", "reject", "open", "click", "renderingfailure", "deliverydelay",
    "subscription", "received", "setupnotification", "topicvalidated",
    "amazonsnssubscriptionsucceeded", "s3testevent",
})  # fmt: skip


def label(value: str | None, documented: frozenset[str]) -> str:
    """Return the value in lower case if it is documented, `none` if it is empty, else `other`."""
    if not value:
        return "none"
    lowered = value.lower()
    return lowered if lowered in documented else "other"
