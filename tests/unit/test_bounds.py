"""At a bound a text is kept whole; one character more, and it is cut with a mark, left out, or a dead letter."""

import json

import pytest
from support import mail

from worker.core.acceptance import Acceptance
from worker.core.decode import decode
from worker.core.limits import (
    LONGEST_BODY,
    LONGEST_ID,
    LONGEST_NAME,
    LONGEST_REPORTED,
    LONGEST_STATUS,
    LONGEST_TEXT,
    LONGEST_TOPIC,
    LONGEST_USER_AGENT,
    MOST_RECIPIENTS,
)
from worker.core.model import Malformed, Reason
from worker.core.parsing import clip
from worker.signatures.envelopes import Bare, outermost


def feedback_in(body):
    (feedback,) = decode(body)
    return feedback


@pytest.mark.parametrize(
    ("field", "longest", "kept"),
    [
        ("emailAddress", LONGEST_REPORTED, lambda item: item.recipient.reported),
        ("status", LONGEST_STATUS, lambda item: item.recipient.status),
        ("action", LONGEST_STATUS, lambda item: item.recipient.action),
        ("diagnosticCode", LONGEST_TEXT, lambda item: item.recipient.diagnostic),
    ],
)
@pytest.mark.parametrize("character", ["x", "é", "😀"])
def test_a_text_of_a_recipient_is_cut_with_a_mark(field, longest, kept, character):
    def item(length):
        return feedback_in(mail.bounce({field: character * length}))

    assert kept(item(longest)) == character * longest
    assert kept(item(longest + 1)) == f"{character * (longest - 1)}…"


def test_the_program_that_reported_and_the_configuration_set_are_cut_with_a_mark():
    item = feedback_in(mail.complaint("a@b.c", userAgent="x" * (LONGEST_USER_AGENT + 1)))
    assert item.notification.user_agent == f"{'x' * (LONGEST_USER_AGENT - 1)}…"
    body = json.loads(mail.bounce("a@b.c", event=True))
    body["mail"]["tags"] = {"ses:configuration-set": ["x" * (LONGEST_NAME + 1)]}
    kept = feedback_in(json.dumps(body)).notification.mail.configuration_set
    assert kept == f"{'x' * (LONGEST_NAME - 1)}…"


def test_ids_are_cut_as_ever_so_that_keys_stay_what_they_were():
    item = feedback_in(mail.bounce("a@b.c", feedback_id="x" * (LONGEST_ID + 1)))
    assert item.notification.feedback_id == "x" * LONGEST_ID
    assert item.dedupe_key == f"{'x' * 100}:e3a108bd49d616ea2e819afa"


def test_a_topic_that_only_begins_like_an_accepted_topic_is_another():
    topic = "arn:aws:sns:eu-west-1:111122223333:".ljust(LONGEST_TOPIC, "x")
    acceptance = Acceptance(topics=frozenset({topic}))
    assert isinstance(decode(mail.enveloped(mail.bounce("a@b.c"), topic=topic), acceptance), tuple)
    other = decode(mail.enveloped(mail.bounce("a@b.c"), topic=f"{topic}y"), acceptance)
    assert other.reason is Reason.FOREIGN_TOPIC


def test_a_body_longer_than_sqs_carries_is_a_dead_letter_and_is_not_parsed():
    body = mail.bounce("a@b.c", x="").replace('"x": ""', '"x": "%s"')
    whole = body % ("y" * (LONGEST_BODY - len(body) + 2))
    assert len(whole) == LONGEST_BODY
    assert isinstance(decode(whole), tuple)
    for text in (f"{whole} ", "[" * (LONGEST_BODY + 1)):
        found = decode(text)
        assert isinstance(found, Malformed)
        assert found.reason is Reason.TOO_LONG
        assert outermost(text) == [Bare.MALFORMED]


def test_a_message_has_so_many_recipients_and_no_more():
    entries = [f"{number}@b.c" for number in range(MOST_RECIPIENTS + 1)]
    assert len(decode(mail.bounce(*entries[:-1]))) == MOST_RECIPIENTS
    assert decode(mail.bounce(*entries)).reason is Reason.TOO_MANY_RECIPIENTS


def test_what_is_cut_holds_no_half_a_character():
    assert clip("😀" * 3, 2) == "😀…"
    assert clip("x\ud83d\ude00", 2) == "x…"
    assert clip("\ud83d\ude00x", 2) == "\ufffd…"
