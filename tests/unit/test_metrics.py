"""Labels: every value that AWS documents, and one word for all that strangers may write."""

import mail
import pytest

from worker.decode import decode
from worker.metrics import (
    BOUNCE_SUBTYPES,
    BOUNCE_TYPES,
    COMPLAINT_FEEDBACK,
    COMPLAINT_SUBTYPES,
    Metrics,
    label,
)
from worker.page import Page
from worker.policy import Policy

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
        handled = Page(Policy(), (), {}).enter(message(body), decode(body))
        metrics.count(*handled.decisions)
    samples = {
        sample.name: list(sample.labels.items())
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
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
