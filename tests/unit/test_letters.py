"""What a dead letter says about itself, and how letters are shared out and grouped."""

from datetime import UTC, datetime, timedelta

import mail
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from worker.cli.exits import Exit
from worker.cli.replayed import exit_status
from worker.dead_letters.account import Account
from worker.dead_letters.groups import Groups, age_of, read
from worker.dead_letters.sending import in_batches
from worker.letters import (
    MAX_RECEIVES,
    Letter,
    Wanted,
    Where,
    letter_from_queue,
    sendable,
    size_of,
)
from worker.model import Received

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def text(value):
    return {"DataType": "String", "StringValue": value}


def received(body="nonsense", **attributes):
    return Received(
        message_id="0f8f",
        body=body,
        receipt_handle="handle",
        receive_count=7,
        received_at=NOW,
        lease_until=0,
        sent_at=NOW - timedelta(hours=2),
        attributes=attributes,
    )


def letter(body="nonsense", reason="not_json", age=timedelta(), where=Where.QUARANTINE):
    return Letter(
        where=where,
        received=received(body),
        reason=reason,
        first_seen=NOW - age,
        kept_since=NOW - age,
    )


class TestWhatItSays:
    def test_ours_is_read_and_taken_off_and_theirs_is_kept(self):
        found = letter_from_queue(
            received(
                theirs=text("kept"),
                ses_worker_reason=text("not_json"),
                ses_worker_error=text("because"),
                ses_worker_first_seen=text("2026-11-20T08:00:00+00:00"),
                ses_worker_source_queue=text("https://sqs/1/feedback"),
                ses_worker_version=text("0.1.0"),
            ),
            "",
        )
        assert found.received.attributes == {"theirs": text("kept")}
        assert (found.reason, found.error) == ("not_json", "because")
        assert found.first_seen == datetime(2026, 11, 20, 8, tzinfo=UTC)
        assert found.kept_since == NOW - timedelta(hours=2)
        assert (found.source_name, found.worker_version) == ("feedback", "0.1.0")

    def test_what_a_stranger_wrote_about_it_is_no_longer_than_a_list_can_bear(self):
        names = ("reason", "error", "source_queue", "version", "message_id")
        long = {f"ses_worker_{name}": text("x" * 3_000) for name in names}
        found = letter_from_queue(received(**long), "")
        assert found.reason == "x" * 60 + "…"
        assert len(found.error) == 2_001
        told = (found.source, found.worker_version, found.original_id)
        assert max(map(len, told)) == 1_001

    def test_the_id_that_it_came_with_is_known_where_somebody_knows_it(self):
        told = {"ses_worker_reason": text("not_json"), "ses_worker_message_id": text("first")}
        ours = letter_from_queue(received(**told), "")
        assert (ours.original_id, ours.ids) == ("first", {"first", "0f8f"})
        of_another_day = letter_from_queue(received(ses_worker_reason=text("not_json")), "")
        assert (of_another_day.original_id, of_another_day.ids) == ("", {"0f8f"})
        assert letter_from_queue(received(), "").original_id == "0f8f"
        assert Wanted(message_ids=frozenset({"first"})).fits(ours)
        assert not Wanted(message_ids=frozenset({"first"})).fits(of_another_day)

    def test_what_sqs_moved_has_one_reason_and_the_source_that_sqs_names(self):
        found = letter_from_queue(received(), "arn:aws:sqs:eu-west-1:1:feedback")
        assert (found.reason, found.source_name) == (MAX_RECEIVES, "feedback")
        assert found.first_seen == NOW - timedelta(hours=2)

    @pytest.mark.parametrize("said", ["", "soon", "2999-01-01T00:00:00+00:00"])
    def test_a_time_that_cannot_be_is_sqs_own(self, said):
        found = letter_from_queue(received(ses_worker_first_seen=text(said)), "")
        assert found.first_seen == NOW - timedelta(hours=2)

    @pytest.mark.parametrize("value", [{}, {"StringValue": 3}, {"BinaryValue": b"not_json"}])
    def test_an_attribute_of_another_type_says_nothing(self, value):
        assert letter_from_queue(received(ses_worker_reason=value), "").reason == MAX_RECEIVES


class TestFilters:
    def test_named_reasons_and_ids_must_both_fit(self):
        one = letter(reason="not_json")
        assert Wanted().fits(one)
        assert Wanted().everything
        assert Wanted(reasons=frozenset({"not_json", "no_type"})).fits(one)
        assert not Wanted(reasons=frozenset({"no_type"})).fits(one)
        both = Wanted(reasons=frozenset({"not_json"}), message_ids=frozenset({"another"}))
        assert not both.fits(one)


class TestBatches:
    @given(st.lists(st.integers(1, 60_000) | st.integers(1, 1_048_576), max_size=15))
    def test_whatever_their_sizes_every_batch_is_one_that_sqs_takes(self, sizes):
        letters = [letter("x" * size) for size in sizes]
        batches = list(in_batches(letters))
        assert [one for batch in batches for one in batch] == letters
        for batch in batches:
            assert 1 <= len(batch) <= 10
            assert sum(map(size_of, batch)) <= 1_048_576

    def test_attributes_count_with_name_type_and_value(self):
        plain, with_one = letter("\u00fc"), letter("\u00fc")
        attribute = {"DataType": "Binary", "BinaryValue": "AP8="}
        with_one = replace(with_one, received=received("\u00fc", ab=attribute))
        assert size_of(plain) == 2
        assert size_of(with_one) == 2 + len("ab") + len("Binary") + len(b"\x00\xff")

    def test_binary_values_of_the_table_are_bytes_again(self):
        kept = {"b": {"DataType": "Binary", "BinaryValue": "AP8="}, "t": text("x")}
        assert sendable(kept) == {
            "b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
            "t": text("x"),
        }


class TestGroups:
    @pytest.mark.parametrize(
        ("age", "bucket"),
        [
            (timedelta(0), "under_1_hour"),
            (timedelta(minutes=59, seconds=59), "under_1_hour"),
            (timedelta(hours=1), "under_1_day"),
            (timedelta(days=1), "under_4_days"),
            (timedelta(days=4), "older"),
        ],
    )
    def test_ages_have_buckets(self, age, bucket):
        assert age_of(NOW - age, NOW) == bucket

    def test_letters_are_counted_by_place_and_reason(self):
        groups = Groups(NOW)
        for one in (
            letter(age=timedelta(hours=3)),
            letter(age=timedelta(days=9)),
            letter(where=Where.DEAD_LETTER_QUEUE),
            letter(reason="no_type"),
        ):
            groups.add(one)
        first, *others = groups.biggest_first()
        assert (first.where, first.reason, first.count) == (Where.QUARANTINE, "not_json", 2)
        assert (first.ages["under_1_day"], first.ages["older"]) == (1, 1)
        assert (first.oldest, first.newest) == (NOW - timedelta(days=9), NOW - timedelta(hours=3))
        assert first.kept_since == first.oldest
        assert [one.count for one in others] == [1, 1]

    @pytest.mark.parametrize(
        ("body", "says"),
        [
            (mail.bounce("jane@example.com"), "bounce Permanent/General of ***@example.com"),
            (
                mail.complaint("jane@example.com", "joe@example.org"),
                "complaint abuse of ***@example.com and 1 more",
            ),
            (mail.bounce(), "bounce Permanent/General"),
            ('{"eventType": "Open"}', "Open"),
            ("[]", "not_an_object: "),
        ],
    )
    def test_a_sample_says_what_it_is_and_masks_who(self, body, says):
        assert read(letter(body)).redacted.startswith(says)

    @given(st.text())
    def test_a_sample_of_any_text_is_a_line_without_an_address(self, body):
        redacted = read(letter(f"jane@example.com {body}")).redacted
        assert redacted.isprintable()
        assert "jane@" not in redacted


@pytest.mark.parametrize(
    ("changes", "failure", "status"),
    [
        ({}, None, Exit.DONE),
        ({"stayed": {("deferred", ""): 1}}, None, Exit.SET_ASIDE),
        ({"stayed": {("deferred", ""): 1}, "remaining": 1}, None, Exit.REMAIN),
        ({"remaining": 1}, OSError(), Exit.FAILED),
        ({"missing_ids": {"a"}}, None, Exit.FAILED),
        ({"missing_ids": {"a"}, "remaining": 1}, None, Exit.REMAIN),
    ],
)
def test_of_several_exit_statuses_1_goes_before_4_and_4_before_3(changes, failure, status):
    account = Account(Wanted())
    for name, value in changes.items():
        setattr(account, name, value)
    assert exit_status(account, failure) is status
