"""What `events` keeps of each message, in either database."""

import json
from datetime import UTC, datetime

from sqlalchemy import select
from support import mail

from worker.core.policy import Policy
from worker.process import process
from worker.store.schema import events


def test_all_that_ses_says_about_the_mail_is_in_its_event(store, message):
    body = json.loads(mail.bounce("jane@example.com", event=True))
    body["mail"] |= {
        "timestamp": "2026-11-20T08:15:30.118Z",
        "source": "Example <notices@example.com>",
        "sourceArn": "arn:aws:ses:eu-west-1:111122223333:identity/example.com",
        "sendingAccountId": "111122223333",
        "tags": {
            "ses:configuration-set": ["bulk"],
            "ses:tenant-name": ["acme"],
            "campaign": ['"; DROP TABLE events; --'],
        },
    }
    process([message(mail.enveloped(json.dumps(body)))], store, Policy())
    with store.reading() as connection:
        row = connection.execute(select(events)).mappings().one()
    assert json.loads(row["tags"]) == {"campaign": ['"; DROP TABLE events; --']}
    assert row["sent_at"] == datetime(2026, 11, 20, 8, 15, 30, 118_000, tzinfo=UTC)
    assert row["mentions_spam"] is False
    names = ("configuration_set", "tenant", "sender", "account_id", "region", "route")
    assert {name: row[name] for name in names} == {
        "configuration_set": "bulk",
        "tenant": "acme",
        "sender": "notices@example.com",
        "account_id": "111122223333",
        "region": "eu-west-1",
        "route": "sns",
    }


def test_what_ses_does_not_report_is_empty(store, message):
    process([message(mail.complaint("jane@example.com"))], store, Policy())
    with store.reading() as connection:
        row = connection.execute(select(events)).mappings().one()
    names = ("configuration_set", "tenant", "sender", "account_id", "region", "fault")
    assert {row[name] for name in names} == {""}
    assert (row["route"], row["tags"]) == ("raw", "{}")
