"""Every pulse allows for the longest step within it; the constants are compared here."""

import pytest

from worker import aws
from worker.app import effects
from worker.consumer import leases, polling, settling, writing
from worker.core import ports
from worker.core.rate_limit import RateLimit
from worker.notifiers.slack import channel, client, sender, wire
from worker.relay import lane
from worker.ses.suppression import listing
from worker.sqs import byte_budget, queue
from worker.store import locks
from worker.store.postgresql import connection as postgresql
from worker.store.sqlite import connection as sqlite
from worker.timing import retries


def test_a_poller_s_step_is_longer_than_a_call_and_than_waiting_for_leases():
    assert queue.CALL_SECONDS == aws.CALL_SECONDS
    assert polling.CALL_SECONDS > queue.CALL_SECONDS + byte_budget.WAIT_SECONDS
    assert polling.CALL_SECONDS > leases.EXTENDING_SECONDS


def test_a_settler_s_step_is_longer_than_a_call_or_a_write_and_the_pause_after_it():
    longest = max(queue.CALL_SECONDS, ports.WRITE_SECONDS, leases.EXTENDING_SECONDS)
    assert longest + retries.LONGEST_HICCUP_PAUSE_SECONDS < settling.STEP_SECONDS
    pauses = [retries._HICCUP(state(number)) for number in range(1, 100)]
    assert max(pauses) <= retries.LONGEST_HICCUP_PAUSE_SECONDS


def state(number):
    class State:
        attempt_number = number

    return State


def test_a_call_has_time_for_credentials_twice():
    assert 2 * aws.IDENTITY_SECONDS + aws.CONNECT_SECONDS < aws.CALL_SECONDS


def test_a_write_of_the_store_has_time_for_all_that_it_waits_for():
    assert locks.WAIT_SECONDS + sqlite.BUSY_SECONDS < ports.WRITE_SECONDS
    assert postgresql.SESSION_SECONDS + postgresql.STATEMENT_SECONDS < ports.WRITE_SECONDS
    assert lane.MARK_SECONDS > ports.WRITE_SECONDS


def test_a_session_s_statement_is_broken_off_by_the_server_first_and_by_the_writer_next():
    assert postgresql.STATEMENT_SECONDS < postgresql.ANSWER_SECONDS <= writing.HANGING_SECONDS
    assert writing.HANGING_SECONDS < writing.STUCK_SECONDS


def test_a_lease_of_slack_s_lasts_for_a_post_with_all_its_tries_in_both_forms():
    each = wire.TIMEOUT_SECONDS + retries.AT_ONCE_LONGEST_PAUSE_SECONDS
    assert retries.AT_ONCE_TRIES * each == client.LONGEST_POST_SECONDS
    each = client.LONGEST_POST_SECONDS + sender.SECONDS_BETWEEN_POSTS
    assert sender.MOST_POSTS * each < channel.LEASE_SECONDS


@pytest.mark.parametrize("per_second", [0.1, 1, 100])
def test_a_lease_of_ses_s_lasts_for_all_requests_of_a_removal(per_second):
    class Settings:
        class suppression:  # noqa: N801
            requests_per_second = per_second

        class aws:  # noqa: N801
            region = "eu-west-1"

        class queue:  # noqa: N801
            url = ""

    requests = effects.MOST_REQUESTS * (listing.REQUEST_SECONDS + 1 / per_second)
    rate_limit = effects.suppression_rate_limit(Settings)
    assert rate_limit.lease_seconds >= requests + 2 * aws.IDENTITY_SECONDS


def test_a_delivery_is_broken_off_before_its_lane_is_late():
    rate_limit = RateLimit(name="remote service", lease_seconds=100)
    pause = max(retries.AT_ONCE_LONGEST_PAUSE_SECONDS, sqlite.BUSY_SECONDS)
    assert lane.longest_delivery(rate_limit) > rate_limit.lease_seconds + pause
