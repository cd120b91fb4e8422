"""Events that are only counted, as SES writes them, and a plain recount of everything."""

import itertools
import json
from typing import Any

from support import mail

_numbers = itertools.count(1)


def event(
    kind: str,
    *to: str,
    at: Any = mail.TIME,
    configuration_set: str | None = None,
    tenant: str | None = None,
    notification: bool = False,
    **more: Any,
) -> str:
    """An event such as `Send`; `more` goes into its object."""
    tags = {}
    if configuration_set is not None:
        tags["ses:configuration-set"] = [configuration_set]
    if tenant is not None:
        tags["ses:tenant-name"] = [tenant]
    name = {"Rendering Failure": "failure", "DeliveryDelay": "deliveryDelay"}.get(
        kind, kind.lower()
    )
    body: dict[str, Any] = {"timestamp": at} | more
    if kind == "Delivery":
        body = {"recipients": list(to)} | body
    if kind == "DeliveryDelay":
        body = {"delayedRecipients": [{"emailAddress": one} for one in to]} | body
    message = {
        "notificationType" if notification else "eventType": kind,
        "mail": {
            "messageId": f"0100-counted-{next(_numbers)}",
            "timestamp": at,
            "destination": list(to),
            "tags": tags,
        },
        name: body,
    }
    return json.dumps(message)
