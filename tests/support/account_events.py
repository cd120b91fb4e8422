"""Account events as they are decoded: SES stopped sending for a tenant, unless an argument says otherwise."""

import itertools
import json
from datetime import UTC, datetime

from worker.core.account_events import AccountEvent, AccountEventKind, AccountStatus, Scope
from worker.core.model import Route

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ARN = "arn:aws:ses:eu-west-1:111122223333:tenant/{}/tn-000000000000"
_numbers = itertools.count(1)


def account_event(tenant="acme", **more):
    fields = {
        "kind": AccountEventKind.SENDING_STATUS,
        "status": AccountStatus.DISABLED,
        "scope": Scope.TENANT,
        "resource": ARN.format(tenant),
        "tenant": tenant,
        "cause": "Reputation finding: bounce rate.",
        "account_id": "111122223333",
        "region": "eu-west-1",
        "route": Route.EVENTBRIDGE,
        "occurred_at": AT,
        "dedupe_key": f"event-{next(_numbers)}",
    }
    return AccountEvent(**(fields | more))


def of_the_account(**more):
    return account_event(**({"scope": Scope.ACCOUNT, "tenant": "", "resource": ""} | more))


def finding(tenant="acme", **more):
    fields = {
        "kind": AccountEventKind.RECOMMENDATION,
        "status": AccountStatus.OPEN,
        "cause": "BOUNCE",
        "finding": "The bounce rate exceeded 15.0%.",
        "impact": "HIGH",
    }
    return account_event(tenant, **(fields | more))


def enabled(tenant="acme", **more):
    return account_event(tenant, **({"status": AccountStatus.ENABLED, "cause": ""} | more))


def body(detail_type="Sending Status Disabled", tenant="acme", at=AT):
    """A status event as EventBridge writes it into the queue."""
    status = "DISABLED" if detail_type.endswith("Disabled") else "ENABLED"
    updated = [at.year, at.month, at.day, at.hour, at.minute, at.second, 0]
    record = {"status": status, "cause": "Bounces.", "lastUpdatedTimestamp": updated}
    return json.dumps({
        "version": "0",
        "id": "a0000000-0000-4000-8000-000000000005",
        "detail-type": detail_type,
        "source": "aws.ses",
        "account": "111122223333",
        "time": "2026-11-20T09:00:03Z",
        "region": "eu-west-1",
        "resources": [ARN.format(tenant)],
        "detail": {"version": "1.0.0", "data": {"origin": "AWS_MANAGED", "record": record}},
    })  # fmt: skip


LOOKS_OFTEN = "import worker.service.sending_watch as watch; watch.EVERY_SECONDS = 0.3"
"""For `patched`: the command looks at the statuses often."""
