"""What SES and mail servers mean, in plain words."""

import json

import pytest
from support.documents import ROOT

from worker.core.policy import REFUSED_BY_SES
from worker.core.words import meaning_of_status, meaning_of_type, status_of


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("5.1.1", "no such mailbox"),
        ("4.2.2", "mailbox is full"),
        ("5.7.26", "neither SPF nor DKIM passed"),
        ("5.1.10", "null MX"),
        ("5.7.606", "banned the sending IP"),
        ("5.1.99", "wrong with the address"),
        ("4.4.0", "network or the routing"),
        ("5.0.0", "does not say why"),
        ("5.9.1", "does not say why"),
    ],
)
def test_a_status_code_is_explained(code, words):
    assert words in meaning_of_status(code)


@pytest.mark.parametrize(
    "text", ["", "failed", "550", "5.1", "5.1.1.1", "9.1.1", "5.1.1 x", "5.\u0661.1"]
)
def test_what_is_no_status_code_means_nothing(text):
    assert meaning_of_status(text) == ""


@pytest.mark.parametrize(
    ("status", "diagnostic", "code"),
    [
        ("5.1.1", "", "5.1.1"),
        ("", "smtp; 550 5.7.26 unauthenticated", "5.7.26"),
        ("5.0.0", "smtp; 550-5.7.26 unauthenticated", "5.7.26"),
        ("5.1.1", "550 5.7.1 no", "5.1.1"),
        ("5.0.0", "no", "5.0.0"),
        ("", "sent from 192.5.1.1 by version 5.1.1.2", ""),
        (None, None, ""),
    ],
)
def test_the_code_that_says_most_is_the_status_of_a_bounce(status, diagnostic, code):
    assert status_of(status, diagnostic) == code


@pytest.mark.parametrize("subtype", sorted(REFUSED_BY_SES))
def test_of_a_refusal_it_says_that_ses_did_not_send(subtype):
    assert meaning_of_type("bounce", "Permanent", subtype.upper()).startswith("SES did not send")


@pytest.mark.parametrize(
    ("kind", "type_", "subtype", "words"),
    [
        ("bounce", "Transient", "MailboxFull", "the mailbox is full"),
        ("bounce", "PERMANENT", "general", "refused the mail for good"),
        ("bounce", "Permanent", "BrandNew", "refused for good"),
        ("bounce", "Transient", None, "may work later"),
        ("complaint", "abuse", None, "marked the mail as spam"),
        ("complaint", "not-spam", None, "no spam"),
        ("complaint", None, None, "does not say of what"),
        ("complaint", "abuse", "OnAccountSuppressionList", "SES did not send"),
    ],
)
def test_a_type_is_explained(kind, type_, subtype, words):
    assert words in meaning_of_type(kind, type_, subtype)


def test_what_is_unknown_means_nothing():
    assert meaning_of_type("bounce", "Sideways", "Odd") == ""
    assert meaning_of_type("reinstatement", "root", None) == ""


def test_every_bounce_and_complaint_of_the_sample_payloads_is_explained():
    explained = 0
    for file in sorted((ROOT / "tests" / "payloads").glob("*.json")):
        body = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(body, dict):
            continue
        if bounce := body.get("bounce"):
            explained += 1
            assert meaning_of_type("bounce", bounce.get("bounceType"), bounce.get("bounceSubType"))
        if complaint := body.get("complaint"):
            explained += 1
            feedback, subtype = (
                complaint.get(f"complaint{x}") for x in ("FeedbackType", "SubType")
            )
            assert meaning_of_type("complaint", feedback, subtype)
    assert explained > 20
