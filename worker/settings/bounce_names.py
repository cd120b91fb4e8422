"""The names in `policy.bounce_actions` that no bounce of SES's has. Pure.

SES may add sub-types, so an unknown name is a warning and no error.
"""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

SUBTYPES = {
    "Permanent": (
        "General", "NoEmail", "Suppressed", "OnAccountSuppressionList", "OnTenantSuppressionList",
        "EmailValidationSuppressed",
    ),
    "Transient": (
        "General", "MailboxFull", "MessageTooLarge", "ContentRejected", "AttachmentRejected",
        "CustomTimeoutExceeded",
    ),
    "Undetermined": ("Undetermined",),
}  # fmt: skip
"""https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html#bounce-types"""
ANY_TYPE = ("UnsubscribedRecipient",)
"""Sub-types that SES sends without documenting their type."""
_NAMES = tuple(
    f"{kind}/{subtype}"
    for kind, documented in SUBTYPES.items()
    for subtype in documented + ANY_TYPE
)


def doubtful_names(names: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each name that fits no bounce that SES documents."""
    known = {name.lower() for name in _NAMES}
    for name in names:
        if name.lower() not in known and not name.endswith("/*"):
            near = _nearest(name)
            hint = f'; did you mean "{near}"?' if near else ""
            yield f'policy.bounce_actions: SES documents no bounce "{name}"{hint}'


def _nearest(name: str) -> str | None:
    subtype = name.lower().partition("/")[2]
    of_another_type = (known for known in _NAMES if known.lower().partition("/")[2] == subtype)
    if found := next(of_another_type, None):
        return found
    return next(iter(get_close_matches(name, _NAMES, n=1, cutoff=0.75)), None)
