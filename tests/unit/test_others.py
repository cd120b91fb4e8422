"""A person is found in a message however the address is spelled, and nobody else is left in it."""

import inspect
import json
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import mail

from worker.core.masking import addresses_in, domain_at, mask_addresses
from worker.core.naming import names_any, names_people
from worker.core.others import message_without_others, without_others
from worker.core.redacting import redacted_text

JANE = "jane.doe@example.com"
SPELLINGS = (
    "jane.doe@example.com",
    "Jane.Doe@EXAMPLE.com.",
    "<jane.doe@example.com>:",
    "rfc822;jane.doe@example.com",
    "jane.doe%40example.com",
    "jane.doe\\u0040example.com",
    "jane.doe&#64;example.com",
    "jane.doe (at) example.com",
    "jane dot doe at example dot com",
    "\uff4aane.doe\uff20example.com",
    "j a n e . d o e @ e x a m p l e . c o m",
)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    "text", ["{}", "smtp; 550 5.1.1 {}: user unknown", f"{'x ' * 3_000}{{}} y"]
)
def test_a_person_is_found_in_any_spelling(spelling, text):
    assert names_any(text.format(spelling), [JANE])


@pytest.mark.parametrize(
    "text",
    ["mary.jane.doe@example.com", "jane.doe@example.com.evil.example", "jane.doe@example.org",
     "jane.doe+shop@example.com", "jane.doe", "", "jane.do@example.com"],
)  # fmt: skip
def test_somebody_else_is_somebody_else(text):
    assert not names_any(text, [JANE])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("joe@example.org, jane.doe@example.com", "***@example.org, jane.doe@example.com"),
        ("mary.jane.doe@example.com", "***@example.com"),
        ("to=jane.doe@example.com via=joe@example.org", "to=jane.doe@example.com ***@example.org"),
        ("a@b@example.com", "***@example.com"),
        ("no address", "no address"),
    ],
)
def test_the_addresses_of_others_are_masked_in_a_sentence(text, shown):
    assert without_others(text, JANE) == shown


@pytest.mark.parametrize(
    "text", ["o'brien@example.com", "o/brien@example.com", "550 <o'brien@example.com> unknown"]
)
def test_an_address_that_only_ends_alike_is_masked(text):
    assert "brien" not in without_others(text, "brien@example.com")
    message = json.dumps({"bounce": {"bouncedRecipients": [{"emailAddress": text}]}})
    assert "brien" not in message_without_others(message, "brien@example.com")


def test_of_a_message_in_wrappings_only_the_person_is_left():
    body = mail.enveloped(mail.bounce(JANE, "joe@example.org", feedback_id="f", message_id="m"))
    shown = message_without_others(body, JANE)
    inside = json.loads(json.loads(shown)["Message"])
    listed = [entry["emailAddress"] for entry in inside["bounce"]["bouncedRecipients"]]
    assert listed == [JANE, "***@example.org"]


def test_an_entry_for_somebody_else_loses_its_display_name():
    headers = {"to": f'"Miller, Joe" <joe@example.org>, Jane <{JANE}>', "subject": "Hello, all"}
    shown = json.loads(message_without_others(json.dumps({"commonHeaders": headers}), JANE))[
        "commonHeaders"
    ]
    assert shown == {"to": f"***@example.org, Jane <{JANE}>", "subject": "Hello, all"}


def test_a_body_that_is_no_json_is_a_text():
    assert (
        message_without_others(f"{JANE} and joe@example.org {{", JANE)
        == f"{JANE} and ***@example.org {{"
    )
    assert message_without_others("[" * 50_000 + JANE, JANE) == "[" * 50_000 + JANE


@given(st.text(alphabet='abc@.<>"\\ ,;:()[]=%40', max_size=60))
def test_the_spans_are_those_that_masking_hides(text):
    masked = mask_addresses(text)
    assert without_others(text, "zzz@example.com") == masked


@pytest.mark.parametrize(
    "body",
    ["a@b.c " * 170_000, "@" * 1_000_000, '"' * 500_000 + "@b", json.dumps({"to": "a@b.c," * 150_000}),
     json.dumps({"to": '"' * 500_000 + "@b"}), json.dumps(["{" * 90 + '"x"'] * 5_000),
     "jane.doe at example com " * 40_000],
    ids=range(7),
)  # fmt: skip
def test_a_message_of_a_mebibyte_takes_seconds_at_most(body):
    begun = time.process_time()
    names_people([body, f"{body} {JANE}"], [JANE])
    message_without_others(body, JANE)
    message_without_others(f"{body} {JANE}", JANE)
    message_without_others(json.dumps({"a": JANE, "b": body}), JANE)
    assert time.process_time() - begun < 20


def nested(text, levels, *, texts):
    """A text within objects, as JSON; that within objects again."""
    for _ in range(texts):
        value = text
        for _ in range(levels):
            value = {"a": value}
        text = json.dumps(value)
    return text


@pytest.fixture(params=[450, 525, 600])
def little_stack(request):
    """Fewer calls than Python allows a command: the commands around it take some, too."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + request.param)
    yield
    sys.setrecursionlimit(usual)


@pytest.mark.parametrize(("levels", "texts"), [(98, 1), (98, 4), (25, 4), (1, 12)])
def test_no_depth_of_nesting_stops_a_command(levels, texts, little_stack):
    body = nested(f"{JANE} or joe@example.org", levels, texts=texts)
    assert names_people(body, [JANE])
    shown = message_without_others(body, JANE)
    assert names_people(shown, [JANE])
    assert "joe@" not in shown
    redacted = redacted_text(body, [JANE])
    assert "joe@example.org" in redacted
    assert not names_people(redacted, [JANE])


def test_spans_name_local_part_sign_and_domain():
    text = "to <joe (at) example.org>"
    ((start, sign, domain),) = addresses_in(text)
    assert (text[start:sign], domain_at(text, domain)) == ("joe", "example.org")


@pytest.mark.parametrize("who", ["emailAddress", "reported"])
def test_of_the_entry_of_somebody_else_only_the_domain_is_left(who):
    """An answer of a mail server may name a mailbox without its domain."""
    jane = {who: JANE, "diagnosticCode": "550 no user jane.doe here"}
    joe = {who: "Joe <joe.miller@example.org>", "diagnosticCode": "550 no user joe.miller here"}
    odd = {who: "joe.miller", "diagnosticCode": "550 no user joe.miller here"}
    shown = message_without_others(json.dumps({"recipients": [joe, jane, odd]}), JANE)
    assert json.loads(shown)["recipients"] == [{who: "***@example.org"}, jane, {who: "***"}]
