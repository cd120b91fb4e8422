"""A log line worth an alert has a hint: what to do, or that nothing must be done."""

import threading
from types import SimpleNamespace

from structlog.testing import capture_logs

from worker.consumer.autoscaler import PollerAutoscaler
from worker.consumer.clock_watch import ClockWatch
from worker.consumer.leases import Leases
from worker.consumer.refusal import Refusal
from worker.core.errors import Refused, Unavailable
from worker.observability.health import Health


def test_a_wrong_clock_is_named_with_what_sets_it():
    with capture_logs() as lines:
        ClockWatch(lambda: -600.0, Health()).look()
    (line,) = lines
    assert line["error"] == "The clock of this machine is 10 minutes behind SQS's"
    assert line["hint"] == "Set it, and keep it right: timedatectl set-ntp true"


def test_deletes_that_are_refused_are_named_with_the_permission():
    refusal = Refusal(
        autoscaler=PollerAutoscaler(1, full=10),
        leases=Leases(SimpleNamespace(visibility_seconds=60)),
        health=Health(),
        stopping=threading.Event(),
        give_up=None,
    )
    with capture_logs() as lines:
        refusal.log_once("delete", Refused("no"))
        refusal.log_once("release", Refused("no"))
        refusal.forget("delete")
        refusal.log_once("delete", Unavailable("unreachable"))
    hints = [line.get("hint", "") for line in lines]
    assert "Allow sqs:DeleteMessage on the queue (config/iam-run.json)" in hints[0]
    assert hints[1:] == ["", "", ""]
    assert [line["event"] for line in lines[2:]] == ["queue.call_allowed", "queue.unavailable"]
