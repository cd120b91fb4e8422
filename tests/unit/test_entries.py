"""Batch calls of a poller's messages, in tens."""

from worker.consumer.entries import OUTAGES_BEFORE_GIVING_UP, in_tens
from worker.core.errors import Unavailable
from worker.sqs.queue import FailedEntry
from worker.timing.retries import a_few_times


def test_once_a_call_failed_several_times_the_rest_is_not_tried():
    calls, messages = [], list(range(200))

    def call(some):
        calls.append(some)
        raise Unavailable("unreachable")

    failed, why = in_tens("delete", messages, call, a_few_times(lambda _: None))
    assert (failed, str(why)) == (messages, "unreachable")
    assert len({some[0] for some in calls}) == OUTAGES_BEFORE_GIVING_UP


def test_a_call_with_failed_entries_is_not_unavailable_and_the_rest_is_tried():
    tried, messages = set(), list(range(200))

    def call(some):
        tried.update(some)
        return [FailedEntry(message, "InternalError", again=True) for message in some]

    failed, why = in_tens("release", messages, call, a_few_times(lambda _: None))
    assert (failed, why) == (messages, None)
    assert tried == set(messages)
