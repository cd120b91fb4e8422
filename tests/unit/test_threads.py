"""Guarded threads end together; a periodic job ends with the stop."""

import threading
import time

from structlog.testing import capture_logs

from worker.core.errors import Stopped
from worker.timing.periodic import every
from worker.timing.threads import GuardedThreads


def seconds_of(call):
    began = time.monotonic()
    return call(), time.monotonic() - began


def test_an_error_that_ends_a_thread_is_logged_and_reported():
    failures = []
    threads = GuardedThreads(failures.append)
    threads.add("breaks", lambda: 1 / 0)
    threads.add("ends", lambda: None)
    with capture_logs() as lines:
        threads.start()
        assert threads.join(time.monotonic() + 10) == []
    (line,) = lines
    assert (line["event"], line["thread"]) == ("thread.died", "breaks")
    assert [type(error) for error in failures] == [ZeroDivisionError]


def test_threads_that_do_not_end_in_time_are_named():
    release = threading.Event()
    threads = GuardedThreads()
    threads.add("hangs", release.wait)
    threads.add("ends", lambda: None)
    threads.start()
    assert threads.join(time.monotonic() + 0.1) == ["hangs"]
    release.set()
    assert threads.join(time.monotonic() + 10) == []


def test_in_a_hurry_only_needed_threads_are_waited_for_and_not_for_long():
    release, hurry = threading.Event(), threading.Event()
    threads = GuardedThreads()
    threads.add("hangs", release.wait)
    threads.start()
    hurry.set()
    until = time.monotonic() + 10
    names, seconds = seconds_of(lambda: threads.join(until, hurry))
    assert names == ["hangs"]
    assert seconds < 1
    names, seconds = seconds_of(
        lambda: threads.join(until, hurry, hurried_seconds=0.2, is_needed=lambda: True)
    )
    assert names == ["hangs"]
    assert 0.2 <= seconds < 2
    needed = iter([True, True, False])
    names, seconds = seconds_of(
        lambda: threads.join(until, hurry, hurried_seconds=9, is_needed=lambda: next(needed))
    )
    assert names == ["hangs"]
    assert seconds < 2
    release.set()


def test_a_periodic_job_runs_until_the_stop():
    stopping, runs = threading.Event(), []

    def job():
        runs.append(time.monotonic())
        if len(runs) == 3:
            stopping.set()

    every(0.02, stopping, job)
    assert len(runs) == 3
    assert runs[1] - runs[0] >= 0.02


def test_a_periodic_job_may_begin_after_the_first_pause():
    stopping = threading.Event()
    threading.Timer(0.05, stopping.set).start()
    every(10, stopping, lambda: 1 / 0, at_once=False)


def test_a_periodic_job_that_notices_the_stop_ends_at_once():
    def job():
        raise Stopped

    every(10, threading.Event(), job)
