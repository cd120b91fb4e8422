"""A loop that hangs is reported by its name, whatever it hangs in."""

import pytest
from support import mail
from support.running import failing_at

SHORT_WAIT = {"WAIT_SECONDS": "1"}
"""In place of the minute and more that a step may take."""


@pytest.mark.parametrize(
    ("point", "loop"),
    [
        ("received", "poller-0"),
        ("writing", "writer"),
        ("deleting", "poller-0"),
        ("dead-letter-sent", "dead-letters"),
        ("posting", "relay-slack"),
    ],
)
def test_a_loop_that_gets_no_further_is_named(daemon, emulator, queue, slack, point, loop):
    worker = daemon(program=failing_at(point, "hang"), **SHORT_WAIT)
    emulator.send(queue, mail.bounce("jane@example.com"))
    emulator.send(queue, "nonsense")
    worker.wait_for("thread.stalled", seconds=30)
    (late,) = [line for line in worker.lines if '"event":"thread.stalled"' in line]
    assert f'"loop":"{loop}"' in late
    assert '"level":"critical"' in late


def test_a_signal_that_comes_while_a_failed_daemon_leaves_does_not_hide_the_failure(
    daemon, emulator, queue
):
    worker = daemon(program=failing_at("writing", "raise"))
    emulator.send(queue, mail.bounce("jane@example.com"))
    worker.wait_for("worker.stopped")
    assert worker.stop()[0] == 1
