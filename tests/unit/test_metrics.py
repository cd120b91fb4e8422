"""Labels: every value that AWS documents, and one word for everything else."""

import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs
from support import mail

from worker.core.decode import decode
from worker.core.errors import Unavailable
from worker.core.faults import Fault
from worker.core.messages import Handled, Release
from worker.core.model import Ignored
from worker.core.policy import Policy
from worker.core.unit_of_work import UnitOfWork
from worker.observability.ages import WINDOW_SECONDS, Ages
from worker.observability.labels import (
    BOUNCE_SUBTYPES,
    BOUNCE_TYPES,
    COMPLAINT_FEEDBACK,
    COMPLAINT_SUBTYPES,
    IGNORED,
    label,
)
from worker.observability.metrics import Metrics, Timed

# As AWS writes them: SES developer guide, "Notification contents", and botocore's sesv2.
AWS_BOUNCE_TYPES = ["Permanent", "Transient", "Undetermined"]
AWS_BOUNCE_SUBTYPES = [
    "Undetermined",
    "General",
    "NoEmail",
    "Suppressed",
    "OnAccountSuppressionList",
    "OnTenantSuppressionList",
    "EmailValidationSuppressed",
    "UnsubscribedRecipient",
    "MailboxFull",
    "MessageTooLarge",
    "ContentRejected",
    "AttachmentRejected",
    "CustomTimeoutExceeded",
]
AWS_COMPLAINT_SUBTYPES = ["OnAccountSuppressionList", "OnTenantSuppressionList"]
AWS_COMPLAINT_FEEDBACK = ["abuse", "auth-failure", "fraud", "not-spam", "other", "virus"]

DOCUMENTED = [
    (BOUNCE_TYPES, AWS_BOUNCE_TYPES),
    (BOUNCE_SUBTYPES, AWS_BOUNCE_SUBTYPES),
    (COMPLAINT_SUBTYPES, AWS_COMPLAINT_SUBTYPES),
    (COMPLAINT_FEEDBACK, AWS_COMPLAINT_FEEDBACK),
]


@pytest.mark.parametrize(
    ("ours", "value"), [(ours, value) for ours, values in DOCUMENTED for value in values]
)
def test_what_aws_documents_is_a_label_in_lower_case(ours, value):
    assert label(value, ours) == value.lower()


@pytest.mark.parametrize(("ours", "values"), DOCUMENTED)
def test_there_are_as_many_labels_as_aws_documents_and_two_more(ours, values):
    assert len(ours) == len(values)
    assert label("Invented", ours) == "other"
    assert label(None, ours) == label("", ours) == "none"


def test_the_counters_have_their_pinned_names_and_their_labels_in_the_pinned_order(message):
    metrics = Metrics()
    for body in (mail.bounce("nobody@example.com"), mail.complaint("nobody@example.com")):
        handled = UnitOfWork(Policy(), (), {}).decide_message(message(body), decode(body))
        metrics.count(handled.decisions)
    samples = {
        sample.name: list(sample.labels.items())
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.name in {"email_bounce_total", "email_complaint_total"}
    }
    assert samples == {
        "email_bounce_total": [
            ("bounce_type", "permanent"),
            ("bounce_subtype", "general"),
            ("user_match", "missing"),
            ("relay_action", "no_action"),
        ],
        "email_complaint_total": [
            ("complaint_subtype", "none"),
            ("complaint_feedback", "abuse"),
            ("user_match", "missing"),
            ("relay_action", "no_action"),
        ],
    }


class TestReputation:
    """What AWS's rates count: SES developer guide, "Enforcement FAQ"."""

    @pytest.fixture
    def counted(self, message):
        def counted(body):
            metrics = Metrics()
            metrics.count(
                UnitOfWork(Policy(), (), {}).decide_message(message(body), decode(body)).decisions
            )
            read = metrics.registry.get_sample_value
            return tuple(
                read("ses_worker_reputation_total", {"event": event})
                for event in ("hard_bounce", "complaint")
            )

        return counted

    @pytest.mark.parametrize(
        ("changes", "bounces"),
        [
            ({"subtype": "General"}, 1),
            ({"subtype": "NoEmail"}, 1),
            ({"subtype": "Suppressed"}, 1),
            ({"subtype": "Invented"}, 1),
            ({"subtype": "OnAccountSuppressionList"}, 0),
            ({"subtype": "OnTenantSuppressionList"}, 0),
            ({"subtype": "EmailValidationSuppressed"}, 0),
            ({"subtype": "UnsubscribedRecipient"}, 0),
            ({"type": "Transient"}, 0),
            ({"type": "Undetermined"}, 0),
        ],
    )
    def test_hard_bounces_that_are_not_our_accounts_own_refusals(self, counted, changes, bounces):
        assert counted(mail.bounce("jane@example.com", **changes)) == (bounces, 0)

    def test_each_recipient_counts_and_the_simulator_does_not(self, counted):
        simulated = "bounce@simulator.amazonses.com"
        assert counted(mail.bounce("a@example.com", "b@example.com", simulated)) == (2, 0)
        assert counted(mail.complaint(simulated)) == (0, 0)
        assert counted(mail.complaint("jane@notsimulator.amazonses.com")) == (0, 1)

    def test_those_who_are_alike_all_count(self, counted):
        assert counted(mail.complaint("a@example.com", "b@example.com", "c@b.c")) == (0, 3)

    def test_a_complaint_counts_unless_it_says_not_spam_or_is_ses_refusing(self, counted):
        assert counted(mail.complaint("jane@example.com")) == (0, 1)
        assert counted(mail.complaint("jane@example.com", feedback=None)) == (0, 1)
        assert counted(mail.complaint("jane@example.com", feedback="not-spam")) == (0, 0)
        refused = mail.complaint("jane@example.com", subtype="OnAccountSuppressionList")
        assert counted(refused) == (0, 0)


def test_every_ignored_message_has_a_known_kind():
    payloads = Path(mail.__file__).parents[1] / "payloads"
    found = [decode(path.read_text(encoding="utf-8")) for path in sorted(payloads.glob("*.*"))]
    kinds = {item.kind for item in found if isinstance(item, Ignored)}
    metrics = Metrics()
    for kind in kinds:
        metrics.ignored(kind)
    counted = {
        sample.labels["kind"]: sample.value
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "ses_worker_ignored_total"
    }
    assert set(counted) == IGNORED | {"other"}
    assert sum(counted.values()) == len(kinds) > 8
    assert counted["renderingfailure"] == counted["send"] == 1


class TestAges:
    def test_the_oldest_of_a_minute_or_two_counts_and_is_then_forgotten(self):
        ages = Ages()
        assert ages.oldest(1_000) is None
        ages.record(5, 1_000)
        ages.record(30, 1_010)
        ages.record(7, 1_020)
        assert ages.oldest(1_020) == 30
        ages.record(9, 1_000 + WINDOW_SECONDS)
        assert ages.oldest(1_000 + WINDOW_SECONDS) == 30
        ages.record(2, 1_000 + 2 * WINDOW_SECONDS)
        assert ages.oldest(1_000 + 2 * WINDOW_SECONDS) == 9
        assert ages.oldest(1_000 + 3 * WINDOW_SECONDS) == 2
        assert ages.oldest(1_000 + 4 * WINDOW_SECONDS) is None

    def test_after_a_pause_nothing_old_comes_back(self):
        ages = Ages()
        ages.record(500, 1_000)
        ages.record(1, 1_000 + 10 * WINDOW_SECONDS)
        assert ages.oldest(1_000 + 10 * WINDOW_SECONDS) == 1


class _FakeStore:
    def __init__(self, error=None):
        self._error = error

    @contextmanager
    def transaction(self):
        yield "it"
        if self._error:
            raise self._error

    def probe(self):
        return "probed"


def test_a_transaction_is_timed_when_it_is_committed_and_not_when_it_fails():
    metrics = Metrics()
    with Timed(_FakeStore(), metrics).transaction() as transaction:
        assert transaction == "it"
    with (
        pytest.raises(Unavailable),
        Timed(_FakeStore(Unavailable("unreachable")), metrics).transaction(),
    ):
        pass
    assert metrics.registry.get_sample_value("ses_worker_commit_seconds_count") == 1
    assert Timed(_FakeStore(), metrics).probe() == "probed"


def test_what_met_an_outage_is_not_counted_as_written(message):
    metrics, body = Metrics(), mail.bounce("jane@example.com")
    unreachable = Handled(message(body), Release(0), error=Unavailable("unreachable"))
    metrics.written([unreachable])
    read = metrics.registry.get_sample_value
    assert read("ses_worker_batch_messages_count") == 0
    assert metrics.last_message_at is None
    metrics.written(
        [unreachable, UnitOfWork(Policy(), (), {}).decide_message(message(body), decode(body))]
    )
    assert read("ses_worker_batch_messages_sum") == 1


def test_a_batch_reports_its_size_its_lag_and_its_oldest_message(message):
    metrics, now = Metrics(), datetime.now(UTC)
    handled = []
    for seconds in (3, 40):
        body = mail.bounce("jane@example.com", at=(now - timedelta(seconds=50)).isoformat())
        received = structs.replace(
            message(body, received_at=now), sent_at=now - timedelta(seconds=seconds)
        )
        handled.append(UnitOfWork(Policy(), (), {}).decide_message(received, decode(body)))
    metrics.written(handled)
    read = metrics.registry.get_sample_value
    assert read("ses_worker_batch_messages_sum") == 2
    assert read("ses_worker_event_to_record_seconds_count") == 2
    assert read("ses_worker_event_to_record_seconds_bucket", {"le": "30.0"}) == 0
    assert read("ses_worker_event_to_record_seconds_bucket", {"le": "60.0"}) == 2
    assert metrics.ages.oldest(time.monotonic()) == 40
    assert abs(metrics.last_message_at - time.time()) < 60


def test_bounces_are_counted_by_fault_and_complaints_are_not(message):
    metrics = Metrics()
    entries = [
        mail.recipient("jane@example.com", diagnosticCode="550 5.1.1 user unknown"),
        mail.recipient("joe@example.com", diagnosticCode="550 blocked using zen.spamhaus.org"),
        mail.recipient("zoe@example.com", status="", diagnosticCode="550 sorry"),
    ]
    for body in (mail.bounce(*entries), mail.bounce(), mail.complaint("jane@example.com")):
        handled = UnitOfWork(Policy(), (), {}).decide_message(message(body), decode(body))
        metrics.count(handled.decisions)
    counts = {
        fault: metrics.registry.get_sample_value(
            "ses_worker_bounces_by_fault_total", {"fault": fault}
        )
        for fault in Fault
    }
    assert counts == {"recipient": 1, "sender": 1, "unknown": 2, "message": 0, "receiver": 0}
