"""The parts of metrics, health and log, each alone."""

import json
import os
import threading
import time

import pytest
from support import metrics_text
from support.waiting import wait_until

from worker.core.errors import Refused, Unavailable
from worker.observability import health_file
from worker.observability.health import Health, Phase
from worker.observability.health_file import HealthFile
from worker.observability.http import measuring
from worker.observability.http.collector import Process
from worker.observability.http.measuring import Measured, Measuring
from worker.observability.http.pages import Pages
from worker.observability.metrics import Metrics
from worker.sqs.queue import Counts
from worker.store.figures import Figures


class TestPages:
    @pytest.fixture
    def health(self):
        health = Health()
        health.phase = Phase.WORKING
        return health

    @pytest.fixture
    def ask(self, health):
        pages = Pages(health, Metrics().registry)

        def ask(path, method="GET", **more):
            output = {}
            environ = {"PATH_INFO": path, "REQUEST_METHOD": method} | more

            def start(status, headers):
                output.update({"status": int(status[:3]), "headers": dict(headers)})

            output["body"] = b"".join(pages.answer(environ, start)).decode()
            return output

        return ask

    def test_healthz_is_about_loops_and_readyz_about_the_work(self, ask, health):
        assert ask("/healthz")["status"] == ask("/readyz")["status"] == 200
        health.report_problem("store", "locked")
        assert ask("/healthz")["status"] == 200
        answer = ask("/readyz")
        assert answer["status"] == 503
        output = json.loads(answer["body"])
        assert (output["alive"], output["ready"], output["phase"]) == (True, False, "working")
        assert [(t["what"], t["error"]) for t in output["problems"]] == [("store", "locked")]
        health.pulse("writer").within(-1)
        assert ask("/healthz")["status"] == 503
        assert json.loads(ask("/healthz")["body"])["late"][0]["loop"] == "writer"

    def test_metrics_come_in_either_of_prometheus_formats(self, ask):
        plain = ask("/metrics")
        assert plain["headers"]["Content-Type"].startswith("text/plain; version=0.0.4")
        assert "# TYPE email_bounce_total counter" in plain["body"]
        expected = "application/openmetrics-text; version=1.0.0"
        newer = ask("/metrics", HTTP_ACCEPT=expected)
        assert newer["headers"]["Content-Type"].startswith("application/openmetrics-text")
        assert newer["body"].endswith("# EOF\n")

    def test_any_other_request_is_answered_in_a_word(self, ask):
        assert ask("/")["status"] == ask("/metrics/x")["status"] == 404
        assert ask("/../etc/passwd")["status"] == ask("\xff\x00")["status"] == 404
        assert ask("/readyz", "POST")["status"] == 405
        assert ask("/readyz", "POST")["headers"]["Allow"] == "GET, HEAD"
        assert (ask("/readyz", "HEAD")["status"], ask("/readyz", "HEAD")["body"]) == (200, "")

    @pytest.mark.parametrize(
        "accept",
        ["\xff;q=none, */*;q=;;", "text/plain; version=q=", "text/plain;version=a.b.c", ";" * 999],
    )
    def test_any_requested_format_exists(self, ask, accept):
        answer = ask("/metrics", HTTP_ACCEPT=accept)
        assert answer["status"] == 200
        assert "# TYPE email_bounce_total counter" in answer["body"]


class TestCollector:
    def test_every_outcome_and_every_kind_of_effect_is_there_from_the_first_scrape(self):
        text = metrics_text.everything()
        for outcome in ("applied", "duplicate", "ignored", "deferred", "dead_lettered"):
            assert f'ses_worker_messages_total{{outcome="{outcome}"}} 0.0' in text
        assert 'kind="removal",lane="suppression",state="parked"} 0.0' in text

    def test_before_the_worker_is_built_readyz_is_not_ready(self):
        health, metrics, _ = Health(), Metrics(), Measuring()
        from worker.observability.http.collector import Collector

        Collector(health, metrics, Measuring())
        read = metrics.registry.get_sample_value
        assert read("ses_worker_ready") == 0
        assert read("ses_worker_start_time_seconds") == pytest.approx(time.time(), abs=60)
        assert read("ses_worker_messages_total", {"outcome": "applied"}) is None

    def test_a_problem_is_1_while_it_lasts_and_0_afterwards(self):
        health, metrics, _, _ = metrics_text.full()
        read = metrics.registry.get_sample_value
        assert read("ses_worker_trouble", {"what": "queue"}) == 0
        health.report_problem("queue", "reset")
        health.report_problem("lane slack", "404")
        assert read("ses_worker_trouble", {"what": "queue"}) == 1
        assert read("ses_worker_trouble", {"what": "lane slack"}) == 1
        assert read("ses_worker_poll_errors_total") == 1
        health.resolve("lane slack")
        assert read("ses_worker_trouble", {"what": "lane slack"}) == 0

    def test_an_idle_queue_has_no_oldest_message_and_an_unreachable_queue_has_no_figure(self):
        health, metrics, _, _ = metrics_text.full(metrics_text.Work(idle=True))
        age = "ses_worker_oldest_received_age_seconds"
        assert metrics.registry.get_sample_value(age) == 0
        health.report_problem("queue", "reset")
        assert metrics.registry.get_sample_value(age) is None
        _, metrics, _, _ = metrics_text.full(metrics_text.Work(idle=False))
        assert metrics.registry.get_sample_value(age) is None
        metrics.ages.record(12, time.monotonic())
        assert metrics.registry.get_sample_value(age) == 12

    def test_figures_of_far_sides_are_shown_as_they_were_had(self):
        _, metrics, measuring, _ = metrics_text.full()
        read = metrics.registry.get_sample_value
        now = time.time(), time.monotonic()
        effects = {("slack", "bounce_notice", "parked"): 3, ("else", "new_kind", "waiting"): 1}
        measuring.latest = {
            "queue": Measured(Counts(visible=5, in_flight=2, delayed=1), *now),
            "dead_letter_queue": Measured(("bad", Counts(visible=4, in_flight=3)), *now),
            "store": Measured(Figures(quarantined=6, effects=effects), *now),
        }
        assert read("email_queue_count", {"queue": "feedback"}) == 5
        assert read("email_queue_count_not_visible", {"queue": "feedback"}) == 2
        assert read("email_queue_count_delayed", {"queue": "feedback"}) == 1
        assert read("ses_worker_dead_letter_messages", {"queue": "bad"}) == 7
        assert read("ses_worker_quarantine_rows") == 6
        for (lane, kind, state), count in effects.items():
            labels = {"lane": lane, "kind": kind, "state": state}
            assert read("ses_worker_outbox_effects", labels) == count

    def test_the_process_is_reported_where_proc_shows_only_processes(self, tmp_path):
        """As systemd's ProcSubset=pid has it: no /proc/stat."""
        (tmp_path / "self").symlink_to(f"/proc/{os.getpid()}")
        names = {metric.name for metric in Process(proc=str(tmp_path), registry=None).collect()}
        assert names >= {"process_resident_memory_bytes", "process_cpu_seconds", "process_open_fds"}
        (start,) = [
            metric.samples[0].value
            for metric in Process(proc=str(tmp_path), registry=None).collect()
            if metric.name == "process_start_time_seconds"
        ]
        assert time.time() - 86_400 < start <= time.time() + 1


class TestMeasuring:
    @pytest.fixture
    def over(self, monkeypatch):
        monkeypatch.setattr(measuring, "EVERY_SECONDS", 0.01)
        over = threading.Event()
        yield over
        over.set()

    def keep(self, measures, over):
        kept = Measuring()
        threading.Thread(target=kept.keep, args=(measures, over), daemon=True).start()
        return kept

    def test_what_fails_is_counted_and_keeps_nothing_else_from_being_had(self, over):
        def unreachable():
            raise Unavailable("SQS is unavailable")

        numbers = iter(range(1_000_000))
        kept = self.keep({"queue": unreachable, "store": lambda: next(numbers)}, over)
        wait_until(lambda: kept.errors["queue"] > 2 and (kept.fresh("store") or 0) > 2)
        assert kept.fresh("queue") is None

    def test_a_bug_of_ours_in_a_measure_ends_no_thread(self, over):
        kept = self.keep({"queue": lambda: 1 / 0}, over)
        wait_until(lambda: kept.errors["queue"] > 2)

    def test_what_is_refused_is_left_alone_for_a_while(self, over):
        requested = []

        def refused():
            requested.append(1)
            raise Refused("AccessDenied")

        others = iter(range(1_000_000))
        kept = self.keep({"dead_letter_queue": refused, "store": lambda: next(others)}, over)
        wait_until(lambda: (kept.fresh("store") or 0) > 5)
        assert len(requested) == kept.errors["dead_letter_queue"] == 1

    def test_a_figure_that_is_old_is_none(self):
        kept = Measuring()
        old = time.monotonic() - measuring.STALE_SECONDS
        kept.latest = {"queue": Measured(Counts(visible=9), time.time(), old)}
        assert kept.fresh("queue") is None
        kept.latest = {"queue": Measured(Counts(visible=9), time.time(), old + 60)}
        assert kept.fresh("queue") == Counts(visible=9)

    def test_it_is_logged_once_until_it_works_again(self, over, capsys):
        from structlog.testing import capture_logs

        results = iter([False, False, True, False])

        def measure():
            if not next(results):
                raise Unavailable("unreachable")

        kept = Measuring()
        with capture_logs() as lines:
            for _ in range(4):
                kept._take("queue", measure)
        expected = ["measure.failed", "measure.succeeded", "measure.failed"]
        assert [line["event"] for line in lines] == expected


class TestHealthFile:
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "health.json"

    def test_it_says_what_readyz_says_and_when(self, path):
        health = Health()
        health.phase = Phase.WORKING
        health.report_problem("store", "locked")
        HealthFile(path, health).write()
        output = json.loads(path.read_text())
        assert (output["phase"], output["alive"], output["ready"]) == ("working", True, False)
        assert output["problems"][0]["error"] == "locked"
        assert output["pid"] == os.getpid()
        assert abs(time.time() - output["written_unix"]) < 60

    def test_readers_always_find_a_complete_file(self, path):
        file = HealthFile(path, Health())
        file.write()
        over = threading.Event()

        def write():
            while not over.is_set():
                file.write()

        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(500):
            assert json.loads(path.read_text())["phase"] == "starting"
        over.set()
        writer.join()
        assert [*path.parent.iterdir()] == [path]

    def test_it_is_on_the_disk_before_it_is_in_its_place(self, path, monkeypatch):
        steps = []
        real = os.fsync
        monkeypatch.setattr(os, "fsync", lambda fd: (steps.append(path.exists()), real(fd)))
        HealthFile(path, Health()).write()
        assert steps == [False]
        assert path.exists()

    def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(self, path, monkeypatch):
        file = HealthFile(path, Health())
        file.write()
        before = path.read_bytes()

        def full(_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            file.write()
        assert path.read_bytes() == before
        assert [*path.parent.iterdir()] == [path]

    def test_it_is_kept_up_to_date_and_gone_at_the_end(self, path, monkeypatch):
        monkeypatch.setattr(health_file, "EVERY_SECONDS", 0.01)
        health, over = Health(), threading.Event()
        keeper = threading.Thread(target=HealthFile(path, health).keep, args=(over,))
        keeper.start()
        wait_until(path.exists)
        health.phase = Phase.WORKING
        wait_until(lambda: json.loads(path.read_text())["ready"])
        over.set()
        keeper.join(10)
        assert not [*path.parent.iterdir()]

    def test_a_failed_write_is_logged_once_and_tried_again(self, tmp_path, monkeypatch):
        from structlog.testing import capture_logs

        monkeypatch.setattr(health_file, "EVERY_SECONDS", 0.01)
        folder = tmp_path / "later"
        over = threading.Event()
        keeper = threading.Thread(
            target=HealthFile(folder / "health.json", Health()).keep, args=(over,)
        )
        with capture_logs() as lines:
            keeper.start()
            wait_until(lambda: lines)
            time.sleep(0.05)
            folder.mkdir()
            wait_until((folder / "health.json").exists)
            over.set()
            keeper.join(10)
        assert [line["event"] for line in lines] == ["health_file.failed", "health_file.written"]
