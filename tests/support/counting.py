"""Events that are only counted, as SES writes them, and a plain recount of everything."""

import itertools
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from support import mail
from worker.core.counting import Dimension
from worker.core.messages import Handled
from worker.core.model import Counted, Decision, SentMail

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
        body = {"delayedRecipients": [{"emailAddress": address} for address in to]} | body
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


class Recount:
    """Counts again all that was decided and counted, one by one, by no means of the worker's."""

    def __init__(self, handled: Iterable[Handled], known: Iterable[str]) -> None:
        self.figures: dict[str, dict[str, Any]] = {dimension.value: {} for dimension in Dimension}
        self._before = {"bounce": set[str](), "complaint": set[str]()}
        self._blocked: set[str] = set()
        self._until: dict[str, datetime] = {}
        self._users = set(known)
        for result in handled:
            for decision in result.decisions:
                self._decided(decision)
            if result.is_counted and result.ignored and (event := result.ignored.counted):
                self._counted(event, result.received.receive_count)

    def _add(self, measure: str, values: Mapping[str, str], many: int = 1) -> None:
        of_people = ("unknown_", "repeated_", "paused", "blocked")
        for dimension, value in values.items():
            if measure.startswith(of_people) and dimension in {"domain", "status"}:
                continue
            counts = self.figures[dimension].setdefault(value, {})
            counts[measure] = counts.get(measure, 0) + many

    def _decided(self, decision: Decision) -> None:
        notification, recipient = decision.feedback.notification, decision.feedback.recipient
        assert recipient.address
        kind, key = str(notification.kind), recipient.address.key
        values = _values(key.partition("@")[2], notification.mail)
        values["type"] = f"{notification.type or ''}/{notification.subtype or ''}"
        measure = "complaint"
        if kind == "bounce":
            values |= {"fault": decision.feedback.fault, "status": recipient.status}
            names = {"Permanent": "hard_bounce", "Transient": "soft_bounce"}
            measure = names.get(notification.type or "", "other_bounce")
        self._add(measure, values)
        if decision.user is None:
            assert key not in self._users
            self._add(f"unknown_{kind}", values)
        else:
            self._users.add(key)
            self._of_user(decision, kind, key, values)

    def _of_user(self, decision: Decision, kind: str, key: str, values: Mapping[str, str]) -> None:
        if key in self._before[kind]:
            self._add(f"repeated_{kind}", values)
        if kind == "complaint" or decision.action != "no_action":
            self._before[kind].add(key)
        if decision.action == "auto_block_spam" and key not in self._blocked:
            self._blocked.add(key)
            self._add("blocked", values)
        until = decision.user.paused_until if decision.user else None
        if until and (key not in self._until or until > self._until[key]):
            self._until[key] = until
            self._add("paused", values)

    def _counted(self, event: Counted, receives: int) -> None:
        for domain in event.domains:
            values = _values(domain, event)
            if event.measure == "delivery_delay":
                values["type"] = event.type
            self._add(event.measure, values)
        if receives > 1:
            domain = event.domains[0] if len({*event.domains}) == 1 else ""
            self._add("received_again", _values(domain, event), receives - 1)


def _values(domain: str, of: SentMail | Counted) -> dict[str, str]:
    providers = {"gmail.com": "gmail", "web.de": "web_de", "": ""}
    return {
        "all": "",
        "domain": domain,
        "provider": providers.get(domain, "other"),
        "configuration_set": of.configuration_set,
        "tenant": of.tenant,
    }
