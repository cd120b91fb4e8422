"""What a dead letter says about itself, and how dead letters are shared out and grouped."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support import mail

from worker.cli.dlq.advice import next_step
from worker.cli.dlq.replayed import exit_status
from worker.cli.exits import Exit
from worker.commands.dlq.account import Account
from worker.commands.dlq.groups import Groups, age_of, read
from worker.commands.dlq.sending import in_batches
from worker.core.dead_letter import (
    MAX_RECEIVES,
    DeadLetterFilter,
    DeadLetterMessage,
    Where,
    dead_letter_from_queue,
    sendable,
    size_of,
)
from worker.core.messages import Received
from worker.core.model import Reason

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


def dead_letter(body="nonsense", reason="not_json", age=timedelta(), where=Where.QUARANTINE):
    return DeadLetterMessage(
        where=where,
        received=received(body),
        reason=reason,
        first_seen=NOW - age,
        kept_since=NOW - age,
    )


class TestWhatItSays:
    def test_ours_is_read_and_taken_off_and_theirs_is_kept(self):
        found = dead_letter_from_queue(
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

    def test_untrusted_attributes_are_cut_to_what_a_list_can_hold(self):
        names = ("reason", "error", "source_queue", "version", "message_id")
        long = {f"ses_worker_{name}": text("x" * 3_000) for name in names}
        found = dead_letter_from_queue(received(**long), "")
        assert found.reason == "x" * 60 + "…"
        assert len(found.error) == 2_001
        reported = (found.source, found.worker_version, found.original_id)
        assert max(map(len, reported)) == 1_001

    def test_the_id_that_it_came_with_is_known_where_somebody_knows_it(self):
        reported = {"ses_worker_reason": text("not_json"), "ses_worker_message_id": text("first")}
        ours = dead_letter_from_queue(received(**reported), "")
        assert (ours.original_id, ours.ids) == ("first", {"first", "0f8f"})
        of_another_day = dead_letter_from_queue(received(ses_worker_reason=text("not_json")), "")
        assert (of_another_day.original_id, of_another_day.ids) == ("", {"0f8f"})
        assert dead_letter_from_queue(received(), "").original_id == "0f8f"
        assert DeadLetterFilter(message_ids=frozenset({"first"})).fits(ours)
        assert not DeadLetterFilter(message_ids=frozenset({"first"})).fits(of_another_day)

    def test_what_sqs_moved_has_a_single_reason_and_the_source_that_sqs_names(self):
        found = dead_letter_from_queue(received(), "arn:aws:sqs:eu-west-1:1:feedback")
        assert (found.reason, found.source_name) == (MAX_RECEIVES, "feedback")
        assert found.first_seen == NOW - timedelta(hours=2)

    @pytest.mark.parametrize("expected", ["", "soon", "2999-01-01T00:00:00+00:00"])
    def test_a_time_that_cannot_be_is_sqs_own(self, expected):
        found = dead_letter_from_queue(received(ses_worker_first_seen=text(expected)), "")
        assert found.first_seen == NOW - timedelta(hours=2)

    @pytest.mark.parametrize("value", [{}, {"StringValue": 3}, {"BinaryValue": b"not_json"}])
    def test_an_attribute_of_another_type_says_nothing(self, value):
        assert dead_letter_from_queue(received(ses_worker_reason=value), "").reason == MAX_RECEIVES


class TestFilters:
    def test_named_reasons_and_ids_must_both_fit(self):
        first = dead_letter(reason="not_json")
        assert DeadLetterFilter().fits(first)
        assert DeadLetterFilter().everything
        assert DeadLetterFilter(reasons=frozenset({"not_json", "no_type"})).fits(first)
        assert not DeadLetterFilter(reasons=frozenset({"no_type"})).fits(first)
        both = DeadLetterFilter(reasons=frozenset({"not_json"}), message_ids=frozenset({"another"}))
        assert not both.fits(first)


class TestBatches:
    @given(st.lists(st.integers(1, 60_000) | st.integers(1, 1_048_576), max_size=15))
    def test_whatever_their_sizes_every_batch_is_accepted_by_sqs(self, sizes):
        dead_letters = [dead_letter("x" * size) for size in sizes]
        batches = list(in_batches(dead_letters))
        assert [message for batch in batches for message in batch] == dead_letters
        for batch in batches:
            assert 1 <= len(batch) <= 10
            assert sum(map(size_of, batch)) <= 1_048_576

    def test_attributes_count_with_name_type_and_value(self):
        plain, with_item = dead_letter("\u00fc"), dead_letter("\u00fc")
        attribute = {"DataType": "Binary", "BinaryValue": "AP8="}
        with_item = replace(with_item, received=received("\u00fc", ab=attribute))
        assert size_of(plain) == 2
        assert size_of(with_item) == 2 + len("ab") + len("Binary") + len(b"\x00\xff")

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

    def test_dead_letters_are_counted_by_place_and_reason(self):
        groups = Groups(NOW)
        for item in (
            dead_letter(age=timedelta(hours=3)),
            dead_letter(age=timedelta(days=9)),
            dead_letter(where=Where.DEAD_LETTER_QUEUE),
            dead_letter(reason="no_type"),
        ):
            groups.add(item)
        first, *others = groups.biggest_first()
        assert (first.where, first.reason, first.count) == (Where.QUARANTINE, "not_json", 2)
        assert (first.ages["under_1_day"], first.ages["older"]) == (1, 1)
        assert (first.oldest, first.newest) == (NOW - timedelta(days=9), NOW - timedelta(hours=3))
        assert first.kept_since == first.oldest
        assert [item.count for item in others] == [1, 1]

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
        assert read(dead_letter(body)).redacted.startswith(says)

    @given(st.text())
    def test_a_sample_of_any_text_is_a_line_without_an_address(self, body):
        redacted = read(dead_letter(f"jane@example.com {body}")).redacted
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
    account = Account(DeadLetterFilter())
    for name, value in changes.items():
        setattr(account, name, value)
    assert exit_status(account, failure) is status


def test_what_stays_is_still_a_dead_letter_though_none_is_left_to_process():
    account = Account(DeadLetterFilter())
    account.stayed["dead_lettered", "not_json"] = 4
    account.foreign["other"] = 2
    account.newcomers = 1
    assert (account.not_processed, account.still_there) == (0, 7)
    account.not_examined(3)
    assert (account.not_processed, account.still_there) == (3, 10)
    account.left_behind = True
    assert (account.not_processed, account.still_there) == (None, None)


@pytest.mark.parametrize("body", ["nonsense", "[" * 101])
def test_what_is_not_json_has_a_next_step_that_names_the_depth(body):
    found = read(dead_letter(body))
    assert found.reason == "not_json"
    assert "more than 100 levels deep" in next_step(found.reason)
    assert "delete the dead letter" in next_step(found.reason)


@pytest.mark.parametrize("reason", [*Reason, MAX_RECEIVES])
def test_every_reason_has_a_next_step(reason):
    assert next_step(reason).strip()
    assert not next_step(reason).endswith(".")
