"""The log lines and counters of the earlier bounce handler, which users' dashboards know."""

import json
import re

import pytest
import structlog
from structlog.testing import capture_logs
from support import mail
from support.account_events import account_event, enabled, finding

from worker.core.account_events import AccountStatus
from worker.core.decode import decode
from worker.core.errors import Unavailable
from worker.core.limits import MOST_ADDRESSES_SHOWN
from worker.core.messages import Delete, Handled, Release
from worker.core.model import Ignored, Outcome, User
from worker.core.policy import Policy
from worker.core.privacy import PrivacyKey
from worker.core.unit_of_work import UnitOfWork
from worker.observability.metrics import Metrics
from worker.observability.telemetry import Telemetry
from worker.settings import Settings

JANE = User(email="jane@example.com", email_key="jane@example.com", account_id="acct-1")


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def report(metrics, message):
    """Decide on a body as if Jane were a user, report it, return the lines."""
    structlog.reset_defaults()

    def report(body, user=JANE):
        unit = UnitOfWork(Policy(), (), {user.email_key: user} if user else {})
        with capture_logs() as lines:
            Telemetry(metrics).report([unit.decide_message(message(body), decode(body))])
        return heard(lines)

    return report


def heard(lines):
    """The lines logged at the usual level."""
    return [line for line in lines if line["log_level"] != "debug"]


def sample(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, labels)


def test_each_of_many_recipients_is_hidden_in_their_own_line(report):
    names = [f"person{number}" for number in range(MOST_ADDRESSES_SHOWN + 5)]
    entries = [
        mail.recipient(f"{name}@example.com", diagnosticCode=f"{name} at example dot com")
        for name in names
    ]
    for line in report(mail.bounce(*entries), user=None):
        assert line["bounce_diagnostic"] == "*** at example dot com"


def test_a_bounce_line_has_the_pinned_fields(report):
    entry = mail.recipient(
        "jane@example.com",
        action="failed",
        status="5.1.1",
        diagnosticCode="550 unknown",
        colour="red",
    )
    assert report(mail.bounce(entry)) == [
        {
            "event": "bounce_notification",
            "log_level": "info",
            "message_id": "message-1",
            "bounce_type": "Permanent",
            "bounce_subtype": "General",
            "bounce_action": "failed",
            "bounce_status": "5.1.1",
            "bounce_diagnostic": "550 unknown",
            "bounce_fault": "recipient",
            "bounce_extra": {"colour": "red"},
            "user_match": "found",
            "relay_action": "hard_bounce",
            "reason": "permanent",
            "domain": "example.com",
            "fxa_id": "acct-1",
        }
    ]


def test_a_complaint_line_has_the_pinned_fields(report):
    assert report(mail.complaint("jane@example.com")) == [
        {
            "event": "complaint_notification",
            "log_level": "info",
            "message_id": "message-1",
            "complaint_subtype": "none",
            "complaint_user_agent": "ExampleISP-Feedback-Loop/2.0",
            "complaint_feedback": "abuse",
            "user_match": "found",
            "relay_action": "auto_block_spam",
            "reason": "complaint",
            "domain": "example.com",
            "fxa_id": "acct-1",
        }
    ]


def test_what_is_absent_has_its_default_and_extra_is_left_out(report):
    (line,) = report(
        mail.without(
            mail.without(mail.bounce("jane@example.com"), "bounce", "bounceType"),
            "bounce",
            "bounceSubType",
        )
    )
    assert (line["bounce_type"], line["bounce_subtype"]) == ("none", "none")
    assert (line["bounce_action"], line["bounce_status"], line["bounce_diagnostic"]) == ("", "", "")
    assert "bounce_extra" not in line


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        (User(email="j", email_key="jane@example.com", account_id=None), ""),
        (User(email="j", email_key="jane@example.com", account_id="a", metrics_enabled=False), ""),
        (User(email="j", email_key="jane@example.com", account_id="a"), "a"),
    ],
)
def test_the_account_is_named_only_where_it_exists_and_metrics_are_enabled(report, user, shown):
    assert report(mail.bounce("jane@example.com"), user)[0]["fxa_id"] == shown


def test_an_unknown_recipient_has_a_domain_and_no_account(report):
    (line,) = report(mail.bounce("nobody@example.org"))
    assert (line["user_match"], line["relay_action"], line["domain"]) == (
        "missing",
        "no_action",
        "example.org",
    )
    assert "fxa_id" not in line


def test_a_recipient_without_address_has_no_domain(report):
    (line,) = report(mail.bounce({"status": "5.1.1"}))
    assert (line["user_match"], line["bounce_status"]) == ("no_address", "5.1.1")
    assert "domain" not in line
    assert "fxa_id" not in line


def test_without_recipients_there_is_a_single_line_with_nothing_else(report):
    assert report(mail.bounce()) == [
        {
            "event": "bounce_notification",
            "log_level": "info",
            "message_id": "message-1",
            "user_match": "no_recipients",
            "relay_action": "no_action",
        }
    ]


def test_each_recipient_makes_a_single_line_and_a_single_count(report, metrics):
    assert len(report(mail.bounce("jane@example.com", "b@example.com", "c@example.com"))) == 3
    labels = {"bounce_type": "permanent", "bounce_subtype": "general", "relay_action": "no_action"}
    assert sample(metrics, "email_bounce_total", user_match="missing", **labels) == 2


def test_all_messages_of_a_batch_are_logged_and_counted(metrics, message):
    unit = UnitOfWork(Policy(), (), {})
    bodies = [
        mail.complaint("a@example.com", feedback_id="1"),
        mail.complaint("b@example.com", feedback_id="2"),
        mail.bounce("c@example.com", feedback_id="3"),
    ]
    with capture_logs() as lines:
        Telemetry(metrics).report(
            [unit.decide_message(message(body), decode(body)) for body in bodies]
        )
    events = [line["event"] for line in heard(lines)]
    assert events == ["complaint_notification"] * 2 + ["bounce_notification"]
    labels = {"complaint_subtype": "none", "complaint_feedback": "abuse"}
    decided = {"user_match": "missing", "relay_action": "no_action"}
    assert sample(metrics, "email_complaint_total", **labels, **decided) == 2
    labels = {"bounce_type": "permanent", "bounce_subtype": "general"}
    assert sample(metrics, "email_bounce_total", **labels, **decided) == 1


def test_a_duplicate_is_neither_logged_nor_counted_again(metrics, message):
    body = mail.bounce("jane@example.com")
    (feedback,) = decode(body)
    unit = UnitOfWork(Policy(), [feedback.dedupe_key], {})
    with capture_logs() as lines:
        Telemetry(metrics).report([unit.decide_message(message(body), decode(body))])
    assert heard(lines) == []
    assert lines[0]["outcome"] == "duplicate"


@pytest.mark.parametrize(
    ("body", "name", "labels"),
    [
        (
            mail.bounce("jane@example.com", type="Transient", subtype="MailboxFull"),
            "email_bounce_total",
            ("transient", "mailboxfull", "found", "soft_bounce"),
        ),
        (
            mail.bounce("jane@example.com", type="Brandnew", subtype="x" * 90),
            "email_bounce_total",
            ("other", "other", "found", "no_action"),
        ),
        (
            mail.bounce(type=None, subtype=None),
            "email_bounce_total",
            ("none", "none", "no_recipients", "no_action"),
        ),
        (
            mail.complaint("jane@example.com", feedback="not-spam"),
            "email_complaint_total",
            ("none", "not-spam", "found", "no_action"),
        ),
        (
            mail.complaint("jane@example.com", feedback=None, subtype="OnAccountSuppressionList"),
            "email_complaint_total",
            ("onaccountsuppressionlist", "none", "found", "no_action"),
        ),
    ],
)
def test_labels_are_lower_case_and_untrusted_text_cannot_multiply_them(
    report, metrics, body, name, labels
):
    report(body)
    names = {
        "email_bounce_total": ("bounce_type", "bounce_subtype", "user_match", "relay_action"),
        "email_complaint_total": (
            "complaint_subtype",
            "complaint_feedback",
            "user_match",
            "relay_action",
        ),
    }[name]
    assert sample(metrics, name, **dict(zip(names, labels, strict=True))) == 1


def test_an_unknown_kind_is_warned_about_once_and_not_without_an_end(metrics, message):
    telemetry = Telemetry(metrics)
    with capture_logs() as lines:
        for _ in range(3):
            for number in range(150):
                ignored = Ignored(f"Kind{number}", noteworthy=True)
                handled = Handled(message("{}"), Delete(Outcome.IGNORED), ignored=ignored)
                telemetry.report([handled])
    assert len(heard(lines)) == 100
    assert heard(lines)[0] == {
        "event": "message.ignored",
        "log_level": "warning",
        "kind": "Kind0",
        "message_id": "message-1",
    }


def test_a_quiet_kind_is_not_mentioned(report):
    assert report(json.dumps({"eventType": "Open"})) == []


class TestProblems:
    def reported(self, metrics, message, error):
        handled = Handled(message("{}"), Release(1), error=error)
        with capture_logs() as lines:
            Telemetry(metrics).report([handled])
        return heard(lines)

    def test_an_error_of_a_single_message_is_logged_once_with_its_trace(self, metrics, message):
        error = ValueError("broken")
        assert self.reported(metrics, message, error) == [
            {
                "event": "message.failed",
                "log_level": "error",
                "message_id": "message-1",
                "exc_info": error,
            }
        ]

    def test_an_outage_of_the_store_is_logged_once_by_the_waiter_and_not_for_each_message(
        self, metrics, message
    ):
        assert self.reported(metrics, message, Unavailable("unreachable")) == []

    def test_without_errors_nothing_is_logged(self, metrics, message):
        assert self.reported(metrics, message, None) == []


@pytest.mark.parametrize(
    "spelling", ["jane at example.com", "j a n e @ example . com", "jane(at)example.com"]
)
def test_a_line_shows_no_address_of_the_message_however_it_is_spelled(report, spelling):
    other = mail.recipient(
        "joe@b.example",
        diagnosticCode=f"550 <{spelling}> and joe at b.example",
        remarks={spelling: [f"see {spelling}"]},
    )
    lines = report(mail.bounce("jane@example.com", other))
    assert lines[1]["bounce_diagnostic"].count("***") == 2
    shown = json.dumps(lines).replace(" ", "")
    assert "jane" not in shown
    assert "joe" not in shown


class TestAccountEvents:
    @pytest.fixture
    def report_event(self, metrics, message):
        structlog.reset_defaults()

        def report_event(event):
            unit = UnitOfWork(Policy(), (), {})
            with capture_logs() as lines:
                for _ in range(2):
                    handled = unit.decide_message(message(""), event)
                    Telemetry(metrics).report([handled])
            return heard(lines)

        return report_event

    def test_a_stop_of_sending_is_a_warning_once_with_whom_and_why(self, report_event):
        assert report_event(account_event()) == [
            {
                "event": "account.sending_disabled",
                "log_level": "warning",
                "message_id": "message-1",
                "scope": "tenant",
                "tenant": "acme",
                "resource": "arn:aws:ses:eu-west-1:111122223333:tenant/acme/tn-000000000000",
                "cause": "Reputation finding: bounce rate.",
                "account_id": "111122223333",
                "region": "eu-west-1",
                "occurred_at": "2026-11-20T09:00:00+00:00",
            }
        ]

    @pytest.mark.parametrize(
        ("event", "name", "level"),
        [
            (enabled(), "account.sending_enabled", "info"),
            (finding(), "account.recommendation_opened", "warning"),
            (finding(status=AccountStatus.RESOLVED), "account.recommendation_resolved", "info"),
        ],
    )
    def test_the_others(self, report_event, event, name, level):
        (line,) = report_event(event)
        assert (line["event"], line["log_level"]) == (name, level)

    def test_no_untrusted_text_is_longer_than_a_cell(self, report_event):
        texts = dict.fromkeys(("cause", "finding", "impact", "resource"), "x" * 1_000_000)
        (line,) = report_event(finding(**texts))
        assert all(len(str(value)) <= 500 for value in line.values())


LOG_KEY = b"k" * 32


class TestHashedAddresses:
    @pytest.fixture
    def lines(self, message):
        structlog.reset_defaults()

        def lines(*addresses, key=LOG_KEY):
            unit = UnitOfWork(Policy(), (), {})
            with capture_logs() as found:
                for address in addresses:
                    body = mail.bounce(address)
                    handled = unit.decide_message(message(body), decode(body))
                    Telemetry(Metrics(), lambda: key).report([handled])
            return heard(found)

        return lines

    def test_all_lines_of_a_person_have_the_same_hash_and_those_of_others_another(self, lines):
        mine, also_mine, other = lines("Jane@Example.com", "jane@example.com", "joe@example.com")
        assert mine["address_hash"] == also_mine["address_hash"] != other["address_hash"]
        assert re.fullmatch("[0-9a-f]{32}", mine["address_hash"])
        assert mine["domain"] == "example.com"

    def test_a_tombstone_is_not_found_in_a_log(self, lines):
        secret = "0123456789abcdef" * 2
        log_key = Settings(log={"addresses": "hashed"}, privacy={"key": secret}).log_key
        (line,) = lines("jane@example.com", key=log_key)
        digest = PrivacyKey(secret).digest("jane@example.com")
        assert not digest.hex().startswith(line["address_hash"])

    def test_another_key_makes_another_hash(self, lines):
        (line,), (other,) = lines("jane@example.com"), lines("jane@example.com", key=b"x" * 32)
        assert line["address_hash"] != other["address_hash"]

    def test_without_a_key_or_an_address_there_is_none(self, lines):
        (line,) = lines("jane@example.com", key=None)
        assert "address_hash" not in line
        (line,) = lines("no address")
        assert "address_hash" not in line
