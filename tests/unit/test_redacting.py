"""Redaction: a person is taken out of a message, and the others' part means what it meant."""

import json

import pytest
from support import timing

from worker.core.decode import decode, feedback_in, parts_of
from worker.core.naming import hide_all, names_any, names_people
from worker.core.redacting import (
    CannotRedact,
    redacted_body,
    redacted_text,
)

JANE = "jane.doe@example.com"
OTHERS = ["bob@example.com", "mary.jane.doe@example.com", "jane.doe@example.com.br", "ann@x.org"]
SPELLINGS = [
    "jane.doe@example.com",
    "Jane.Doe@EXAMPLE.com",
    "jane.doe%40example.com",
    "jane.doe=40example.com",
    "jane.doe (at) example.com",
    "jane.doe [at] example [dot] com",
    "jane.doe&#64;example.com",
    "jane.doe&commat;example.com",
    "jane.doe\\u0040example.com",
    "\uff4aane.doe\uff20example.com",
]


def ses_message(*people, kind="bounce", ids=True, **more):
    entries = [{"emailAddress": person, "status": "5.1.1", **more} for person in people]
    name = {"bounce": "bouncedRecipients", "complaint": "complainedRecipients"}[kind]
    report = {name: entries, "timestamp": "2026-11-20T08:15:33.000Z"}
    if kind == "bounce":
        report |= {"bounceType": "Permanent", "bounceSubType": "General"}
    if ids:
        report["feedbackId"] = "0100018-feedback"
    mail = {
        "destination": list(people),
        "headers": [{"name": "To", "value": ", ".join(people)}],
        "commonHeaders": {"to": [f"Someone <{person}>" for person in people]},
    }
    if ids:
        mail["messageId"] = "0100018-mail"
    return json.dumps({"notificationType": kind.title(), kind: report, "mail": mail})


def envelope(message, **more):
    return json.dumps({
        "Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:111122223333:ses",
        "Message": message, **more,
    })  # fmt: skip


def keys_of(body):
    found = feedback_in(parts_of(decode(body)))
    return [(item.dedupe_key, item.route_key, item.address.key) for item in found]


def wrapped_in(how, message):
    if how == "event":
        detail = json.loads(message)
        detail["eventType"] = detail.pop("notificationType")
        return json.dumps({"detail-type": "Email Bounced", "source": "aws.ses", "detail": detail})
    if how == "record":
        return json.dumps(
            {"Records": [{"EventSource": "aws:sns", "Sns": json.loads(envelope(message))}]}
        )
    if how == "twice":
        return envelope(envelope(message))
    return envelope(message) if how == "envelope" else message


@pytest.mark.parametrize("how", ["bare", "envelope", "twice", "event", "record"])
@pytest.mark.parametrize("kind", ["bounce", "complaint"])
def test_the_others_of_a_message_keep_their_keys_however_it_is_wrapped(how, kind):
    body = wrapped_in(how, ses_message(*OTHERS[:2], JANE, *OTHERS[2:], kind=kind))
    after = redacted_body(body, {JANE})
    assert not names_people(after, {JANE})
    assert keys_of(after) == [keys for keys in keys_of(body) if keys[2] != JANE]
    assert [key for _, _, key in keys_of(after)] == OTHERS


@pytest.mark.parametrize("how", ["bare", "envelope", "twice", "event", "record"])
def test_of_a_message_about_nobody_else_nothing_is_left(how):
    assert (
        redacted_body(wrapped_in(how, ses_message("Jane <Jane.Doe@Example.com>")), {JANE}) is None
    )


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_address_is_found_and_hidden_in_every_spelling(spelling):
    diagnostic = f"550 5.1.1 <{spelling}>: unknown, and mary.{JANE} is not her"
    body = envelope(ses_message("bob@example.com", diagnosticCode=diagnostic))
    assert names_people(body, {JANE})
    after = redacted_body(body, {JANE})
    assert not names_people(after, {JANE})
    assert keys_of(after) == keys_of(body)
    (bob,) = feedback_in(parts_of(decode(after)))
    assert "mary.jane.doe@example.com is not her" in bob.recipient.diagnostic
    assert "unknown" in bob.recipient.diagnostic


@pytest.mark.parametrize(
    "text",
    [
        "mary.jane.doe@example.com", "jane.doe@example.com.br", "jane.doe@example.comet",
        "xjane.doe@example.com", "jane-jane.doe@example.com", "jane.doe@example.com-pany.org",
    ],
)  # fmt: skip
def test_an_address_that_only_contains_it_is_somebody_elses(text):
    assert not names_any(text, [JANE])
    assert hide_all(text, [JANE]) == text


@pytest.mark.parametrize(
    "text",
    [
        "tell jane.doe@example.com.", "(jane.doe@example.com)", "to=jane.doe@example.com;",
        "'jane.doe@example.com', bob", "<jane.doe@example.com>...", "rfc822;jane.doe@example.com",
    ],
)  # fmt: skip
def test_what_surrounds_it_does_not_hide_it(text):
    assert names_any(text, [JANE])
    assert hide_all(text, [JANE]) == text.replace("jane.doe", "***")


def test_a_person_who_is_only_named_in_the_mail_is_taken_out_of_it():
    message = json.loads(ses_message("bob@example.com"))
    message["mail"]["destination"].append(JANE)
    message["mail"]["tags"] = {"person": [JANE]}
    body = envelope(json.dumps(message))
    after = redacted_body(body, {JANE})
    assert keys_of(after) == keys_of(body)
    assert not names_people(after, {JANE})


def test_of_several_records_only_that_of_the_person_goes():
    records = [ses_message("bob@example.com"), ses_message(JANE), ses_message(JANE, "ann@x.org")]
    body = json.dumps({
        "Records": [{"EventSource": "aws:sns", "Sns": json.loads(envelope(text))} for text in records]
    })  # fmt: skip
    after = redacted_body(body, {JANE})
    assert keys_of(after) == [keys for keys in keys_of(body) if keys[2] != JANE]
    assert len(json.loads(after)["Records"]) == 2


def test_a_signature_that_no_longer_holds_is_taken_off():
    signed = {"Signature": "x", "SignatureVersion": "1", "SigningCertURL": "https://sns.x"}
    body = envelope(ses_message(JANE, "bob@example.com"), **signed)
    assert not set(signed) & set(json.loads(redacted_body(body, {JANE})))
    other = envelope(ses_message("bob@example.com"), **signed)
    assert redacted_body(other, {JANE}) == other


def test_keys_that_are_made_of_the_whole_text_cannot_be_kept():
    with pytest.raises(CannotRedact, match="no ids of SES's"):
        redacted_body(ses_message(JANE, "bob@example.com", ids=False), {JANE})


def test_what_cannot_be_understood_still_cannot_for_the_same_reason():
    for body in (
        f'{{"x": "jane.doe@example.com", "y": "{OTHERS[0]}"}}', f"not JSON: {JANE} {OTHERS[1]}",
        f'["{JANE}", ["{OTHERS[2]}"]]', f'{{"broken": "{JANE}, {OTHERS[3]}',
        f'{{"notificationType": "Bounce", "for": "{JANE}", "by": "{OTHERS[0]}"}}',
    ):  # fmt: skip
        after = redacted_body(body, {JANE})
        assert not names_people(after, {JANE})
        (before,), (now,) = parts_of(decode(body)), parts_of(decode(after))
        assert before.reason is now.reason


def test_several_people_are_taken_out_at_once():
    body = ses_message(JANE, "bob@example.com", "ann@x.org")
    after = redacted_body(body, {JANE, "ann@x.org"})
    assert [key for _, _, key in keys_of(after)] == ["bob@example.com"]


def test_text_that_names_nobody_is_not_touched():
    text = '{ "a" :  "bob@example.com" }'
    assert redacted_text(text, {JANE}) == text
    assert not names_people(json.loads(text), {JANE})


JUERGEN = "jürgen@example.com"
WORDS = [
    "=?UTF-8?Q?j=C3=BCrgen?=@example.com",
    "=?utf-8?B?asO8cmdlbg==?=@Example.com",
    "=?utf-8?Q?j=C3?= =?utf-8?Q?=BCrgen?=@example.com",
    "=?UTF-8?Q?J=C3=BCrgen=40example=2Ecom?=",
    "=?UTF-8?Q?For_j=C3=BCrgen=40example.com,_please?=",
]


@pytest.mark.parametrize("spelling", WORDS)
def test_an_address_in_encoded_words_is_found_and_masked(spelling):
    """Programs write local parts so that are not ASCII: SES refuses any other spelling."""
    for text in (spelling, f"550 <{spelling}> unknown", f"x =?x?= {spelling}, ann@x.org"):
        assert names_any(text, [JUERGEN]), text
        assert not names_any(hide_all(text, [JUERGEN]), [JUERGEN]), text
        assert not names_any(text, ["rgen@example.com", "ann@example.com"])
        assert hide_all(text, ["ann@example.com"]) == text
    masked = hide_all(f"550 <{WORDS[0]}> unknown, ann@x.org", [JUERGEN])
    assert masked == "550 <***@example.com> unknown, ann@x.org"


@pytest.mark.parametrize("spelling", WORDS[:3])
def test_a_message_that_spells_a_person_in_encoded_words_is_redacted(spelling):
    assert names_people(ses_message(spelling), [JUERGEN])
    assert redacted_body(envelope(ses_message(spelling)), [JUERGEN]) is None
    body = envelope(ses_message("bob@example.com", spelling))
    after = redacted_body(body, [JUERGEN])
    assert not names_people(after, [JUERGEN])
    assert keys_of(after) == [key for key in keys_of(body) if key[2] != JUERGEN]


def test_encoded_words_without_text_hide_nothing():
    for text in ("=?nope?Q?j?=", "=?utf-8?B?!?=", "=?utf-8?Q?=FF?=@example.com", "=?=?=?", "=?"):
        assert not names_any(text, [JUERGEN])
        assert hide_all(f"{text} {JUERGEN}", [JUERGEN]) == f"{text} ***@example.com"


def test_many_encoded_words_take_time_that_grows_with_them_only():
    text = "=?utf-8?Q?j=C3=BC?= x " * 20_000
    assert not names_any(text, [JUERGEN])
    assert timing.seconds(lambda: names_any(text, [JUERGEN]), enough=5) < 5


@pytest.mark.parametrize(
    "body",
    [
        "not json about jane.doe@example.com",
        "bad from Jane <Jane.Doe@Example.com>, jane.doe (at) example.com",
        '{"x": "jane.doe@example.com"}',
        '{"notificationType": "Bounce", "for": ["jane.doe%40example.com"]}',
        '{"broken": "jane.doe@example.com',
        envelope("bad from Jane <jane.doe@example.com>"),
    ],
)
def test_what_cannot_be_understood_and_names_nobody_else_goes(body):
    assert redacted_body(body, {JANE}) is None


def test_a_display_name_goes_with_the_address_and_an_answer_keeps_its_words():
    message = json.loads(ses_message(OTHERS[0], diagnosticCode=f"550 Spam from Jane <{JANE}>"))
    message["mail"]["headers"] = [
        {"name": "To", "value": f'"Doe, Jane" <{JANE}>, Bob <{OTHERS[0]}>'}
    ]
    after = redacted_body(json.dumps(message), {JANE})
    assert "Doe" not in after
    assert "Bob <bob@example.com>" in after
    assert "550 Spam from Jane <***@example.com>" in after
