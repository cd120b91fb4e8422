"""What makes the same feedback the same."""

import pytest
from support import mail

from worker.core.decode import decode


def keys(message):
    return [(feedback.dedupe_key, feedback.route_key) for feedback in decode(message)]


def test_the_same_message_has_the_same_keys_whatever_brought_it():
    message = mail.bounce("jane@example.com")
    assert keys(message) == keys(mail.enveloped(message)) == keys(mail.enveloped(message))


def test_both_publishing_routes_share_the_route_key():
    same = {"message_id": "0100-mail", "at": mail.TIME}
    notification = mail.bounce("jane@example.com", feedback_id="0100-a", **same)
    event = mail.bounce("jane@example.com", feedback_id="0100-b", event=True, **same)
    (first,), (other,) = keys(notification), keys(event)
    assert first[0] != other[0]
    assert first[1] == other[1]


def test_a_time_written_differently_is_the_same_time():
    same = {"message_id": "0100-mail", "feedback_id": "f"}
    zulu = mail.bounce("jane@example.com", at="2026-11-02T08:15:33.000Z", **same)
    offset = mail.bounce("jane@example.com", at="2026-11-02T10:15:33+02:00", **same)
    assert keys(zulu) == keys(offset)


BASE = {"feedback_id": "0100-a", "message_id": "0100-m", "at": mail.TIME}


@pytest.mark.parametrize(
    ("change", "distinguishes"),
    [
        ({"feedback_id": "0100-b"}, (True, False)),
        ({"message_id": "0100-n"}, (False, True)),
        ({"type": "Transient"}, (False, True)),
        ({"subtype": "NoEmail"}, (False, True)),
        ({"at": "2026-11-20T08:15:33.001Z"}, (False, True)),
    ],
)
def test_each_part_distinguishes_events(change, distinguishes):
    ((dedupe, route),) = keys(mail.bounce("jane@example.com", **BASE))
    ((other_dedupe, other_route),) = keys(mail.bounce("jane@example.com", **(BASE | change)))
    assert (dedupe != other_dedupe, route != other_route) == distinguishes


def test_kind_and_recipient_distinguish_events_in_both_keys():
    ((dedupe, route),) = keys(mail.bounce("jane@example.com", **BASE))
    others = [mail.bounce("joan@example.com", **BASE), mail.complaint("jane@example.com", **BASE)]
    for message in others:
        ((other_dedupe, other_route),) = keys(message)
        assert dedupe != other_dedupe
        assert route != other_route


def test_parts_of_a_key_do_not_run_together():
    first = mail.bounce("jane@example.com", type="ab", subtype="c", **BASE)
    other = mail.bounce("jane@example.com", type="a", subtype="bc", **BASE)
    assert keys(first)[0][1] != keys(other)[0][1]


class TestWhatIsMissing:
    def test_without_feedback_id_the_route_distinguishes_events(self):
        same = {"feedback_id": "x", "message_id": "0100-m"}
        first = mail.without(mail.bounce("jane@example.com", **same), "bounce", "feedbackId")
        later = mail.bounce("jane@example.com", at="2026-11-21T00:00:00Z", **same)
        other = mail.without(later, "bounce", "feedbackId")
        assert keys(first)[0][0] != keys(other)[0][0]
        assert keys(first) == keys(mail.enveloped(first))

    def test_without_message_id_the_feedback_id_does(self):
        first = mail.without(mail.bounce("jane@example.com", feedback_id="0100-a"), "mail")
        other = mail.without(mail.bounce("jane@example.com", feedback_id="0100-b"), "mail")
        assert keys(first)[0][1] != keys(other)[0][1]

    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [
            (None, 1_763_625_600),
            ("", None),
            ("2026-06-30T23:59:60Z", "2026-06-30T23:59:60.000Z"),
            ("2026-06-30t23:59:60.5z", " 2026-06-30T23:59:60.500Z"),
        ],
    )
    def test_an_unreadable_time_keeps_both_routes_the_same_event(self, ours, theirs):
        first = mail.bounce("jane@example.com", feedback_id="a", message_id="0100-m", at=ours)
        other = mail.bounce(
            "jane@example.com", feedback_id="b", message_id="0100-m", at=theirs, event=True
        )
        assert keys(first)[0][1] == keys(other)[0][1]

    @pytest.mark.parametrize("other", ["2026-06-30T23:59:60.05Z", "2026-07-31T23:59:60Z", "soon"])
    def test_texts_that_are_no_times_still_distinguish_events(self, other):
        same = {"feedback_id": "a", "message_id": "0100-m"}
        first = mail.bounce("jane@example.com", at="2026-06-30T23:59:60.5Z", **same)
        assert keys(first)[0][1] != keys(mail.bounce("jane@example.com", at=other, **same))[0][1]

    def test_with_neither_the_whole_message_does(self):
        def bare(diagnostic):
            entry = mail.recipient("jane@example.com", diagnosticCode=diagnostic)
            message = mail.without(mail.bounce(entry), "bounce", "feedbackId")
            return mail.without(message, "mail")

        first, other = bare("550 one"), bare("550 other")
        assert keys(first) == keys(mail.enveloped(first))
        assert keys(first)[0][0] != keys(other)[0][0]
        assert keys(first)[0][1] != keys(other)[0][1]


def test_keys_stay_short_whatever_untrusted_text_says_and_differ_by_all_of_it():
    long = mail.bounce("jane@example.com", feedback_id="x" * 800, message_id="\u00e4" * 800)
    other = mail.bounce("jane@example.com", feedback_id="x" * 801, message_id="\u00e4" * 801)
    found = [key for message in (long, other) for pair in keys(message) for key in pair]
    assert len(set(found)) == 4
    assert max(map(len, found)) < 140


def test_an_id_without_an_end_is_cut_and_its_key_is_short():
    endless = mail.bounce("jane@example.com", feedback_id="x" * 50_000, message_id="y" * 50_000)
    ((dedupe, route),) = keys(endless)
    assert dedupe != route
    assert max(len(dedupe), len(route)) < 140


def test_keys_begin_with_the_ids_so_that_indexes_grow_at_their_end():
    ((dedupe, route),) = keys(mail.bounce("jane@example.com", **BASE))
    assert dedupe.startswith("0100-a:")
    assert route.startswith("0100-m:")


class TestWhatIsNotStoredWhole:
    @pytest.mark.parametrize("length", [1_000, 1_001, 50_000])
    @pytest.mark.parametrize(("name", "number"), [("feedback_id", 0), ("message_id", 1)])
    def test_ids_that_differ_after_the_stored_part_have_different_keys(self, name, number, length):
        first = mail.bounce("jane@example.com", **(BASE | {name: "x" * length + "a"}))
        other = mail.bounce("jane@example.com", **(BASE | {name: "x" * length + "b"}))
        assert keys(first)[0][number] != keys(other)[0][number]
        assert keys(first) == keys(mail.enveloped(first))

    @pytest.mark.parametrize("name", ["type", "subtype", "at"])
    def test_so_are_routes(self, name):
        first = mail.bounce("jane@example.com", **(BASE | {name: "x" * 5_000 + "a"}))
        other = mail.bounce("jane@example.com", **(BASE | {name: "x" * 5_000 + "b"}))
        assert keys(first)[0][1] != keys(other)[0][1]

    def test_characters_that_cannot_be_stored_distinguish_ids_too(self):
        spellings = ["0100-\0", "0100-\ufffd"]
        found = {
            keys(mail.bounce("jane@example.com", **(BASE | {"feedback_id": each})))[0][0]
            for each in spellings
        }
        assert len(found) == len(spellings)
        assert not any("\0" in key for key in found)

    def test_the_keys_of_what_is_stored_whole_are_what_they_always_were(self):
        """Else a replay would count again what is on record."""
        longest = {"feedback_id": "x" * 1000, "message_id": "\u00e4" * 1000, "type": "t" * 200}
        at = "2026-06-30T23:59:60.50Z"
        short = mail.bounce("jane@example.com", feedback_id="0100-a", message_id="0100-m")
        assert keys(short) == [
            ("0100-a:6bd7f3cc606a203a47b59726", "0100-m:ef1944268428a6a2af6e69db")
        ]
        assert keys(mail.bounce("jane@example.com", at=at, **longest)) == [
            ("x" * 100 + ":ec9099539c31021224a33ae6", ":7ad5fddfcd7d024abdfc45e0")
        ]
