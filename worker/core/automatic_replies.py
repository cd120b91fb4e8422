"""Whether a bounce is an automatic reply, such as an out-of-office message. Pure.

SES takes an automatic reply for a bounce, since it comes to the address for bounces. It reports
Transient/General, and no `action`, `status` or `diagnosticCode`, for such a reply has no delivery
status notification (RFC 3834). SES does not count it in the bounce rate
(https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html#bounce-types).

Some servers put their reply into such a notification. Then the words show what it is: those with
which mail programs begin the subject of an automatic reply, and with which people write that they
are away, in the languages in which the large mail programs are written.
"""

import unicodedata

from worker.core.encoded_words import decoded, has_words
from worker.core.faults import without_echoes
from worker.core.limits import LONGEST_REPLY
from worker.core.model import Recipient

_SUBTYPES = ("general", "")
_PHRASES = """
    out of office; out of the office; automatic reply; automatic response; auto reply; autoreply;
    auto response; autoresponse; auto responder; autoresponder; auto submitted; on vacation;
    vacation message; vacation notice; vacation reply; away from the office; away from my desk;
    away from my mail; currently away; i am away; i m away; am on leave; m on leave; on holiday;
    on annual leave; on maternity leave; on parental leave; on sick leave;
    abwesend; abwesenheit; automatische antwort; außer haus; im urlaub; nicht im büro;
    nicht im buero; nicht im hause;
    réponse automatique; absence du bureau; absent du bureau; absente du bureau; d absence;
    en congé; en vacances;
    respuesta automática; fuera de la oficina; fuera de oficina; ausente de la oficina;
    de vacaciones;
    risposta automatica; fuori sede; fuori ufficio; assente dall ufficio; in ferie; non al computer;
    resposta automática; auto resposta; fora do escritório; ausente do escritório; de férias;
    em férias;
    automatisch antwoord; afwezig; buiten kantoor; niet op kantoor; met vakantie; op vakantie;
    automatiskt svar; automatisk svar; autosvar; frånvaro; på semester; inte på kontoret;
    fravær; ikke på kontoret; på ferie;
    automaattinen vastaus; poissa toimistosta; lomalla;
    automatyczna odpowiedź; odpowiedź automatyczna; autoodpowiedź; poza biurem; na urlopie;
    automatická odpověď; automatická odpoveď; mimo kancelář; na dovolené; na dovolenke;
    automatikus válasz; házon kívül; szabadságon;
    răspuns automat; în afara biroului; în concediu;
    samodejni odgovor; automatski odgovor; automatinis atsakymas; automaatvastus;
    otomatik yanıt; ofis dışında;
    αυτόματη απάντηση; εκτός γραφείου;
    автоматический ответ; автоответ; в отпуске; вне офиса;
    автоматична відповідь; автовідповідь; у відпустці; автоматичен отговор;
    תשובה אוטומטית; מענה אוטומטי; מחוץ למשרד; رد تلقائي; خارج المكتب;
    자동 회신; 자동 응답; 부재 중; 부재중; 휴가 중;
    trả lời tự động; tự động trả lời; balasan otomatis; jawaban otomatis; di luar kantor
"""  # noqa: RUF001 letters of other alphabets are meant
"""Each fits where a word begins, and its last word may go on: `abwesend`, `Abwesenheitsnotiz`."""
_WITHOUT_BLANKS = """
    自動応答; 自動返信; 不在通知; 不在のため; 休暇中; 自动答复; 自动回复; 自动应答;
    自動回覆; 自動答覆; 自動回復; 不在办公室; 不在辦公室; 休假中; ตอบกลับอัตโนมัติ
"""
"""In languages that write no blanks between words."""


def is_automatic_reply(subtype: str | None, recipient: Recipient) -> bool:
    """Return whether a Transient bounce is an automatic reply."""
    if (subtype or "").lower() not in _SUBTYPES:
        return False
    diagnostic = recipient.diagnostic
    if not diagnostic:
        return bool(subtype) and not recipient.action and not recipient.status
    reply = diagnostic[:LONGEST_REPLY]
    if has_words(reply):
        reply = decoded(reply) or reply
    if reply.isascii():
        lowered = reply.lower()
        if not any(stem in lowered for stem in _STEMS):  # nearly all
            return False
    words = f" {_plain(without_echoes(reply))}"
    return any(phrase in words for phrase in _SOUGHT)


def _plain(text: str) -> str:
    """Write a text without accents, which not all mail programs write, and in one case."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("ı", "i"))  # noqa: RUF001
    return "".join([letter for letter in decomposed if not unicodedata.combining(letter)])


def _phrases(text: str) -> list[str]:
    return [_plain(phrase.strip()) for phrase in text.split(";")]


_SPACED = _phrases(_PHRASES)
_SOUGHT = (*(f" {phrase}" for phrase in _SPACED), *_phrases(_WITHOUT_BLANKS))
_STEMS = tuple(sorted({
    "auto" if phrase.startswith("auto") else max(phrase.split(), key=len)[:5]
    for phrase in _SPACED
    if phrase.isascii()
}))  # fmt: skip
"""At least one of these words is in each reply in ASCII that has a phrase."""
