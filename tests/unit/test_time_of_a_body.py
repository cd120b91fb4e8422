"""Whatever a sender writes into a body, to read it costs about what to parse its JSON costs."""

import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import mail, timing, worst

from worker.core.decode import decode
from worker.core.limits import DEEPEST_JSON, MOST_RECIPIENTS
from worker.core.model import Feedback, Malformed, Reason
from worker.core.nesting import is_nested_too_deep

IN_ENVELOPES = ("escaped quotes", "backslashes", "half pairs", "braces", "blanks", "nothing")
"""What is written otherwise in an envelope, or is looked for there."""


def faults(field, units, wrap=str):
    found = {}
    for name in units:
        unit = worst.CHARACTERS[name]
        wrong = timing.is_bounded(
            decode, lambda size, unit=unit: wrap(worst.body(field, worst.filled(unit, size)))
        )
        if wrong:
            found[name] = wrong
    return found


@pytest.mark.parametrize("field", [*worst.BODIES, *worst.ENVELOPES, *worst.WRAPPINGS])
def test_no_field_costs_more_whatever_it_is_full_of(field):
    assert faults(field, worst.CHARACTERS) == {}


@pytest.mark.parametrize("field", [*worst.BODIES, *worst.WRAPPINGS])
def test_nor_does_a_body_in_an_envelope(field):
    assert faults(field, IN_ENVELOPES, mail.enveloped) == {}


@pytest.mark.parametrize("value", worst.VALUES.values(), ids=worst.VALUES)
@pytest.mark.parametrize(
    "place",
    [
        "notificationType", "bounce/timestamp", "bounce/bouncedRecipients", "new",
        "EventBridge resources", "EventBridge detail", "status detail/data/record/lastUpdatedTimestamp",
        "status detail/data", "records Records", "records Records/0", "records Records/0/Sns",
        "others S3Payload", "a pointer's 1",
    ],
)  # fmt: skip
def test_nor_does_a_list(place, value):
    assert not timing.is_bounded(decode, lambda size: worst.a_list(place, value, size))


@settings(max_examples=40, deadline=None)
@given(
    field=st.sampled_from([*worst.BODIES, *worst.ENVELOPES, *worst.WRAPPINGS]),
    units=st.lists(st.sampled_from(list(worst.CHARACTERS.values())), min_size=1, max_size=6),
    before=st.sampled_from(["", "2026-11-20T08:15:33", "jane@example.com ", '"', "<a@b>"]),
    behind=st.sampled_from(["", "x", "+00:0", "@example.com", ">", '"@b.c']),
)
@example("bounce/timestamp", [" "], "2026-11-20T08:15:33", "x")
@example("bounce/timestamp", ["0"], "2026-11-20T08:15:33.", "x")
@example("bounce/bouncedRecipients/0/emailAddress", ["@,"], "", "<a@b>")
def test_nor_does_any_mixture(field, units, before, behind):
    unit = "".join(units)
    assert not timing.is_bounded(
        decode, lambda size: worst.body(field, before + worst.filled(unit, size) + behind)
    )


@pytest.mark.parametrize("unit", worst.CHARACTERS.values(), ids=worst.CHARACTERS)
def test_a_thousand_recipients_cost_in_proportion_to_their_number(unit):
    """Of each address as much as is looked at is as bad as can be."""

    def of(number):
        half = worst.filled(unit, 300)[:150]
        addresses = [f"{n}{half}@{half}.example" for n in range(number)]
        return mail.bounce(*addresses, feedback_id="f", message_id="m")

    few, many = of(MOST_RECIPIENTS // 10), of(MOST_RECIPIENTS)
    limit = 15 * max(timing.seconds(lambda: decode(few)), timing.LEAST_SECONDS)
    assert timing.seconds(lambda: decode(many), limit) <= limit


def test_a_message_without_ids_is_read_once_for_all_its_recipients():
    def of(number):
        message = mail.bounce(*mail.addresses(number), new="x" * (timing.SIZE - 50_000))
        for path in (("bounce", "feedbackId"), ("mail", "messageId")):
            message = mail.without(message, *path)
        return message

    many = of(MOST_RECIPIENTS)
    assert timing.seconds(lambda: decode(many), 0.1) <= 0.1


@pytest.mark.parametrize("unit", worst.CHARACTERS.values(), ids=worst.CHARACTERS)
def test_the_longest_addresses_cost_no_more(unit):
    text = worst.filled(unit, 2_000)[:2_000]
    whole = mail.bounce(*[f"{n}{text}"[:2_000] for n in range(500)])
    assert timing.seconds(lambda: decode(whole), 0.1) <= 0.1


def nested(field, pair, levels):
    opening = "[" if pair == "[]" else '{"a":'
    deep = opening * (levels - 1) + pair + pair[1] * (levels - 1)
    return worst.BODIES[field].replace(f'"{worst.MARK}"', deep)


class TestNesting:
    @pytest.mark.parametrize("pair", ["[]", "{}"])
    @pytest.mark.parametrize("wrap", [str, mail.enveloped], ids=["raw", "enveloped"])
    @pytest.mark.parametrize("field", ["new", "bounce/new", "bounce/bouncedRecipients/0/new"])
    def test_so_deep_and_no_deeper(self, field, wrap, pair):
        observability = worst.BODIES[field].partition(worst.MARK)[0]
        room = (
            DEEPEST_JSON - sum(map(observability.count, "{[")) + sum(map(observability.count, "}]"))
        )
        assert isinstance(decode(wrap(nested(field, pair, room)))[0], Feedback)
        malformed = decode(wrap(nested(field, pair, room + 1)))
        assert malformed == Malformed(Reason.NOT_JSON, "nested more than 100 levels deep")

    def test_an_envelope_is_counted_by_itself(self):
        room = DEEPEST_JSON - 1
        deep = mail.enveloped(mail.bounce("jane@example.com"), new=0)
        for levels, fits in ((room, True), (room + 1, False)):
            body = deep.replace('"new": 0', '"new": ' + "[" * levels + "]" * levels)
            assert isinstance(decode(body), tuple) == fits

    @pytest.mark.parametrize("text", ['"[{', '\\"[', "\\\\", "[]{}", '"'])
    def test_brackets_in_texts_are_none(self, text):
        body = mail.bounce("jane@example.com", new=[{"a": text * 200}] * 200)
        assert isinstance(decode(body), tuple)
        assert isinstance(decode(mail.enveloped(body)), tuple)

    @given(st.recursive(st.text('["]{}\\a') | st.none(), lambda inner: st.lists(inner, max_size=3)))
    def test_the_depth_is_that_of_the_json(self, value):
        def depth(value):
            return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0

        wide = "[" + "[]," * DEEPEST_JSON + worst.written(value) + "]"
        room = DEEPEST_JSON - 1 - max(1, depth(value))
        assert not is_nested_too_deep("[" * room + wide + "]" * room)
        assert is_nested_too_deep("[" * (room + 1) + wide + "]" * (room + 1))

    @pytest.mark.parametrize("text", ["[" * 1_000_000, '{"a":' * 200_000, "]" * 1_000_000])
    def test_what_is_never_closed_takes_no_time(self, text):
        assert timing.seconds(lambda: decode(text), 0.05) < 0.05


class TestRecipients:
    @pytest.mark.parametrize("kind", ["bounce", "complaint"])
    def test_so_many_and_no_more(self, kind):
        people = [f"person{number}@example.com" for number in range(MOST_RECIPIENTS + 1)]
        make = getattr(mail, kind)
        assert len(decode(make(*people[:-1]))) == MOST_RECIPIENTS
        malformed = decode(make(*people))
        assert malformed.reason is Reason.TOO_MANY_RECIPIENTS
        assert "1,001 recipients" in malformed.detail

    def test_a_few_with_many_commas_are_not_too_many(self):
        entry = mail.recipient("jane@example.com", diagnosticCode="," * 5_000, colour="red")
        assert len(decode(mail.bounce(entry, 5))) == 2

    @pytest.mark.parametrize("value", worst.VALUES.values(), ids=worst.VALUES)
    def test_too_many_of_whatever_it_is_are_too_many(self, value):
        body = worst.a_list("bounce/bouncedRecipients", value, 1_001 * (len(value) + 1))
        assert decode(body).reason is Reason.TOO_MANY_RECIPIENTS

    @pytest.mark.parametrize("value", worst.VALUES.values(), ids=worst.VALUES)
    @pytest.mark.parametrize(
        "place", ["bounce/bouncedRecipients", "bounce/bouncedRecipients/0/new", "notificationType"]
    )
    def test_a_body_takes_a_small_multiple_of_its_length_in_memory(self, place, value):
        body = worst.a_list(place, value, 300_000)
        tracemalloc.start()
        try:
            decode(body)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert most < 20 * len(body)
