"""Which bounces are automatic replies, and which Transient bounces have a permanent status."""

import json
from pathlib import Path

import pytest
from support import mail

from worker.core.decode import decode

PAYLOADS = Path(__file__).parents[1] / "payloads"
WORDS = (
    "smtp; 250 2.0.0 Out of Office AutoReply: Jane Doe",
    "Automatic reply: your receipt",
    "I am away until Monday",
    "X-Autoreply: yes",
    "Vacation message from jane",
    "Abwesenheitsnotiz: bin im Urlaub",
    "ich bin zur Zeit nicht im Büro",
    "Réponse automatique : votre reçu",
    "Reponse automatique",
    "RESPUESTA AUTOMÁTICA",
    "Risposta automatica",
    "Resposta automática: férias",
    "Automatisch antwoord: afwezig",
    "Autosvar: på semester",
    "Automaattinen vastaus",
    "Odpowiedź automatyczna",
    "Automatická odpověď",
    "Automatikus válasz",
    "OTOMATİK YANIT: ofis dışında",  # noqa: RUF001
    "Αυτόματη απάντηση",
    "Автоматический ответ",
    "Автоматична відповідь",
    "תשובה אוטומטית",
    "رد تلقائي",
    "自動応答: 休暇中",
    "自动答复",
    "자동 회신",
    "ตอบกลับอัตโนมัติ: x",
    "Trả lời tự động",
    "=?utf-8?B?UsOpcG9uc2UgYXV0b21hdGlxdWU=?=",
)
OTHERS = (
    "smtp; 550 5.1.1 user unknown",
    "smtp; 451 4.7.1 greylisted, please try again later",
    "smtp; 421 4.4.2 mx.autoreply.example closed the connection",
    "smtp; 550 5.1.1 <out-of-office@example.com>: unknown user",
    "smtp; 452 4.2.2 mailbox is full, see https://example.com/vacation message",
    "smtp; 554 5.4.14 hop count exceeded, offices unreachable",
)


def bounce(type="Transient", subtype="General", **entry):
    body = mail.bounce(mail.recipient("jane@example.com", **entry), type=type, subtype=subtype)
    (feedback,) = decode(body)
    return feedback


class TestAutomaticReplies:
    def test_what_the_simulator_of_ses_sends_is_an_automatic_reply(self):
        body = (PAYLOADS / "event-bounce-simulator-ooto.json").read_text(encoding="utf-8")
        (feedback,) = decode(body)
        assert feedback.out_of_office

    @pytest.mark.parametrize("subtype", ["General", "GENERAL", "general"])
    @pytest.mark.parametrize("empty", [None, ""])
    def test_a_general_bounce_without_a_delivery_status_notification_is_an_automatic_reply(
        self, subtype, empty
    ):
        fields = dict.fromkeys(("action", "status", "diagnosticCode"), empty)
        assert bounce(subtype=subtype, **fields).out_of_office
        assert bounce("TRANSIENT", subtype).out_of_office

    @pytest.mark.parametrize(
        "entry",
        [{"action": "failed"}, {"status": "4.4.7"}, {"diagnosticCode": "smtp; 550 no"}],
    )
    def test_a_bounce_with_a_part_of_such_a_notification_is_none(self, entry):
        assert not bounce(**entry).out_of_office

    @pytest.mark.parametrize("diagnostic", WORDS)
    def test_a_reply_that_calls_itself_automatic_is_automatic_in_any_language(self, diagnostic):
        assert bounce(diagnosticCode=diagnostic, status="4.0.0", action="failed").out_of_office

    @pytest.mark.parametrize("diagnostic", OTHERS)
    def test_a_refusal_is_none_whatever_addresses_and_hosts_it_names(self, diagnostic):
        assert not bounce(diagnosticCode=diagnostic).out_of_office

    @pytest.mark.parametrize(
        ("type", "subtype"),
        [
            ("Permanent", "General"),
            ("Undetermined", "Undetermined"),
            ("Transient", "MailboxFull"),
            ("Transient", "MessageTooLarge"),
            ("Transient", "CustomTimeoutExceeded"),
            ("Transient", None),
            (None, "General"),
        ],
    )
    def test_a_bounce_of_another_sort_is_none(self, type, subtype):
        assert not bounce(type, subtype).out_of_office

    def test_a_complaint_is_none(self):
        (feedback,) = decode(mail.complaint("jane@example.com", feedback="Transient"))
        assert not feedback.out_of_office


class TestPermanentStatus:
    @pytest.mark.parametrize(
        ("status", "diagnostic", "expected"),
        [
            ("5.3.0", "smtp; 550 denied", True),
            ("5.2.2 (mailbox full)", "", True),
            ("4.4.7", "smtp; 550 5.4.4 Invalid domain", False),
            ("", "smtp; 550 5.4.4 Invalid domain", True),
            (None, "smtp; 451 4.7.1 greylisted", False),
            (None, "smtp; 550 denied", True),
            (None, "550-denied", True),
            (None, "SMTP;550 denied", True),
            (None, "smtp; 450 try again", False),
            ("unknown", "smtp; 5501 apples", False),
            (None, "host 5.6.7.8 said: no", False),
            (None, None, False),
        ],
    )
    def test_the_status_decides_then_the_code_in_the_diagnostic(self, status, diagnostic, expected):
        found = bounce(subtype="MailboxFull", status=status, diagnosticCode=diagnostic)
        assert found.permanent_status == expected

    def test_only_transient_bounces_can_have_it(self):
        assert not bounce("Permanent", status="5.1.1").permanent_status
        assert not bounce("Undetermined", "Undetermined", status="5.1.1").permanent_status


def test_each_recipient_is_judged_alone():
    body = mail.bounce(
        mail.recipient("jane@example.com"),
        mail.recipient("joe@example.com", status="5.3.0"),
        type="Transient",
    )
    found = {
        feedback.address.key: (feedback.out_of_office, feedback.permanent_status)
        for feedback in decode(json.dumps(json.loads(body)))
    }
    assert found == {"jane@example.com": (True, False), "joe@example.com": (False, True)}
