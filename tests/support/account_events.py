"""Account events as they are decoded: SES stopped sending for a tenant, unless told otherwise."""

import itertools
from datetime import UTC, datetime

from worker.core.model import AccountEvent, AccountEventKind, AccountStatus, Route, Scope

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
