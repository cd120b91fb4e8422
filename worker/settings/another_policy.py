"""Another policy than that in force: the settings `policy.*`, with some of them changed."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from worker.core.errors import Misconfigured

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.settings.policy import PolicySettings

NOT_ABOUT_RECORDS = {
    "unknown_recipients": "decides who becomes a user, not what becomes of a user",
    "begin_with_record": "decides how a record begins, and is applied once",
    "count_events": "decides nothing about users",
    "track_deliveries": "decides nothing about users",
    "shadow": "is itself such a policy",
}
"""Settings of the policy that another policy cannot have, and why."""


def changed(policy: "PolicySettings", changes: Mapping[str, Any]) -> "PolicySettings":
    """Return the settings of the policy with other values, checked as those of a file are.

    Raises:
        ValueError: a line for each error, which begins with the key.

    """
    keys = [key for key in type(policy).model_fields if key not in NOT_ABOUT_RECORDS]
    for key in changes:
        if key in NOT_ABOUT_RECORDS:
            raise ValueError(f"{key}: {NOT_ABOUT_RECORDS[key]}")
        if key not in keys:
            near = get_close_matches(key, keys, n=1, cutoff=0.6)
            hint = f"; did you mean {near[0]}?" if near else f", which are {', '.join(keys)}"
            raise ValueError(f"{key}: is none of the settings of a policy{hint}")
    values = {key: getattr(policy, key) for key in type(policy).model_fields} | {"shadow": {}}
    try:
        return type(policy).model_validate(values | dict(changes))
    except ValidationError as error:
        raise ValueError("\n".join(map(_sentence, error.errors()))) from None


def _sentence(details: Any) -> str:
    key = ".".join(str(part) for part in details["loc"])
    if not key:  # several settings contradict one another; the text begins with one of them
        text = details["msg"].removeprefix("Value error, ").removeprefix("policy.")
        key, _, text = text.partition(" ")
        return f"{key}: {text.removeprefix('= ')}"
    words = {"tuple_type": "must be a list", "dict_type": "must be a table"}
    text = words.get(details["type"]) or details["msg"].removeprefix("Value error, ")
    return f"{key}: {text[0].lower()}{text[1:]}"


def alike(settings: "PolicySettings", other: "PolicySettings") -> bool:
    """Return whether two policies have the same values."""
    return _values(settings) == _values(other)


def _values(policy: "PolicySettings") -> dict[str, Any]:
    values = policy.model_dump(exclude={*NOT_ABOUT_RECORDS})
    actions = {name.lower(): action for name, action in values["bounce_actions"].items()}
    return values | {"spare_faults": {*values["spare_faults"]}, "bounce_actions": actions}


def with_changes(settings: "Settings", changes: Mapping[str, Any]) -> "Settings":
    """Return settings with another policy.

    Raises:
        Misconfigured: a line for each error, which names the key.

    """
    tracking = settings.policy.model_copy(update={"track_deliveries": True})
    try:
        policy = changed(tracking, changes)  # a policy may be tried that needs deliveries
    except ValueError as error:
        raise Misconfigured(
            "\n".join(f"policy.{line}" for line in str(error).splitlines())
        ) from None
    return settings.model_copy(update={"policy": policy})
