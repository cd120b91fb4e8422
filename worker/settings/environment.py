"""Settings as variables of the environment."""

import json
from collections.abc import Mapping
from typing import Any

PREFIX = "SES_WORKER_"


def variable(section: str, key: str) -> str:
    """Return the name of the variable of a setting."""
    return f"{PREFIX}{section}__{key}".upper()


def as_variables(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Write settings as variables; what is no text is JSON."""
    return {
        variable(section, key): value if isinstance(value, str) else json.dumps(value)
        for section, values in settings.items()
        for key, value in values.items()
    }
