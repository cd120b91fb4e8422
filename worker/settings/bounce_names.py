"""The names in `policy.bounce_actions` that no bounce of SES's has. Pure.

SES may add types and sub-types, so an unknown name is a warning and no error.
"""

from collections.abc import Iterable, Iterator, Mapping
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


def doubtful_names(names: Iterable[str], key: str = "policy.bounce_actions") -> Iterator[str]:
    """Yield a sentence for each name that fits no bounce that SES documents; `key`: where it is."""
    known = {name.lower() for name in _NAMES}
    types = {kind.lower(): kind for kind in SUBTYPES}
    for name in names:
        kind, _, subtype = name.partition("/")
        is_known = kind.lower() in types if subtype == "*" else name.lower() in known
        if not is_known:
            near = _nearest_type(kind, types) if subtype == "*" else _nearest(name)
            hint = f'; did you mean "{near}"?' if near else ""
            yield f'{key}: SES documents no bounce "{name}"{hint}'


def _nearest_type(kind: str, types: Mapping[str, str]) -> str | None:
    near = get_close_matches(kind.lower(), types, n=1, cutoff=0.6)
    return f"{types[near[0]]}/*" if near else None


def _nearest(name: str) -> str | None:
    subtype = name.lower().partition("/")[2]
    of_another_type = (known for known in _NAMES if known.lower().partition("/")[2] == subtype)
    if found := next(of_another_type, None):
        return found
    lowered = {known.lower(): known for known in _NAMES}
    near = get_close_matches(name.lower(), lowered, n=1, cutoff=0.75)
    return lowered[near[0]] if near else None
