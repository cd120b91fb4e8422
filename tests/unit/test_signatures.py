"""SNS's signatures: what is signed, where its certificate may be, and what becomes of a message."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from msgspec.structs import replace
from support import mail, signing
from support.signing import AUTO, OFF, REQUIRE, URL, having, public, sign, signed, verifier

from worker.aws.trust import stand_in
from worker.core.acceptance import Acceptance, EventBridge, Verify
from worker.core.errors import NoCertificate
from worker.core.limits import MOST_RECORDS
from worker.core.messages import DeadLetter, Delete, Handled, Received, Release
from worker.core.model import Outcome, Reason
from worker.signatures.canonical import signed_text
from worker.signatures.chain import Key
from worker.signatures.envelopes import Bare, Envelope, outermost
from worker.signatures.errors import Failed, Wrong
from worker.signatures.origins import Origin, may_serve, origin_of

RECORDED = Path(__file__).parents[1] / "data" / "signed"
PASSED = Delete(Outcome.APPLIED)
BOUNCE = mail.bounce("jane@example.com")


def process(batch):
    return [Handled(received, PASSED) for received in batch]


def received(body, number=0):
    return Received(
        message_id=f"m-{number}", body=body, receipt_handle=f"r-{number}", receive_count=1,
        received_at=datetime.now(UTC), lease_until=1e12,
    )  # fmt: skip


def fate(body, acceptance=AUTO, by=None):
    """What becomes of a message: passed on, or its disposition."""
    [handled] = (by or verifier()).process([received(body)], acceptance, process)
    return handled.disposition


def passes(body, acceptance=AUTO, by=None):
    return fate(body, acceptance, by) == PASSED


def is_wrong(body, acceptance=AUTO, by=None):
    found = fate(body, acceptance, by)
    return isinstance(found, DeadLetter) and found.reason is Reason.WRONG_SIGNATURE


def changed(body, **values):
    return json.dumps(json.loads(body) | values)


class TestRecordedMessages:
    """LocalStack signed them (`record.py`); its certificate is at an address of its own."""

    @pytest.fixture
    def theirs(self):
        certificate = x509.load_pem_x509_certificate((RECORDED / "certificate.pem").read_bytes())
        public = certificate.public_key()
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return Key(public, begins, ends)

    @pytest.mark.parametrize("version", ["1", "2"])
    @pytest.mark.parametrize("subject", ["plain", "subject"])
    def test_their_signatures_are_right(self, theirs, version, subject):
        [envelope] = outermost((RECORDED / f"version-{version}-{subject}.json").read_text())
        assert envelope.version == version
        assert (envelope.subject is not None) == (subject == "subject")
        import base64

        signature = base64.b64decode(envelope.signature)
        theirs.verify(signature, signed_text(envelope), version)
        envelope.message += " "
        with pytest.raises(Wrong):
            theirs.verify(signature, signed_text(envelope), version)

    def test_their_certificate_is_not_accepted_from_where_it_is(self):
        assert is_wrong((RECORDED / "version-1-plain.json").read_text())

    @pytest.mark.parametrize("version", ["1", "2"])
    def test_with_their_key_at_snss_address_they_pass_and_a_change_does_not(self, version):
        certificate = x509.load_pem_x509_certificate((RECORDED / "certificate.pem").read_bytes())
        key = signing.public()
        theirs = Key(certificate.public_key(), key.begins, key.ends)
        by = verifier(lambda *_: theirs)
        body = (RECORDED / f"version-{version}-subject.json").read_text()
        # The address is not signed, so this changes nothing that the signature is about.
        body = changed(body, SigningCertURL=URL)
        assert passes(body, REQUIRE, by)
        for name in ("Message", "MessageId", "Subject", "Timestamp"):
            assert is_wrong(changed(body, **{name: "other"}), REQUIRE, by), name


class TestWhatIsSigned:
    @pytest.mark.parametrize("version", ["1", "2"])
    @pytest.mark.parametrize("subject", [{}, {"Subject": "Amazon SES"}, {"Subject": None}])
    def test_a_right_signature_passes(self, version, subject):
        assert passes(signed(BOUNCE, version=version, **subject), REQUIRE)

    @pytest.mark.parametrize("type_", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
    def test_confirmations_are_signed_with_their_token(self, type_):
        fields = {"Type": type_, "Token": "t" * 64, "SubscribeURL": "https://sns.example/?Token=t"}
        body = signed("You have chosen to subscribe", **fields)
        assert passes(body, REQUIRE)
        assert is_wrong(changed(body, Token="u" * 64), REQUIRE)
        assert is_wrong(changed(body, SubscribeURL="https://sns.example/?Token=u"), REQUIRE)

    def test_values_are_signed_as_parsed_with_escapes_decoded(self):
        text = '{"notificationType": "x", "a": "\\u00e9 \\ud83d\\ude00 \\n\\t\\/"}'
        body = signed(text, Subject="é 😀")
        for written in (body, json.dumps(json.loads(body), ensure_ascii=False, indent=3)):
            assert passes(written, REQUIRE)

    def test_half_a_surrogate_pair_is_not_what_sns_signed(self):
        body = signed(BOUNCE + " ?")
        assert passes(body, REQUIRE)
        assert is_wrong(body.replace(" ?", " \\ud83d"), REQUIRE)

    def test_keys_that_are_not_signed_do_not_count(self):
        assert passes(changed(signed(BOUNCE), UnsubscribeURL="x", MessageAttributes={}), REQUIRE)

    @pytest.mark.parametrize("name", ["Message", "MessageId", "Timestamp", "TopicArn", "Type"])
    def test_each_signed_value_counts(self, name):
        body = json.loads(signed(BOUNCE))
        assert is_wrong(json.dumps(body | {name: str(body[name]) + "x"}), REQUIRE)
        del body[name]
        assert not passes(json.dumps(body), REQUIRE)

    def test_a_subject_that_was_added_or_removed_is_wrong(self):
        assert is_wrong(changed(signed(BOUNCE), Subject="new"))
        body = json.loads(signed(BOUNCE, Subject="there"))
        del body["Subject"]
        assert is_wrong(json.dumps(body))

    def test_a_signed_text_cannot_be_cut_into_other_values(self):
        text = "A\nMessageId\nX"
        body = json.loads(signed(text))
        cut = body | {"Message": "A", "MessageId": f"X\nMessageId\n{body['MessageId']}"}
        assert (
            signed_text(Envelope(**_fields(body)))
            == (
                f"Message\n{text}\nMessageId\n{body['MessageId']}\nTimestamp\n{body['Timestamp']}\n"
                f"TopicArn\n{mail.TOPIC}\nType\nNotification\n"
            ).encode()
        )
        assert is_wrong(json.dumps(cut))

    @pytest.mark.parametrize("version", ["0", "3", "", "1 ", None, 1])
    def test_other_versions_are_wrong(self, version):
        assert is_wrong(changed(signed(BOUNCE), SignatureVersion=version))

    @pytest.mark.parametrize("signature", ["EXAMPLE", "", "AAAA", "é", "A" * 100_000, "=" * 8])
    def test_what_is_no_signature_is_wrong(self, signature):
        assert is_wrong(changed(signed(BOUNCE), Signature=signature))

    def test_the_signature_of_another_key_is_wrong(self):
        assert is_wrong(signed(BOUNCE, key=signing.new_key(7)))

    def test_a_version_1_signature_called_version_2_is_wrong(self):
        assert is_wrong(changed(signed(BOUNCE, version="1"), SignatureVersion="2"))

    def test_an_old_message_passes_because_replays_are_legitimate(self):
        assert passes(signed(BOUNCE, Timestamp="2019-01-01T00:00:00.000Z"), REQUIRE)


def _fields(body):
    return {
        "type": body["Type"], "message_id": body["MessageId"], "topic": body["TopicArn"],
        "message": body["Message"], "timestamp": body["Timestamp"],
    }  # fmt: skip


HOST = "https://sns.eu-west-1.amazonaws.com"
NAME = "/SimpleNotificationService-0123456789abcdef.pem"
BYPASSES = {
    "http": f"http://sns.eu-west-1.amazonaws.com{NAME}",
    "no scheme": f"//sns.eu-west-1.amazonaws.com{NAME}",
    "a file": "file:///etc/ssl/SimpleNotificationService-0123456789abcdef.pem",
    "user information": f"https://sns.eu-west-1.amazonaws.com@evil.example{NAME}",
    "a user at the host": f"https://user:secret@sns.eu-west-1.amazonaws.com{NAME}",
    "a port": f"{HOST}:443{NAME}",
    "another port": f"{HOST}:8443{NAME}",
    "a query": f"{HOST}{NAME}?x=.pem",
    "a query before": f"{HOST}/?Action=x&y={NAME}",
    "a fragment": f"{HOST}{NAME}#.pem",
    "another region": f"https://sns.us-east-1.amazonaws.com{NAME}",
    "no region": f"https://sns.amazonaws.com{NAME}",
    "another service": f"https://sqs.eu-west-1.amazonaws.com{NAME}",
    "S3": f"https://s3.amazonaws.com/bucket{NAME}",
    "a bucket called sns": f"https://sns.s3.eu-west-1.amazonaws.com{NAME}",
    "a bucket of that region": f"https://sns.eu-west-1.s3.amazonaws.com{NAME}",
    "a look-alike ending": f"https://sns.eu-west-1.amazonaws.com.evil.example{NAME}",
    "a look-alike domain": f"https://sns.eu-west-1.amazonaws.co{NAME}",
    "a look-alike beginning": f"https://evil-sns.eu-west-1.amazonaws.com{NAME}",
    "dots that match any letter": f"https://sns.eu-west-1xamazonaws.com{NAME}",
    "another partition": f"{HOST}.cn{NAME}",
    "a final dot": f"{HOST}.{NAME}",
    "a Cyrillic letter": f"https://sns.eu-west-1.\u0430mazonaws.com{NAME}",
    "capitals": f"https://SNS.eu-west-1.amazonaws.com{NAME}",
    "a capital scheme": f"HTTPS://sns.eu-west-1.amazonaws.com{NAME}",
    "another path": f"{HOST}/foreign.pem",
    "another folder": f"{HOST}/x{NAME}",
    "path traversal": f"{HOST}/SimpleNotificationService-0123/../evil.pem",
    "encoded path traversal": f"{HOST}/SimpleNotificationService-0123%2f..%2fevil.pem",
    "a backslash": f"{HOST}\\@evil.example{NAME}",
    "capital hex": f"{HOST}/SimpleNotificationService-0123456789ABCDEF.pem",
    "no hex": f"{HOST}/SimpleNotificationService-evil-evil-evil.pem",
    "no name": f"{HOST}/SimpleNotificationService-.pem",
    "a long name": f"{HOST}/SimpleNotificationService-{'0' * 65}.pem",
    "another ending": f"{HOST}/SimpleNotificationService-0123456789abcdef.crt",
    "more after it": f"{HOST}{NAME}/",
    "a line break": f"{HOST}{NAME}\n",
    "a line break within": f"{HOST}/SimpleNotificationService-01234567\n89abcdef.pem",
    "a space before": f" {HOST}{NAME}",
    "a NUL": f"{HOST}{NAME}\0.pem",
    "other digits": f"{HOST}/SimpleNotificationService-٠١٢٣٤٥٦٧٨٩.pem",
    "nothing": "",
}


class TestWhereCertificatesMayBe:
    @pytest.mark.parametrize(
        ("topic", "url"),
        [
            ("arn:aws:sns:eu-west-1:111122223333:t", HOST + NAME),
            ("arn:aws-us-gov:sns:us-gov-west-1:111122223333:t",
             f"https://sns.us-gov-west-1.amazonaws.com{NAME}"),
            ("arn:aws-cn:sns:cn-north-1:111122223333:t",
             f"https://sns.cn-north-1.amazonaws.com.cn{NAME}"),
            ("arn:aws-eusc:sns:eusc-de-east-1:111122223333:t",
             f"https://sns.eusc-de-east-1.amazonaws.eu{NAME}"),
            ("arn:aws-iso:sns:us-iso-east-1:111122223333:t",
             f"https://sns.us-iso-east-1.c2s.ic.gov{NAME}"),
            ("arn:aws-iso-b:sns:us-isob-east-1:111122223333:t",
             f"https://sns.us-isob-east-1.sc2s.sgov.gov{NAME}"),
            ("arn:aws-iso-e:sns:eu-isoe-west-1:111122223333:t",
             f"https://sns.eu-isoe-west-1.cloud.adc-e.uk{NAME}"),
            ("arn:aws-iso-f:sns:us-isof-south-1:111122223333:t",
             f"https://sns.us-isof-south-1.csp.hci.ic.gov{NAME}"),
        ],
    )  # fmt: skip
    def test_each_partition_has_its_host(self, topic, url):
        origin = origin_of(topic)
        assert may_serve(origin, url)
        others = [f"{HOST}{NAME}", f"https://sns.cn-north-1.amazonaws.com.cn{NAME}"]
        assert not any(may_serve(origin, other) for other in others if other != url)

    @pytest.mark.parametrize("what", BYPASSES)
    def test_no_bypass_is_accepted(self, what):
        def never(*_):
            raise AssertionError("nothing may be fetched")

        assert not may_serve(Origin("aws", "eu-west-1"), BYPASSES[what])
        assert is_wrong(signed(BOUNCE, SigningCertURL=BYPASSES[what]), by=verifier(never))
        assert is_wrong(signed(BOUNCE, SigningCertURL=BYPASSES[what]), REQUIRE, verifier(never))

    @pytest.mark.parametrize(
        "topic",
        [
            "", "t", "arn:aws:sns:eu-west-1:111122223333", "arn:aws:sqs:eu-west-1:111122223333:t",
            "arn:evil:sns:eu-west-1:111122223333:t", "arn:aws:sns:eu/west-1:111122223333:t",
            "arn:aws:sns:evil.example:111122223333:t", "arn:aws:sns:eu-west-1:111122223333:t\n",
            "arn:aws-x:sns:eu-west-1:111122223333:t", "arn:aws:sns:EU-WEST-1:111122223333:t",
            "arn:aws:sns:eu-west-1:111122223333:" + "t" * 1000,
        ],
    )  # fmt: skip
    def test_what_is_no_topic_has_no_host(self, topic):
        assert origin_of(topic) is None
        assert is_wrong(signed(BOUNCE, topic=topic))

    def test_a_region_that_aws_does_not_have_gets_no_request(self):
        def never(*_):
            raise AssertionError("nothing may be fetched")

        url = f"https://sns.xx-fake-1.amazonaws.com{NAME}"
        topic = "arn:aws:sns:xx-fake-1:111122223333:t"
        assert is_wrong(signed(BOUNCE, topic=topic, SigningCertURL=url), by=verifier(never))


class TestModes:
    def test_off_verifies_nothing(self):
        assert passes(mail.enveloped(BOUNCE), OFF)

    def test_auto_verifies_what_carries_a_signature_and_passes_what_does_not(self):
        body = json.loads(signed(BOUNCE))
        assert passes(json.dumps(body))
        assert is_wrong(mail.enveloped(BOUNCE))
        del body["Signature"]
        assert passes(json.dumps(body))
        assert passes(BOUNCE)

    @pytest.mark.parametrize("signature", [None, 5, [], {}])
    def test_require_takes_no_odd_value_for_a_signature(self, signature):
        assert is_wrong(changed(signed(BOUNCE), Signature=signature), REQUIRE)

    @pytest.mark.parametrize(
        "body",
        [BOUNCE, mail.complaint("jane@example.com"), "{}", '{"Type": "x"}', '{"Type": null}',
         '{"Records": [{"body": "{}"}]}'],
    )  # fmt: skip
    def test_require_refuses_what_is_not_signed(self, body):
        assert is_wrong(body, REQUIRE)

    def test_auto_is_off_while_a_local_endpoint_stands_in_and_require_is_not(self):
        by = verifier(stand_in="127.0.0.1")
        assert passes(mail.enveloped(BOUNCE), AUTO, by)
        assert is_wrong(mail.enveloped(BOUNCE), REQUIRE, by)

    def test_eventbridge_is_left_to_its_own_setting(self):
        body = mail.in_eventbridge(BOUNCE)
        for eventbridge in EventBridge:
            assert passes(body, Acceptance(verify=Verify.REQUIRE, eventbridge=eventbridge))

    def test_a_foreign_topic_is_not_verified_for_it_is_refused_anyway(self):
        listed = Acceptance(verify=Verify.REQUIRE, topics=frozenset({mail.TOPIC}))
        assert passes(mail.enveloped(BOUNCE, topic=mail.TOPIC + "-2"), listed)
        assert is_wrong(mail.enveloped(BOUNCE), listed)
        assert passes(signed(BOUNCE), listed)

    def test_what_is_malformed_is_left_to_decoding(self):
        for body in ("", "{", "[]", "5", '{"Records": [[]]}', '{"Records": [{}]}'):
            assert passes(body, REQUIRE)


class TestTheOutermostEnvelopeCounts:
    def test_a_right_envelope_inside_does_not_help_a_wrong_envelope(self):
        assert is_wrong(mail.enveloped(signed(BOUNCE)), AUTO)
        assert is_wrong(mail.enveloped(signed(BOUNCE)), REQUIRE)

    def test_a_wrong_envelope_inside_a_right_envelope_does_not_matter(self):
        assert passes(signed(mail.enveloped(BOUNCE)), REQUIRE)

    def test_a_right_envelope_inside_an_unsigned_envelope_does_not_help(self):
        outer = {"Type": "Notification", "TopicArn": mail.TOPIC, "Message": signed(BOUNCE)}
        assert is_wrong(json.dumps(outer), REQUIRE)

    @pytest.mark.parametrize("key", ["notificationType", "eventType"])
    def test_sess_own_message_in_the_keys_of_a_right_envelope_is_unsigned(self, key):
        body = changed(signed(BOUNCE), **{key: "Bounce"}, bounce={}, mail={})
        assert outermost(body) == [Bare.UNSIGNED]
        assert is_wrong(body, REQUIRE)

    def test_the_last_of_two_equal_keys_counts_as_it_does_in_decoding(self):
        body = signed(BOUNCE)
        forged = json.dumps(mail.bounce("victim@example.com"))
        assert is_wrong(body[:-1] + f', "Message": {forged}}}')
        assert passes(f'{{"Message": {forged}, {body[1:]}')

    def test_records_of_lambda_are_verified_each(self):
        def record(body):
            envelope = json.loads(body)
            envelope["SigningCertUrl"] = envelope.pop("SigningCertURL")
            return {"EventSource": "aws:sns", "Sns": envelope}

        good, bad = record(signed(BOUNCE, Subject=None)), record(mail.enveloped(BOUNCE))
        assert passes(json.dumps({"Records": [good, good]}), REQUIRE)
        assert passes(json.dumps(good), REQUIRE)
        assert is_wrong(json.dumps({"Records": [good, bad]}))
        assert is_wrong(json.dumps({"Records": [good, {"body": BOUNCE}]}), REQUIRE)
        assert passes(json.dumps({"Records": [good, {"body": signed(BOUNCE)}]}), REQUIRE)

    def test_records_within_records_and_too_many_are_left_to_decoding(self):
        inner = json.dumps({"Records": [{"body": BOUNCE}]})
        assert outermost(json.dumps({"Records": [{"body": inner}]})) == [Bare.MALFORMED]
        many = json.dumps({"Records": [{}] * (MOST_RECORDS + 1)})
        assert outermost(many) == [Bare.MALFORMED]

    def test_a_notification_type_of_null_is_an_envelope_to_both(self):
        body = changed(signed(BOUNCE), notificationType=None)
        assert passes(body, REQUIRE)


class TestStandIns:
    """`auto` is off only while a local endpoint stands in for AWS."""

    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1:4566", "http://localhost:4566", "https://[::1]:4566", "http://10.0.0.5",
            "http://localstack:4566", "http://sqs.eu-west-1.localhost.localstack.cloud:4566",
            "http://host.docker.internal:4566", "http://LOCALHOST:4566",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize(
        "name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SNS"]
    )
    def test_a_local_endpoint_stands_in(self, url, name):
        queue = "https://sqs.eu-west-1.amazonaws.com/111122223333/feedback"
        assert stand_in(queue, {name: url})
        assert stand_in(f"{url}/111122223333/feedback", {})
        assert not stand_in(queue, {name: url, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"})

    @pytest.mark.parametrize(
        "url",
        [
            "https://vpce-1-2.sqs.eu-west-1.vpce.amazonaws.com", "https://sqs.example.com",
            "https://sqs.cn-north-1.amazonaws.com.cn", "https://localhost.evil.example", "https://[",
        ],
    )  # fmt: skip
    def test_an_endpoint_of_aws_or_a_proxy_does_not(self, url):
        queue = "https://sqs.eu-west-1.amazonaws.com/111122223333/feedback"
        assert not stand_in(queue, {"AWS_ENDPOINT_URL": url, "AWS_ENDPOINT_URL_SQS": url})
        assert not stand_in(queue, {})


class TestWithoutACertificate:
    @staticmethod
    def unreachable(*_):
        raise Failed("it cannot be reached")

    def test_auto_processes_the_message_as_unsigned(self):
        assert passes(signed(BOUNCE), AUTO, verifier(self.unreachable))

    def test_require_gives_it_back_with_an_error_that_blames_no_message(self):
        [handled] = verifier(self.unreachable).process([received(signed(BOUNCE))], REQUIRE, process)
        assert isinstance(handled.error, NoCertificate)
        assert handled.met_an_outage

    def test_what_anybody_can_name_does_not_pause_receiving(self):
        by = verifier(
            self.unreachable, own_region="us-east-1"
        )  # the message is from another region
        assert isinstance(fate(signed(BOUNCE), REQUIRE, by), Release)
        [handled] = by.process([received(signed(BOUNCE))], REQUIRE, process)
        assert not handled.met_an_outage
        listed = Acceptance(verify=Verify.REQUIRE, topics=frozenset({mail.TOPIC}))
        [handled] = by.process([received(signed(BOUNCE))], listed, process)
        assert handled.met_an_outage

    @pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov", "aws-iso-f"])
    def test_a_region_of_another_partition_gets_no_request(self, partition):
        def never(*_):
            raise AssertionError("nothing may be fetched")

        topic = f"arn:{partition}:sns:eu-west-1:111122223333:t"
        url = f"https://{Origin(partition, 'eu-west-1').host}{NAME}"
        assert is_wrong(signed(BOUNCE, topic=topic, SigningCertURL=url), by=verifier(never))

    def test_a_certificate_that_sns_does_not_have_is_wrong_where_signatures_are_required(self):
        url = URL.replace("0123456789abcdef.pem", "fedcba9876543210.pem")
        assert is_wrong(signed(BOUNCE, SigningCertURL=url), REQUIRE)
        assert passes(signed(BOUNCE, SigningCertURL=url), AUTO)

    def test_so_many_unknown_names_are_requested_and_no_more(self):
        requested = []

        def obtain(origin, url):
            requested.append(url)
            return signing.having()(origin, url)

        by = verifier(obtain)
        names = [URL.replace("0123456789abcdef.pem", f"{n:016x}.pem") for n in range(1_000)]
        fates = [fate(signed(BOUNCE, SigningCertURL=name), REQUIRE, by) for name in names[:20]]
        assert [type(item) for item in fates] == [DeadLetter] * 5 + [Release] * 15
        assert all(item.seconds > 0 for item in fates[5:])
        assert len(requested) == 5

    def test_messages_keep_their_order_and_only_the_wrong_ones_are_refused(self):
        bodies = [signed(BOUNCE), mail.enveloped(BOUNCE), BOUNCE, mail.enveloped(BOUNCE)]
        batch = [received(body, number) for number, body in enumerate(bodies)]
        handled = verifier().process(batch, AUTO, process)
        assert [item.received for item in handled] == batch
        assert [item.disposition == PASSED for item in handled] == [True, False, True, False]


def test_an_envelope_signed_by_the_documented_rule_is_what_sign_makes():
    body = json.loads(signed(BOUNCE))
    assert sign({**body}, version="1")["Signature"] == body["Signature"]


class TestAFloodOfInventedCertificates:
    """A new certificate of SNS is fetched, whatever others name: SQS says who sent a message."""

    def test_new_good_messages_are_verified_beside_it(self):
        by = verifier(having(**{"ab" * 16: public()}))
        good = signed(BOUNCE, SigningCertURL=URL.replace("0123456789abcdef" * 2, "ab" * 16))
        forged = [
            signed(BOUNCE, SigningCertURL=URL.replace("0123456789abcdef" * 2, f"{number:032x}"))
            for number in range(200)
        ]
        flood = [replace(received(body), sender="AIDAOTHER") for body in forged]
        batch = [*flood, replace(received(good), sender="AIDAIT2UOQQY3AUEKVGXU")]
        handled = by.process(batch, REQUIRE, process)
        refused = [result.disposition for result in handled[:-1]]
        assert Counter(type(each) for each in refused) == {DeadLetter: 5, Release: 195}
        assert handled[-1].disposition is PASSED

    def test_the_same_sender_s_own_messages_wait_with_them(self):
        by = verifier(having(**{"ab" * 16: public()}))
        bodies = [
            signed(BOUNCE, SigningCertURL=URL.replace("0123456789abcdef" * 2, f"{number:032x}"))
            for number in (*range(6), int("ab" * 16, 16))
        ]
        batch = [replace(received(body), sender="AIDAOTHER") for body in bodies]
        handled = by.process(batch, REQUIRE, process)
        assert [type(result.disposition) for result in handled[-2:]] == [Release, Release]
