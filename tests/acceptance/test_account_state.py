"""SES stops sending: what the real daemon does about it, from the queue to Slack and the metrics."""

import json
import re
import urllib.request
from datetime import timedelta

import pytest
from support import mail
from support.account_events import AT, LOOKS_OFTEN, body
from support.running import patched
from support.waiting import wait_until

from simulators.ses.faults import ACCESS_DENIED
from simulators.slack.faults import broken

HTTP = {"SES_WORKER_HTTP__LISTEN": "127.0.0.1:0"}


@pytest.fixture
def begin(daemon):
    def begin(**changes):
        worker = daemon(program=patched(LOOKS_OFTEN), **HTTP, **changes)
        worker.wait_for("worker.started")
        return worker

    return begin


def get(worker, path):
    (line,) = [line for line in worker.lines if '"http.listening"' in line]
    url = f"http://127.0.0.1:{json.loads(line)['port']}/{path}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def gauge(worker):
    found = re.findall(
        r'ses_worker_sending_disabled\{tenant="(\w+)"\} (\d)', get(worker, "metrics")
    )
    return {tenant: int(value) for tenant, value in found}


def logged(worker, event):
    return [json.loads(line) for line in worker.lines if f'"event":"{event}"' in line]


def text_of(post):
    return json.dumps(post["blocks"], ensure_ascii=False)


def test_a_paused_tenant_is_notified_counted_logged_and_recorded(
    begin, emulator, queue, slack, ses, database, either_store
):
    ses.account.tenants["acme"] = {"SendingStatus": "DISABLED"}
    worker = begin()
    assert gauge(worker) == {"account": 0, "other": 0}
    for _ in range(2):
        emulator.send(queue, body())
    wait_until(lambda: slack.posts)
    wait_until(lambda: gauge(worker).get("acme") == 1)
    (post,) = slack.posts
    assert post["text"] == "SENDING STOPPED: tenant acme"
    assert "Yes, SES's API says the same" in text_of(post)
    assert "Bounces." in text_of(post)
    (line,) = logged(worker, "account.sending_disabled")
    assert (line["tenant"], line["cause"], line["level"]) == ("acme", "Bounces.", "warning")
    assert json.loads(get(worker, "readyz"))["ready"] is True
    (row,) = database.rows("SELECT * FROM account_events")
    assert (row["verification"], row["status"]) == ("confirmed", "disabled")
    assert database.count("users") == 0
    wait_until(lambda: 'outcome="duplicate"} 1.0' in get(worker, "metrics"))
    assert worker.stop()[0] == 0
    again = begin()
    assert gauge(again) == {"account": 0, "other": 0, "acme": 1}, "restored from the table"
    ses.account.tenants["acme"] = {"SendingStatus": "REINSTATED"}
    emulator.send(queue, body("Sending Status Enabled", at=AT + timedelta(minutes=30)))
    wait_until(lambda: gauge(again).get("acme") == 0)
    wait_until(lambda: len(slack.posts) == 2)
    assert slack.posts[1]["text"] == "SENDING RESUMED: tenant acme"


def test_a_status_that_arrives_late_does_not_report_sending_as_disabled(
    begin, emulator, queue, slack, ses
):
    ses.account.tenants["acme"] = {"SendingStatus": "ENABLED"}
    worker = begin()
    emulator.send(queue, body("Sending Status Enabled", at=AT + timedelta(minutes=30)))
    wait_until(lambda: slack.posts)
    emulator.send(queue, body())
    wait_until(lambda: len(slack.posts) == 2)
    assert slack.posts[1]["text"] == "EARLIER, SENDING STOPPED: tenant acme"
    wait_until(lambda: gauge(worker).get("acme") == 0)


def test_without_the_permission_the_notice_calls_it_reported(begin, emulator, queue, slack, ses):
    ses.fail(ACCESS_DENIED)
    worker = begin()
    emulator.send(queue, body())
    wait_until(lambda: slack.posts)
    assert "Reported, not verified (`ses:GetTenant is not permitted`)" in text_of(slack.posts[0])
    worker.wait_for("account.verified")
    assert logged(worker, "account.verified")[0]["verification"] == "reported"
    wait_until(lambda: gauge(worker).get("acme") == 1)


def test_a_forged_status_neither_alarms_nor_stays_on_the_gauge(begin, emulator, queue, slack, ses):
    ses.account.tenants["acme"] = {"SendingStatus": "ENABLED"}
    worker = begin()
    emulator.send(queue, body())
    wait_until(lambda: slack.posts, 20)
    assert slack.posts[0]["text"] == "CONTRADICTED, SENDING STOPPED: tenant acme"
    wait_until(lambda: gauge(worker).get("acme") == 0)


def test_without_a_channel_it_is_logged_counted_and_in_the_status(begin, emulator, queue, database):
    worker = begin()
    emulator.send(queue, body())
    wait_until(lambda: gauge(worker).get("acme") == 1)
    assert logged(worker, "account.sending_disabled")
    assert database.count("outbox") == 0


def test_a_slack_that_fails_gets_it_later_and_before_the_others(
    begin, emulator, queue, slack, ses, database
):
    ses.account.tenants["acme"] = {"SendingStatus": "DISABLED"}
    slack.fail(broken(), broken())
    begin()
    for n in range(3):
        emulator.send(queue, mail.bounce(f"jane{n}@example.com"))
    emulator.send(queue, body())
    wait_until(lambda: database.rows(
        "SELECT state FROM outbox WHERE kind = 'account_notice' AND state = 'delivered'"
    ), 60)  # fmt: skip
    assert any(post["text"].startswith("SENDING STOPPED") for post in slack.posts)
