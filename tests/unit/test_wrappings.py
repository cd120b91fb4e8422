"""The wrappings of a message: EventBridge, envelopes in envelopes, lists of records, and others'."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from support import mail, timing
from support.mail import TOPIC

from worker.core.acceptance import Acceptance, EventBridge
from worker.core.account_events import AccountEvent, AccountEventKind, AccountStatus, Scope
from worker.core.decode import Several, decode
from worker.core.limits import MOST_RECIPIENTS, MOST_RECORDS
from worker.core.model import Feedback, Ignored, Malformed, Reason, Route

REPORTS = Path(__file__).parents[1] / "reports"
OURS = Acceptance(topics=frozenset({TOPIC}), eventbridge=EventBridge.BY_TOPIC)
POINTER = ["software.amazon.payloadoffloading.PayloadS3Pointer"]
PLACE = {"s3BucketName": "big-messages", "s3Key": "0000-11"}


def report(number):
    (file,) = REPORTS.glob(f"{number}-*")
    return file.read_text(encoding="utf-8")


def addresses(decoded):
    return [feedback.address.key for feedback in decoded]


def wrapped(source="aws.ses", detail_type="Email Bounced", **more):
    return json.dumps({"source": source, "detail-type": detail_type, "detail": {}} | more)


class TestReports:
    @pytest.mark.parametrize(
        ("number", "address", "route"),
        [
            ("01", "ana@example.com", Route.EVENTBRIDGE),
            ("02", "ben@example.com", Route.EVENTBRIDGE),
            ("03", "cem@example.net", Route.EVENTBRIDGE),
            ("04", "cem@example.net", Route.SNS),
            ("07", "dan@example.com", Route.SNS),
            ("08", "eva@example.com", Route.SNS),
        ],
    )
    def test_feedback_is_read_in_all_its_wrappings(self, number, address, route):
        (feedback,) = decode(report(number))
        assert (feedback.address.key, feedback.notification.route) == (address, route)

    def test_the_same_feedback_by_eventbridge_and_by_sns_counts_once(self):
        (first,), (second,) = decode(report("03")), decode(report("04"))
        assert first.dedupe_key == second.dedupe_key
        assert first.route_key == second.route_key

    def test_a_pointer_to_s3_says_where_the_message_lies(self):
        malformed = decode(report("11"))
        assert malformed.reason is Reason.S3_POINTER
        assert "s3://big-messages/00000000-0000-4000-8000-000000000011" in malformed.detail

    def test_an_alarm_says_which_it_is_and_its_state(self):
        malformed = decode(report("12"))
        assert malformed.reason is Reason.CLOUDWATCH_ALARM
        assert "'ses-bounce-rate' is ALARM" in malformed.detail


class TestEventBridge:
    message = mail.bounce("jane@example.com", event=True)

    @pytest.mark.parametrize(
        "body",
        [
            mail.in_eventbridge(message),
            mail.in_eventbridge(message, detail=message),
            mail.enveloped(mail.in_eventbridge(message)),
            mail.in_eventbridge(message, detail=json.loads(mail.enveloped(message))),
            mail.in_records(mail.enveloped(mail.in_eventbridge(message))),
            mail.in_records_of_sqs(mail.enveloped(mail.in_eventbridge(message))),
        ],
        ids=["alone", "detail is a text", "in an envelope", "around an envelope", "in a record",
             "in a record of SQS"],
    )  # fmt: skip
    def test_it_is_read_wherever_it_stands(self, body):
        assert addresses(decode(body)) == ["jane@example.com"]

    def test_the_message_is_kept_as_ses_wrote_it(self):
        whole = mail.in_eventbridge(self.message)
        (feedback,) = decode(whole)
        assert feedback.notification.text in whole
        assert json.loads(feedback.notification.text) == json.loads(self.message)

    def test_what_an_input_transformer_lets_through_is_raw(self):
        (feedback,) = decode(json.dumps(json.loads(mail.in_eventbridge(self.message))["detail"]))
        assert feedback.notification.route is Route.RAW

    def test_account_and_region_are_the_wrappers_where_the_mail_has_none(self):
        (feedback,) = decode(mail.in_eventbridge(self.message))
        sent = feedback.notification.mail
        assert (sent.account_id, sent.region) == ("111122223333", "eu-west-1")

    def test_the_mails_own_account_and_region_are_kept(self):
        whole = json.loads(self.message)
        whole["mail"] |= {
            "sendingAccountId": "444455556666",
            "sourceArn": "arn:aws:ses:us-east-1:444455556666:identity/example.org",
        }
        (feedback,) = decode(mail.in_eventbridge(json.dumps(whole)))
        sent = feedback.notification.mail
        assert (sent.account_id, sent.region) == ("444455556666", "us-east-1")

    @pytest.mark.parametrize(
        ("detail_type", "kind"),
        [
            ("Email Sent", "Send"),
            ("Email Delivered", "Delivery"),
            ("Email Rejected", "Reject"),
            ("Email Opened", "Open"),
            ("email clicked", "Click"),
            ("Email Rendering Failed", "Rendering Failure"),
            ("Email Delivery Delayed", "DeliveryDelay"),
            ("Email Subscribed", "Subscription"),
        ],
    )
    def test_an_event_without_a_type_of_its_own_is_read_by_the_wrappers(self, detail_type, kind):
        ignored = decode(wrapped(detail_type=detail_type))
        assert replace(ignored, counted=None) == Ignored(kind)
        assert (ignored.counted is None) == (kind == "Subscription")

    @pytest.mark.parametrize("kind", ["bounce", "complaint"])
    def test_so_are_bounces_and_complaints(self, kind):
        message = getattr(mail, kind)("jane@example.com", event=True)
        whole = json.loads(mail.in_eventbridge(message))
        del whole["detail"]["eventType"]
        (feedback,) = decode(json.dumps(whole))
        assert feedback.notification.kind == kind

    def test_the_event_type_inside_decides(self):
        whole = json.loads(mail.in_eventbridge(self.message)) | {"detail-type": "Email Sent"}
        assert addresses(decode(json.dumps(whole))) == ["jane@example.com"]

    def test_an_unknown_type_is_ignored_and_worth_a_warning(self):
        expected = Ignored("Email Painted", noteworthy=True)
        assert decode(wrapped(detail_type="Email Painted")) == expected

    @pytest.mark.parametrize("detail", [None, 5, [], "x", "5"])
    def test_a_bounce_without_an_object_is_malformed(self, detail):
        assert isinstance(decode(wrapped(detail=detail)), Malformed)

    def test_so_is_a_bounce_without_a_detail(self):
        body = '{"source": "aws.ses", "detail-type": "Email Bounced"}'
        assert decode(body).reason is Reason.NO_OBJECT

    @pytest.mark.parametrize("wrap", [str, mail.enveloped])
    def test_an_event_of_another_service_says_whose_it_is(self, wrap):
        body = wrap(wrapped("aws.ec2", "EC2 Instance State-change Notification"))
        malformed = decode(body)
        assert malformed.reason is Reason.FOREIGN_EVENT
        assert "'EC2 Instance State-change Notification' of aws.ec2" in malformed.detail

    def test_half_a_surrogate_pair_is_no_reason_to_refuse(self):
        entry = mail.recipient("jane@example.com", diagnosticCode="cut off \ud83d here")
        (feedback,) = decode(mail.in_eventbridge(mail.bounce(entry, event=True)))
        assert feedback.recipient.diagnostic == "cut off \ufffd here"


class TestAcceptance:
    event = mail.in_eventbridge(mail.bounce("jane@example.com"))
    by_topic = mail.enveloped(event)
    foreign = mail.enveloped(event, topic="arn:aws:sns:eu-west-1:999:other")
    accepted = Acceptance(topics=frozenset({TOPIC}))
    refused = Acceptance(eventbridge=EventBridge.REFUSED)

    @pytest.mark.parametrize(
        ("body", "acceptance"),
        [(event, Acceptance()), (by_topic, OURS), (event, accepted), (by_topic, accepted),
         (mail.in_records(by_topic), OURS)],
    )  # fmt: skip
    def test_what_the_settings_accept_is_read(self, body, acceptance):
        assert addresses(decode(body, acceptance)) == ["jane@example.com"]

    @pytest.mark.parametrize(
        ("body", "acceptance"),
        [
            (event, OURS),
            (event, refused),
            (by_topic, refused),
            (mail.in_records_of_sqs(event), OURS),
        ],
    )
    def test_the_rest_is_set_aside_with_the_setting_to_change(self, body, acceptance):
        malformed = decode(body, acceptance)
        assert malformed.reason is Reason.EVENTBRIDGE_NOT_ACCEPTED
        assert "eventbridge.accept" in malformed.detail

    def test_a_foreign_topic_is_refused_whatever_is_inside(self):
        assert decode(self.foreign, self.accepted).reason is Reason.FOREIGN_TOPIC

    def test_an_account_that_is_not_listed_is_named(self):
        acceptance = Acceptance(accounts=frozenset({"444455556666"}))
        malformed = decode(self.event, acceptance)
        assert malformed.reason is Reason.EVENTBRIDGE_NOT_ACCEPTED
        assert "111122223333" in malformed.detail
        assert "eventbridge.accounts" in malformed.detail

    @pytest.mark.parametrize("account", [None, 111122223333, "", "11112222333\n3"])
    def test_an_account_that_is_no_text_is_not_listed(self, account):
        acceptance = Acceptance(accounts=frozenset({"111122223333"}))
        body = mail.in_eventbridge(mail.bounce("jane@example.com"), account=account)
        assert decode(body, acceptance).reason is Reason.EVENTBRIDGE_NOT_ACCEPTED
        assert addresses(decode(self.event, acceptance)) == ["jane@example.com"]

    def test_status_events_must_be_accepted_too(self):
        for body in (mail.sending_status(), mail.finding()):
            assert decode(body, OURS).reason is Reason.EVENTBRIDGE_NOT_ACCEPTED
            assert isinstance(decode(mail.enveloped(body), OURS), AccountEvent)


class TestStatus:
    def test_a_pause_of_a_tenant(self):
        event = decode(report("05"))
        assert isinstance(event, AccountEvent)
        assert (event.kind, event.status) == (
            AccountEventKind.SENDING_STATUS,
            AccountStatus.DISABLED,
        )
        assert (event.scope, event.tenant) == (Scope.TENANT, "acme")
        assert event.cause == "Reputation finding: bounce rate."
        assert event.occurred_at == datetime(2026, 11, 20, 9, tzinfo=UTC)
        assert (event.account_id, event.region) == ("111122223333", "eu-west-1")

    def test_a_finding_about_a_tenant(self):
        event = decode(report("06"))
        assert (event.kind, event.status) == (AccountEventKind.RECOMMENDATION, AccountStatus.OPEN)
        assert (event.tenant, event.cause, event.impact) == ("acme", "BOUNCE", "HIGH")
        assert event.finding.startswith("The bounce rate exceeded 15.0%")
        assert event.occurred_at == datetime(2026, 11, 20, 9, 0, 3, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (mail.sending_status("ENABLED"), AccountStatus.ENABLED),
            (mail.finding("Resolved"), AccountStatus.RESOLVED),
            (mail.finding("Closed"), AccountStatus.RESOLVED),
            (mail.finding("OPEN"), AccountStatus.OPEN),
        ],
    )
    def test_their_other_states(self, body, status):
        assert decode(body).status is status

    @pytest.mark.parametrize(
        ("resources", "scope", "resource"),
        [
            ([mail.TENANT], Scope.TENANT, mail.TENANT),
            (["arn:aws:ses:r:1:identity/a.b", mail.TENANT], Scope.TENANT, mail.TENANT),
            (["arn:aws:ses:r:1:identity/a.b"], Scope.IDENTITY, "arn:aws:ses:r:1:identity/a.b"),
            (["arn:aws:ses:r:1:configuration-set/m"], Scope.CONFIGURATION_SET,
             "arn:aws:ses:r:1:configuration-set/m"),
            ([], Scope.ACCOUNT, ""),
            (None, Scope.ACCOUNT, ""),
            ([5, None, {}, "x"], Scope.OTHER, "x"),
            (["arn:aws:ses:r:1:ip-pool/p"], Scope.OTHER, "arn:aws:ses:r:1:ip-pool/p"),
            (["arn:aws:ses:r:1:account"], Scope.ACCOUNT, "arn:aws:ses:r:1:account"),
            ("arn:aws:ses:r:1:tenant/x", Scope.ACCOUNT, ""),
        ],
    )  # fmt: skip
    def test_what_they_are_about(self, resources, scope, resource):
        event = decode(mail.sending_status(resources=resources))
        assert (event.scope, event.resource) == (scope, resource)

    @pytest.mark.parametrize(
        "arn",
        ["arn:aws:ses:r:1:tenant", "arn:aws:ses:r:1:tenant/", "arn:aws/cn:ses:r:1:tenant"],
    )
    def test_a_tenant_without_a_name_has_none(self, arn):
        assert decode(mail.sending_status(resources=[arn])).tenant == ""

    @pytest.mark.parametrize(
        ("stamp", "time"),
        [
            ([2026, 11, 20, 9, 1, 2, 3_000_000], datetime(2026, 11, 20, 9, 1, 2, 3_000, UTC)),
            ([2026, 11, 20, 9, 1, 2], datetime(2026, 11, 20, 9, 1, 2, tzinfo=UTC)),
            ([2026, 11, 20, 9, 1], datetime(2026, 11, 20, 9, 1, tzinfo=UTC)),
            ([2026, 11, 20], datetime(2026, 11, 20, tzinfo=UTC)),
            ([2026, 11, 20, 9, 1, 2, 0, 5, 5], datetime(2026, 11, 20, 9, 1, 2, tzinfo=UTC)),
            ("2026-11-20T09:01:02Z", datetime(2026, 11, 20, 9, 1, 2, tzinfo=UTC)),
            (1_795_000_000, datetime.fromtimestamp(1_795_000_000, UTC)),
            (1_795_000_000.5, datetime.fromtimestamp(1_795_000_000.5, UTC)),
            (1_795_000_000_500, datetime.fromtimestamp(1_795_000_000.5, UTC)),
        ],
    )
    def test_the_time_of_a_status_is_its_own(self, stamp, time):
        assert decode(status_at(stamp)).occurred_at == time

    @pytest.mark.parametrize(
        "stamp",
        [None, [], [2026], [2026, 13, 1], [0, 0, 0], ["x"], [2026, 11, 20, 9, 1, 2, -1], "soon",
         {}, True, 1e300, -1e300, [9] * 1_000, 10**400],
    )  # fmt: skip
    def test_else_it_is_eventbridges(self, stamp):
        assert decode(status_at(stamp)).occurred_at == datetime(2026, 11, 20, 8, 15, 35, tzinfo=UTC)

    def test_without_any_time_it_has_none(self):
        assert decode(status_at(None, time="soon")).occurred_at is None

    def test_the_same_status_delivered_twice_counts_once(self):
        first, second = (decode(mail.sending_status()) for _ in range(2))
        assert first.dedupe_key == second.dedupe_key
        by_sns = decode(mail.enveloped(mail.sending_status(id="another", version="1")))
        assert by_sns.dedupe_key == first.dedupe_key

    @pytest.mark.parametrize(
        "other",
        [
            mail.sending_status("ENABLED"),
            mail.sending_status(resources=[]),
            mail.sending_status(account="444455556666"),
            mail.sending_status(region="us-east-1"),
            mail.sending_status().replace("bounce rate", "complaint rate"),
            mail.finding(),
        ],
    )
    def test_another_status_is_another(self, other):
        assert decode(other).dedupe_key != decode(mail.sending_status()).dedupe_key

    def test_another_finding_of_the_same_type_is_another(self):
        other = mail.finding().replace("15.0%", "20.0%")
        assert decode(other).dedupe_key != decode(mail.finding()).dedupe_key

    def test_a_later_status_is_another(self):
        keys = {decode(status_at([2026, 11, 20, hour])).dedupe_key for hour in (8, 9)}
        assert len(keys) == 2

    @pytest.mark.parametrize(
        "detail", [{}, {"data": 5}, {"data": {"record": []}}, {"metadata": "x"}, {"data": []}]
    )
    def test_an_odd_detail_leaves_texts_empty(self, detail):
        event = decode(mail.sending_status(detail=detail))
        assert (event.cause, event.finding, event.impact) == ("", "", "")


def status_at(stamp, **more):
    whole = json.loads(mail.sending_status(**more))
    whole["detail"]["data"]["record"]["lastUpdatedTimestamp"] = stamp
    return json.dumps(whole)


class TestNesting:
    def test_three_deep_and_no_deeper(self):
        body = mail.bounce("jane@example.com")
        for _ in range(3):
            body = mail.enveloped(body)
        assert addresses(decode(body)) == ["jane@example.com"]
        assert decode(mail.enveloped(body)).reason is Reason.WRAPPED_TOO_DEEP

    def test_wrappings_of_all_kinds_count(self):
        body = mail.in_eventbridge(mail.bounce("jane@example.com"))
        twice = mail.enveloped(mail.enveloped(body))
        assert addresses(decode(twice)) == ["jane@example.com"]
        assert decode(mail.in_records_of_sqs(twice)).reason is Reason.WRAPPED_TOO_DEEP

    def test_the_topic_that_counts_is_the_outermost(self):
        inner = mail.enveloped(mail.bounce("jane@example.com"), topic="arn:aws:sns:r:1:inner")
        assert addresses(decode(mail.enveloped(inner), OURS)) == ["jane@example.com"]
        ours_inside = mail.enveloped(
            mail.enveloped(mail.bounce("jane@example.com")), topic="arn:aws:sns:r:1:outer"
        )
        assert decode(ours_inside, OURS).reason is Reason.FOREIGN_TOPIC

    @pytest.mark.parametrize("wrap", [mail.enveloped, mail.in_records_of_sqs])
    def test_a_confirmation_inside_is_a_confirmation(self, wrap):
        inner = '{"Type": "SubscriptionConfirmation", "Token": "t", "TopicArn": "arn:x"}'
        assert decode(wrap(inner)) == Malformed(Reason.SUBSCRIPTION_CONFIRMATION, "for arn:x")


def some_records(*more):
    return mail.in_records(*(mail.enveloped(body) for body in more))


class TestRecords:
    def test_every_record_is_read(self):
        decoded = decode(
            some_records(mail.bounce("a@b.c"), mail.bounce("d@b.c"), '{"eventType": "Send"}')
        )
        first, second, third = decoded.parts
        assert (addresses(first), addresses(second)) == (["a@b.c"], ["d@b.c"])
        assert (third.kind, third.counted.measure) == ("Send", "send")

    def test_a_single_record_out_of_its_list_is_read(self):
        (record,) = json.loads(some_records(mail.bounce("a@b.c")))["Records"]
        assert addresses(decode(json.dumps(record))) == ["a@b.c"]

    @pytest.mark.parametrize("unreadable", ["{", "5", '{"eventType": "Bounce"}'])
    def test_a_record_that_cannot_be_read_harms_no_other(self, unreadable):
        decoded = decode(some_records(mail.bounce("a@b.c"), unreadable, mail.bounce("d@b.c")))
        first, second, third = decoded.parts
        assert isinstance(second, Malformed)
        assert addresses([*first, *third]) == ["a@b.c", "d@b.c"]

    def test_records_count_as_a_wrapping(self):
        body = some_records(mail.bounce("a@b.c"))
        for _ in range(2):
            body = mail.enveloped(body)
        assert addresses(decode(body)) == ["a@b.c"]
        assert decode(mail.enveloped(body)).reason is Reason.WRAPPED_TOO_DEEP

    def test_of_records_in_an_envelope_its_topic_counts(self):
        foreign = mail.enveloped(mail.bounce("a@b.c"), topic="arn:aws:sns:r:1:other")
        assert addresses(decode(mail.enveloped(mail.in_records(foreign)), OURS)) == ["a@b.c"]

    def test_the_topic_of_each_is_checked(self):
        ours = mail.enveloped(mail.bounce("a@b.c"))
        foreign = mail.enveloped(mail.bounce("d@b.c"), topic="arn:aws:sns:r:1:other")
        first, second = decode(mail.in_records(ours, foreign), OURS).parts
        assert addresses(first) == ["a@b.c"]
        assert second.reason is Reason.FOREIGN_TOPIC

    def test_records_of_a_queue_are_read(self):
        bodies = mail.bounce("a@b.c"), mail.enveloped(mail.bounce("d@b.c")), mail.sending_status()
        raw, enveloped, event = decode(mail.in_records_of_sqs(*bodies)).parts
        assert (raw[0].notification.route, enveloped[0].notification.route) == (
            Route.RAW,
            Route.SNS,
        )
        assert isinstance(event, AccountEvent)

    def test_a_raw_message_of_a_queue_has_no_topic(self):
        body = mail.in_records_of_sqs(mail.bounce("a@b.c"))
        assert decode(body, OURS).reason is Reason.FOREIGN_TOPIC

    def test_records_of_another_service_are_its_event(self):
        record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {}}
        malformed = decode(json.dumps({"Records": [record]}))
        assert malformed.reason is Reason.FOREIGN_EVENT
        assert "'ObjectCreated:Put' of aws:s3" in malformed.detail

    @pytest.mark.parametrize("records", [[], [{}], [5], [None], ["x"], [[]]])
    def test_what_is_no_record_is_malformed(self, records):
        assert isinstance(decode(json.dumps({"Records": records})), Malformed)

    @pytest.mark.parametrize("records", [None, 5, "x", {}])
    def test_what_is_no_list_of_records_has_no_type(self, records):
        assert decode(json.dumps({"Records": records})).reason is Reason.NO_TYPE

    def test_records_inside_of_records_are_not_opened(self):
        for bodies in ([mail.bounce("a@b.c"), mail.bounce("d@b.c")], [mail.bounce("a@b.c")]):
            inner = some_records(*bodies)
            for between in (inner, mail.enveloped(inner)):
                decoded = decode(mail.in_records_of_sqs(between))
                assert decoded == Malformed(Reason.WRAPPED_TOO_DEEP, "records inside of records")

    def test_so_many_and_no_more(self):
        record = '{"eventSource":"aws:sqs","body":"{\\"eventType\\":\\"Send\\"}"}'
        for number, fits in ((MOST_RECORDS, True), (MOST_RECORDS + 1, False)):
            decoded = decode('{"Records":[' + ",".join([record] * number) + "]}")
            assert isinstance(decoded, Several) == fits
        assert decoded.reason is Reason.TOO_MANY_RECORDS

    def test_the_recipients_of_all_together_are_limited(self):
        half = MOST_RECIPIENTS // 2
        halves = [mail.bounce(*[f"p{n}-{part}@b.c" for n in range(half)]) for part in range(2)]
        assert isinstance(decode(some_records(*halves)), Several)
        malformed = decode(some_records(*halves, mail.bounce("one@too.many")))
        assert malformed.reason is Reason.TOO_MANY_RECIPIENTS

    def test_a_body_full_of_records_takes_no_time(self):
        for record in ("{}", '{"Sns":{}}', '{"body":"{}"}', "1"):
            many = '{"Records":[' + ",".join([record] * (900_000 // len(record))) + "]}"
            assert timing.seconds(lambda many=many: decode(many), 0.2) <= 0.2


class TestOthers:
    @pytest.mark.parametrize(
        "pointer",
        [
            [*POINTER, PLACE],
            ["com.amazon.sqs.javamessaging.MessageS3Pointer", PLACE],
            {"@class": "x"} | PLACE,
            {"S3Payload": {"Id": "1", "Bucket": "big-messages", "Key": "0000-11"}},
        ],
    )
    @pytest.mark.parametrize("wrap", [str, mail.enveloped, mail.in_records_of_sqs])
    def test_pointers_to_s3(self, pointer, wrap):
        malformed = decode(wrap(json.dumps(pointer)))
        assert malformed.reason is Reason.S3_POINTER
        assert "s3://big-messages/0000-11" in malformed.detail

    @pytest.mark.parametrize(
        "array",
        [[], POINTER, [*POINTER, 5], [*POINTER, {}], [*POINTER, {"s3Key": "x"}], [5, PLACE],
         [*POINTER, PLACE, 5], [*POINTER, {"s3BucketName": 5, "s3Key": 5}]],
    )  # fmt: skip
    def test_any_other_array_is_no_object(self, array):
        assert decode(json.dumps(array)).reason is Reason.NOT_AN_OBJECT

    @pytest.mark.parametrize("half", PLACE)
    def test_half_a_pointer_is_none(self, half):
        assert decode(json.dumps({half: PLACE[half]})).reason is Reason.NO_TYPE

    @pytest.mark.parametrize("wrap", [str, mail.enveloped])
    @pytest.mark.parametrize(
        "alarm",
        [
            {"AlarmName": "too many", "NewStateValue": "ALARM", "Region": "EU (Ireland)"},
            {
                "source": "aws.cloudwatch",
                "detail-type": "CloudWatch Alarm State Change",
                "region": "EU (Ireland)",
                "detail": {"alarmName": "too many", "state": {"value": "ALARM", "reason": 5}},
            },
        ],
    )
    def test_alarms(self, wrap, alarm):
        malformed = decode(wrap(json.dumps(alarm)))
        assert malformed.reason is Reason.CLOUDWATCH_ALARM
        assert malformed.detail.startswith("the alarm 'too many' is ALARM in EU (Ireland)")

    def test_what_others_send_by_sns(self):
        body = {"Service": "AWS Auto Scaling", "Event": "autoscaling:EC2_INSTANCE_LAUNCH"}
        malformed = decode(mail.enveloped(json.dumps(body)))
        assert malformed.reason is Reason.FOREIGN_EVENT
        assert "AWS Auto Scaling" in malformed.detail

    def test_a_control_character_of_theirs_is_shown_as_text(self):
        body = {"AlarmName": "a\x1b[31m\n", "NewStateValue": "OK"}
        assert "\x1b" not in decode(json.dumps(body)).detail

    def test_feedback_is_what_has_a_type_whatever_else_it_has(self):
        message = json.loads(mail.bounce("jane@example.com"))
        body = json.dumps(
            message | {"AlarmName": "x", "Records": [], "detail-type": "x", "Type": "x"}
        )
        (feedback,) = decode(body)
        assert isinstance(feedback, Feedback)
