"""From bodies to meanings: every kind of message, and nothing but a meaning whatever the bytes."""

import json
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from support import mail

from worker.core.acceptance import Acceptance
from worker.core.account_events import AccountEvent
from worker.core.decode import TOPIC_VALIDATED, Several, decode
from worker.core.decode.recipients import unique_per_person
from worker.core.decode.shapes import ExtendedEntry, RecipientEntry, StrictBody
from worker.core.model import Feedback, Ignored, Kind, Malformed, Reason, UserMatch
from worker.core.parsing import Unreadable, read_json

PAYLOADS = Path(__file__).parents[1] / "payloads"
EXPECTED = json.loads((PAYLOADS / "expected.json").read_text(encoding="utf-8"))


def text_of(row):
    return (PAYLOADS / row["file"]).read_text(encoding="utf-8")


def recipients(decoded):
    return [feedback.address.key if feedback.address else None for feedback in decoded]


class TestPayloads:
    @pytest.mark.parametrize("row", EXPECTED, ids=lambda row: row["file"])
    @pytest.mark.parametrize("raw", [True, False], ids=["raw", "enveloped"])
    def test_a_payload_means_what_is_expected_of_it(self, row, raw):
        if row["file"].startswith("sqsbody") and not raw:
            pytest.skip("is an envelope itself")
        body = text_of(row) if raw else mail.enveloped(text_of(row))
        decoded = decode(body)
        if row["disposition"] == "dead":
            assert isinstance(decoded, Malformed)
        elif row["kind"] in {"bounce", "complaint"}:
            assert recipients(decoded) == row["recipients"] or sorted(
                map(str, recipients(decoded))
            ) == sorted(map(str, row["recipients"]))
            assert {feedback.notification.kind for feedback in decoded} == {row["kind"]}
        else:
            assert isinstance(decoded, Ignored)
            assert decoded.noteworthy == (row["disposition"] == "ack-warn")

    def test_the_folder_and_the_table_agree(self):
        files = {path.name for path in PAYLOADS.iterdir()} - {"README.md", "expected.json"}
        assert files == {row["file"] for row in EXPECTED}


class TestShapes:
    @pytest.mark.parametrize("event", [False, True], ids=["notification", "event"])
    @pytest.mark.parametrize("wrap", [str, mail.enveloped], ids=["raw", "enveloped"])
    def test_both_shapes_are_read_with_and_without_the_envelope(self, event, wrap):
        (feedback,) = decode(wrap(mail.bounce("jane@example.com", event=event)))
        notification = feedback.notification
        assert (notification.kind, notification.type, notification.subtype) == (
            Kind.BOUNCE,
            "Permanent",
            "General",
        )
        assert notification.occurred_at == datetime(2026, 11, 20, 8, 15, 33, tzinfo=UTC)
        assert feedback.address.key == "jane@example.com"

    def test_the_whole_message_of_ses_is_kept(self):
        message = mail.bounce("jane@example.com")
        assert decode(mail.enveloped(message))[0].notification.text == message

    def test_unknown_fields_and_subtypes_are_normal(self):
        message = mail.bounce("jane@example.com", subtype="Brandnew", colour={"a": [1, None]})
        (feedback,) = decode(message)
        assert feedback.notification.subtype == "Brandnew"

    @pytest.mark.parametrize("name", ["user_agent", "recipients", "extra", "text", "kind"])
    def test_no_name_of_ours_is_a_field_of_theirs(self, name):
        (feedback,) = decode(mail.bounce("jane@example.com", **{name: "text"}))
        assert feedback.notification.type == "Permanent"

    @pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 5_000, "1." + "0" * 500])
    def test_a_number_that_nobody_can_hold_is_no_reason_to_refuse(self, number):
        body = mail.bounce(mail.recipient("jane@example.com", score=0), spread=0)
        for name in ("score", "spread"):
            body = body.replace(f'"{name}": 0', f'"{name}": {number}')
        (feedback,) = decode(body)
        assert feedback.address.key == "jane@example.com"

    def test_a_control_character_is_no_part_of_an_address(self):
        (feedback,) = decode(mail.bounce("ja\x00ne@example.com"))
        assert feedback.address is None
        assert feedback.recipient.reported == "ja\ufffdne@example.com"

    def test_an_object_that_cannot_be_read_is_not_called_missing(self):
        deep = "[" * 2_000 + "]" * 2_000
        malformed = decode(
            mail.bounce("jane@example.com", deep=0).replace('"deep": 0', f'"deep": {deep}')
        )
        assert malformed.reason is Reason.NOT_JSON

    def test_what_ses_did_not_document_is_kept_as_extra(self):
        entry = mail.recipient("jane@example.com", action="failed", colour="red")
        (feedback,) = decode(mail.bounce(entry))
        assert feedback.recipient.extra == {"colour": "red"}
        assert feedback.recipient.action == "failed"

    def test_decoding_changes_nothing_it_is_given(self):
        jane = ExtendedEntry(address="Jane <jane@example.com>", status="5.1.1", extra={"x": [1]})
        entries = [jane, RecipientEntry(), RecipientEntry(address="nobody")]
        before = deepcopy(entries)
        list(unique_per_person(entries))
        assert entries == before

    @pytest.mark.parametrize("absent", ["timestamp", "feedbackId", "bounceType", "bounceSubType"])
    def test_a_missing_key_is_no_reason_to_refuse(self, absent):
        message = mail.without(mail.bounce("jane@example.com"), "bounce", absent)
        assert recipients(decode(message)) == ["jane@example.com"]

    def test_a_missing_mail_object_is_no_reason_to_refuse(self):
        (feedback,) = decode(mail.without(mail.bounce("jane@example.com"), "mail"))
        assert feedback.notification.ses_message_id == ""

    @pytest.mark.parametrize("value", [None, 5, [], {}, True])
    def test_a_value_of_another_type_counts_as_absent(self, value):
        entry = {"emailAddress": "jane@example.com", "diagnosticCode": value, "status": value}
        message = mail.bounce(entry, type=value, subtype=value, at=value, feedback_id=None)
        (feedback,) = decode(message)
        assert (feedback.notification.type, feedback.recipient.diagnostic) == (None, "")
        assert feedback.notification.occurred_at is None


class TestRecipients:
    def test_only_those_that_bounced_are_touched(self):
        assert recipients(decode(mail.bounce("jane@example.com"))) == ["jane@example.com"]

    @pytest.mark.parametrize("entries", [None, []])
    def test_missing_or_empty_recipients_make_a_single_row_without_address(self, entries):
        message = json.loads(mail.bounce())
        message["bounce"]["bouncedRecipients"] = entries
        (feedback,) = decode(json.dumps(message))
        assert feedback.recipient.absent is UserMatch.NO_RECIPIENTS

    def test_a_complaint_without_complained_recipients_makes_a_single_row(self):
        message = mail.without(mail.complaint(), "complaint", "complainedRecipients")
        (feedback,) = decode(message)
        assert feedback.recipient.absent is UserMatch.NO_RECIPIENTS

    @pytest.mark.parametrize("entries", ["jane@example.com", {"emailAddress": "a@b.c"}, 5, True])
    def test_recipients_that_are_no_list_are_malformed(self, entries):
        message = json.loads(mail.bounce())
        message["bounce"]["bouncedRecipients"] = entries
        assert decode(json.dumps(message)).reason is Reason.RECIPIENTS_NOT_A_LIST

    def test_each_unusable_entry_makes_a_single_row_and_the_others_are_handled(self):
        entries = [
            None,
            "jane@example.com",
            {},
            {"emailAddress": None},
            {"emailAddress": "nope"},
            [],
        ]
        message = json.loads(mail.bounce())
        good = {"emailAddress": "zoe@example.com"}
        message["bounce"]["bouncedRecipients"] = [*entries, good]
        decoded = decode(json.dumps(message))
        assert recipients(decoded).count(None) == len(entries)
        assert recipients(decoded).count("zoe@example.com") == 1
        assert len({feedback.dedupe_key for feedback in decoded}) == len(entries) + 1

    def test_several_spellings_of_a_person_are_a_single_row_the_first(self):
        decoded = decode(mail.bounce("Jane@example.com", "jane@EXAMPLE.com", "<jane@example.com>"))
        assert [feedback.recipient.reported for feedback in decoded] == ["Jane@example.com"]

    def test_a_spelling_whose_diagnostic_says_spam_wins(self):
        entries = [
            mail.recipient("jane@example.com", diagnosticCode="550 no such user"),
            mail.recipient("JANE@example.com", diagnosticCode="550 looks like SPAM"),
            mail.recipient("Jane@example.com", diagnosticCode="550 spam again"),
        ]
        decoded = decode(mail.bounce(*entries))
        assert [feedback.recipient.reported for feedback in decoded] == ["JANE@example.com"]

    def test_the_word_spam_is_found_at_the_end_of_a_very_long_diagnostic(self):
        entry = mail.recipient("jane@example.com", diagnosticCode="x" * 50_000 + " sPaM")
        (feedback,) = decode(mail.bounce(entry))
        assert feedback.recipient.mentions_spam
        assert len(feedback.recipient.diagnostic) == 10_000
        assert feedback.recipient.diagnostic.endswith("x… spam")

    def test_a_long_diagnostic_that_says_spam_at_its_start_is_only_cut(self):
        entry = mail.recipient("jane@example.com", diagnosticCode="sPaM " + "x" * 50_000)
        (feedback,) = decode(mail.bounce(entry))
        assert feedback.recipient.diagnostic == "sPaM " + "x" * 9_994 + "…"


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "time"),
        [
            ("2026-11-02T08:15:33.000Z", datetime(2026, 11, 2, 8, 15, 33, tzinfo=UTC)),
            ("2026-11-02T08:15:33Z", datetime(2026, 11, 2, 8, 15, 33, tzinfo=UTC)),
            ("2026-11-02T08:15:33.123456Z", datetime(2026, 11, 2, 8, 15, 33, 123456, tzinfo=UTC)),
            ("2026-11-02T01:15:33.000-07:00", datetime(2026, 11, 2, 8, 15, 33, tzinfo=UTC)),
            ("2018-10-08T14:05:45 +0000", datetime(2018, 10, 8, 14, 5, 45, tzinfo=UTC)),
            ("2026-11-02 08:15:33", datetime(2026, 11, 2, 8, 15, 33, tzinfo=UTC)),
            ("yesterday", None),
            ("0001-01-01T00:00:00+14:00", None),
            ("2026-11-20t08:15:33z", datetime(2026, 11, 20, 8, 15, 33, tzinfo=UTC)),
            ("2026-11-20", None),
            ("20261120T081533Z", None),
            ("2026-W47", None),
            ("", None),
        ],
    )
    def test_an_event_time_is_read_or_it_is_none(self, text, time):
        (feedback,) = decode(mail.bounce("jane@example.com", at=text))
        assert feedback.notification.occurred_at == time


class TestIgnored:
    @pytest.mark.parametrize(
        "kind",
        [
            "Send",
            "Delivery",
            "Reject",
            "Open",
            "Click",
            "Rendering Failure",
            "DeliveryDelay",
            "Subscription",
        ],
    )
    def test_other_kinds_of_event_are_ignored_in_silence(self, kind):
        ignored = decode(json.dumps({"eventType": kind, "mail": {}}))
        assert replace(ignored, counted=None) == Ignored(kind)
        assert (ignored.counted is None) == (kind == "Subscription")

    @pytest.mark.parametrize("kind", ["Archived", "TEXT_DELIVERED", "Spam"])
    def test_unknown_kinds_are_ignored_and_worth_a_warning(self, kind):
        assert decode(json.dumps({"eventType": kind})) == Ignored(kind, noteworthy=True)

    def test_the_control_texts_are_ignored(self):
        assert isinstance(decode(TOPIC_VALIDATED), Ignored)
        assert isinstance(decode(mail.enveloped(TOPIC_VALIDATED + "\n")), Ignored)

    def test_spam_in_a_delivery_delay_means_nothing(self):
        delay = {"delayType": "SpamDetected", "delayedRecipients": [{"emailAddress": "a@b.c"}]}
        assert isinstance(
            decode(json.dumps({"eventType": "DeliveryDelay", "deliveryDelay": delay})), Ignored
        )


class TestMalformed:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("", Reason.NOT_JSON),
            ("hello", Reason.NOT_JSON),
            ('{"notificationType": "Bounce"', Reason.NOT_JSON),
            ("[" * 60_000, Reason.NOT_JSON),
            ('{"a":' * 60_000, Reason.NOT_JSON),
            ("[" * 10 + "]" * 10, Reason.NOT_AN_OBJECT),
            ("null", Reason.NOT_AN_OBJECT),
            ("5", Reason.NOT_AN_OBJECT),
            (json.dumps(mail.bounce("jane@example.com")), Reason.NOT_AN_OBJECT),
            ("{}", Reason.NO_TYPE),
            ('{"notificationType": null}', Reason.NO_TYPE),
            ('{"notificationType": 5, "eventType": []}', Reason.NO_TYPE),
            ('{"Type": 5}', Reason.NO_TYPE),
            ('{"notificationType": "Bounce"}', Reason.NO_OBJECT),
            ('{"notificationType": "Bounce", "bounce": null}', Reason.NO_OBJECT),
            ('{"notificationType": "Bounce", "bounce": []}', Reason.NO_OBJECT),
            ('{"notificationType": "Bounce", "complaint": {}}', Reason.NO_OBJECT),
            ('{"eventType": "Complaint", "complaint": "x"}', Reason.NO_OBJECT),
            ('{"Type": "Notification"}', Reason.UNKNOWN_ENVELOPE),
            (
                '{"Type": "Notification", "Message": {"notificationType": "Bounce"}}',
                Reason.UNKNOWN_ENVELOPE,
            ),
            ('{"Type": "Brandnew", "Message": "{}"}', Reason.UNKNOWN_ENVELOPE),
            (
                '{"Type": "SubscriptionConfirmation", "Token": "t"}',
                Reason.SUBSCRIPTION_CONFIRMATION,
            ),
            ('{"Type": "UnsubscribeConfirmation", "Token": "t"}', Reason.UNSUBSCRIBE_CONFIRMATION),
            (
                '{"source": "aws.ses", "detail-type": "Email Bounced", "detail": {}}',
                Reason.NO_OBJECT,
            ),
            ('{"Records": [{"EventSource": "aws:sns", "Sns": {}}]}', Reason.UNKNOWN_ENVELOPE),
        ],
    )
    def test_what_cannot_be_understood_has_a_reason(self, body, reason):
        assert decode(body).reason is reason

    def test_a_token_is_in_no_detail(self):
        body = json.dumps(
            {"Type": "SubscriptionConfirmation", "Token": "s3cret", "TopicArn": "arn:x"}
        )
        assert decode(body).detail == "for arn:x"

    def test_half_a_surrogate_pair_is_no_reason_to_refuse(self):
        entry = mail.recipient("jane@example.com", diagnosticCode="cut off \\ud83d here")
        body = mail.bounce(entry).replace("\\\\ud83d", "\\ud83d")
        (feedback,) = decode(body)
        assert feedback.recipient.diagnostic == "cut off \ufffd here"
        assert decode(mail.enveloped(body))[0].recipient.diagnostic == "cut off \ufffd here"

    def test_nul_characters_are_replaced_in_what_is_stored(self):
        entry = mail.recipient("jane@example.com", diagnosticCode="a\0b")
        assert decode(mail.bounce(entry))[0].recipient.diagnostic == "a\ufffdb"


class TestTopics:
    ours = Acceptance(topics=frozenset({mail.TOPIC}))

    def test_a_topic_on_the_list_is_listened_to(self):
        assert isinstance(decode(mail.enveloped(mail.bounce("a@b.c")), self.ours)[0], Feedback)

    @pytest.mark.parametrize(
        "body",
        [
            mail.enveloped(mail.bounce("a@b.c"), topic="arn:aws:sns:eu-west-1:999:other"),
            mail.enveloped(mail.bounce("a@b.c"), topic=[]),
            mail.bounce("a@b.c"),
            mail.bounce("a@b.c")[:-2] + f', "TopicArn": "{mail.TOPIC}", "Type": "x"}}',
        ],
        ids=["another topic", "no ARN", "raw", "raw with a made-up topic"],
    )
    def test_all_else_is_refused(self, body):
        assert decode(body, self.ours).reason is Reason.FOREIGN_TOPIC


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
keys = st.sampled_from([
    "Type", "Message", "TopicArn", "notificationType", "eventType", "bounce", "complaint", "mail",
    "bouncedRecipients", "complainedRecipients", "emailAddress", "diagnosticCode", "timestamp",
    "feedbackId", "bounceType", "messageId", "source", "detail-type", "Event", "detail", "resources",
    "data", "record", "lastUpdatedTimestamp", "metadata", "Records", "Sns", "EventSource", "body",
    "AlarmName", "s3BucketName", "s3Key", "S3Payload",
])  # fmt: skip
known_words = st.sampled_from(
    [
        "Notification",
        "Bounce",
        "Complaint",
        "Received",
        "Permanent",
        "a@b.c",
        "aws.ses",
        "aws.cloudwatch",
        "Email Bounced",
        "Sending Status Disabled",
        "Advisor Recommendation Status Closed",
        "CloudWatch Alarm State Change",
    ]
)
near_misses = st.recursive(
    json_values | known_words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=8),
    max_leaves=30,
)


@given(st.text() | near_misses.map(json.dumps) | near_misses.map(json.dumps).map(mail.enveloped))
@example("\ud800")
@example("\0")
@example('{"Message": "\ud800", "Type": "Notification"}')
@example('"\\ud800')
def test_any_text_has_a_meaning_and_nothing_is_raised(text):
    decoded = decode(text)
    assert isinstance(decoded, tuple | Ignored | Malformed | AccountEvent | Several)
    if isinstance(decoded, tuple):
        assert decoded
        assert all(isinstance(feedback, Feedback) for feedback in decoded)
        assert len({feedback.dedupe_key for feedback in decoded}) == len(decoded)


@contextmanager
def part_by_part():
    """Have no body read in one go."""

    def read(text, shape):
        if shape is StrictBody:
            raise Unreadable("in one go", syntax=False)
        return read_json(text, shape)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.core.decode.bodies.read_json", read)
        yield


@given(near_misses.map(json.dumps) | near_misses.map(json.dumps).map(mail.enveloped))
def test_a_body_decoded_as_a_whole_means_the_same_as_decoded_in_parts(text):
    decoded = decode(text)
    with part_by_part():
        assert decode(text) == decoded


@pytest.mark.parametrize("row", EXPECTED, ids=lambda row: row["file"])
def test_a_payload_decoded_as_a_whole_means_the_same_as_decoded_in_parts(row):
    for body in (text_of(row), mail.enveloped(text_of(row))):
        decoded = decode(body)
        with part_by_part():
            assert decode(body) == decoded


@pytest.mark.parametrize("odd", [None, 5, "text", [], [{}]])
@pytest.mark.parametrize("part", ["complaint", "mail"])
def test_a_part_that_is_no_object_spoils_none_that_is(part, odd):
    body = json.loads(mail.bounce("jane@example.com")) | {part: odd}
    assert recipients(decode(json.dumps(body))) == ["jane@example.com"]
