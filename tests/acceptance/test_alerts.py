"""Each alert against the real daemon: its condition is false, is made true, and is false again.

`for` is left out; promtool's own tests have it (docs/prometheus-alerts.test.yml).
"""

import signal
import time
import urllib.error
import urllib.request
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from support import mail
from support.account_events import AT, LOOKS_OFTEN, body
from support.promql import Pages, evaluate
from support.running import QUICK, failing_at, patched
from support.signing import URL, Authority, signed
from support.signing_host import HOST, SigningHost
from support.waiting import wait_until

from simulators.slack.faults import refused
from simulators.sqs import RECEIVE, SEND, Clock, SqsSimulator
from simulators.sqs.faults import ACCESS_DENIED, INTERNAL_ERROR

RULES = {
    rule["alert"]: rule["expr"]
    for group in yaml.safe_load(
        (Path(__file__).parents[2] / "config" / "prometheus-alerts.yml").read_text(encoding="utf-8")
    )["groups"]
    for rule in group["rules"]
}
MEASURED_OFTEN = "import worker.observability.http.measuring as m; m.EVERY_SECONDS = 0.2\n"
BREAKS = """
import worker.core.batch as p
real = p.decode
def decode(body, topics=frozenset()):
    if "break me" in body: raise RuntimeError("broken")
    return real(body, topics)
p.decode = decode
"""
SEND_EVENT = (
    Path(__file__).parents[1].joinpath("payloads", "event-send.json").read_text(encoding="utf-8")
)
DAY, HOUR = 86_400, 3_600


class Scraper:
    """What Prometheus would have, and which alerts would sound."""

    def __init__(self, begin):
        self._begin = begin
        self.worker = None
        self.port = None
        self.pages = Pages()

    def start(self, *arguments, **changes):
        self.worker = self._begin(*arguments, SES_WORKER_HTTP__LISTEN="127.0.0.1:0", **changes)
        self.worker.wait_for("http.listening")
        self.port = next(
            int(line.rpartition('"port":')[2].rstrip("}\n"))
            for line in self.worker.lines
            if '"http.listening"' in line
        )
        self.worker.wait_for("worker.started")
        wait_until(self.metrics_text)
        return self

    def metrics_text(self):
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/metrics", timeout=5
            ) as response:
                return response.read().decode()
        except OSError:
            return ""

    def scrape(self):
        self.pages.add(time.time(), self.metrics_text())

    def sound(self):
        """The alerts whose conditions are met, after one more scrape."""
        self.scrape()
        return self.sounding(time.time())

    def sounding(self, at):
        return {name for name, expr in RULES.items() if evaluate(expr, self.pages, at)}

    def sounding_after(self, seconds):
        """The same, if so much time had passed and nothing had changed."""
        self.scrape()
        self.pages.shift(seconds)
        found = self.sounding(time.time() + seconds)
        self.pages.shift(-seconds)
        return found

    def becomes(self, *alerts):
        """Wait until just these sound."""
        deadline = time.monotonic() + 20
        while (found := self.sound()) != set(alerts):
            assert time.monotonic() < deadline, f"{found} and not {alerts}"
            time.sleep(0.05)


@pytest.fixture
def scraper(daemon):
    return Scraper(daemon)


def test_far_sides_that_fail(scraper, emulator, queue, slack, run):
    emulator.send(queue, mail.bounce("jane@example.com"))
    scraper.start(program=patched(QUICK + MEASURED_OFTEN + BREAKS))
    wait_until(
        lambda: (
            "ses_worker_outbox_effects" in scraper.metrics_text() and not emulator.messages(queue)
        )
    )
    scraper.becomes()

    emulator.faults.add(INTERNAL_ERROR, on=RECEIVE)
    scraper.becomes("SesWorkerNotReady")
    emulator.faults.clear()
    scraper.becomes()

    emulator.send(queue, "nonsense")
    scraper.becomes("SesWorkerDeadLetters")
    run("dlq", "delete", "--all", "--yes")
    scraper.becomes()

    refuses = emulator.faults.add(ACCESS_DENIED, on=SEND)
    emulator.send(queue, "nonsense")
    scraper.becomes("SesWorkerQuarantined")
    refuses.stop()
    run("dlq", "delete", "--all", "--yes")
    scraper.becomes()

    slack.always = refused(404, "no_service")
    emulator.send(queue, mail.bounce("jane@example.com"))
    scraper.becomes("SesWorkerEffectsParked", "SesWorkerLaneTrouble")
    slack.always = None
    run("outbox", "retry", "--parked")
    scraper.becomes()


def test_a_settings_file_that_a_reload_refuses(scraper, environment, tmp_path):
    file = tmp_path / "worker.toml"
    file.write_text("")
    environment["SES_WORKER_CONFIG"] = str(file)
    scraper.start().becomes()
    for text, *alerts in (("[policy]\nsoft_bounce_pause_dayz = 2", "SesWorkerSettings"), ("",)):
        file.write_text(text)
        scraper.worker.process.send_signal(signal.SIGHUP)
        scraper.becomes(*alerts)


def test_a_disk_that_is_nearly_full(scraper, environment, small_disk):
    environment["SES_WORKER_STORE__URL"] = f"sqlite:///{small_disk.path / 'worker.db'}"
    often = "import worker.service.disk_watch as d; d.EVERY_SECONDS = 0.1"
    scraper.start(program=patched(often)).becomes()
    small_disk.leave(2_000_000)
    scraper.becomes("SesWorkerDiskLow")
    small_disk.empty()
    scraper.becomes()


def test_a_certificate_that_cannot_be_had(scraper, emulator, queue, environment, tmp_path):
    with SigningHost(tmp_path, Authority()) as host:
        environment.update(host.environment, SES_WORKER_SNS__VERIFY="require")
        scraper.start(program=patched(QUICK)).becomes()
        path = URL.removeprefix(f"https://{HOST}")
        host.files[path] = 503
        emulator.send(queue, signed(mail.bounce("jane@example.com")))
        scraper.becomes("SesWorkerCertificates", "SesWorkerNotReady")
        host.files[path] = Authority().issue()
        scraper.becomes()


def test_a_tenant_for_whom_ses_does_not_send(scraper, emulator, queue):
    scraper.start(program=patched(LOOKS_OFTEN))
    scraper.becomes()
    emulator.send(queue, body())
    scraper.becomes("SesSendingDisabled")
    emulator.send(queue, body("Sending Status Enabled", at=AT + timedelta(minutes=30)))
    scraper.becomes()


def test_a_clock_that_is_not_sqs_s(scraper, emulator):
    often = "import worker.sqs.client.skew as s; s.READ_EVERY_SECONDS = 0.1"
    scraper.start(program=patched(often)).becomes()
    emulator.date_ahead = 3_600
    scraper.becomes("SesWorkerClockSkew")
    emulator.date_ahead = 0
    scraper.becomes()


def test_figures_that_were_never_had_are_missing_since_the_start(scraper, emulator):
    emulator.faults.add(INTERNAL_ERROR, on={"GetQueueAttributes"})
    scraper.start(program=patched(MEASURED_OFTEN)).becomes()
    assert scraper.sounding_after(0.6 * HOUR) == {"SesWorkerBlind"}


def test_messages_that_break(scraper, emulator, queue):
    scraper.start(program=patched(BREAKS)).becomes()
    emulator.send(queue, mail.bounce("jane@example.com", diagnostic="break me"))
    scraper.becomes("SesWorkerMessagesBreak")
    scraper.pages.shift(-HOUR)
    scraper.scrape()
    scraper.becomes()


def test_a_day_without_a_message_and_half_an_hour_without_figures(scraper, emulator, queue):
    scraper.start(program=patched(MEASURED_OFTEN))
    for _ in range(2):  # since the start, then since the last message
        scraper.becomes()
        emulator.faults.add(INTERNAL_ERROR, on={"GetQueueAttributes"})
        assert scraper.sounding_after(0.6 * HOUR) == {"SesWorkerBlind"}
        assert scraper.sounding_after(1.1 * DAY) == {"SesWorkerBlind", "SesWorkerSilent"}
        emulator.faults.clear()
        emulator.send(queue, mail.bounce("jane@example.com"))
        wait_until(lambda: not emulator.messages(queue))
    scraper.becomes()


def test_a_worker_that_is_started_again_every_8_hours_is_silent_all_the_same():
    pages = Pages()
    for hour in range(40):
        last = "ses_worker_last_message_timestamp_seconds 3000\n" if hour < 8 else ""
        pages.add(hour * HOUR, f"ses_worker_start_time_seconds {hour // 8 * 8 * HOUR}\n{last}")
    assert not evaluate(RULES["SesWorkerSilent"], pages, 20 * HOUR)
    assert evaluate(RULES["SesWorkerSilent"], pages, 39 * HOUR)


def test_a_worker_that_hangs_dies_or_starts_again_and_again(scraper, emulator, queue):
    scraper.start(program=failing_at("writing", "hang"), WAIT_SECONDS="1").becomes()
    emulator.send(queue, mail.bounce("jane@example.com"))
    scraper.becomes("SesWorkerLoopLate", "SesWorkerNotReady")
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(f"http://127.0.0.1:{scraper.port}/healthz")
    scraper.worker.process.kill()
    scraper.worker.process.wait()
    scraper.becomes("SesWorkerDown")
    scraper.start().becomes()
    scraper.pages.target["job"] = "renamed"
    scraper.becomes("SesWorkerLost")
    scraper.pages.target["job"] = "ses-worker"
    scraper.becomes()
    for _ in range(2):
        assert "SesWorkerRestarts" not in scraper.sound()
        scraper.worker.stop()
        scraper.start()
    scraper.becomes("SesWorkerRestarts")
    scraper.pages.shift(-HOUR)
    scraper.scrape()
    scraper.becomes()


def test_a_backlog_of_an_hour(daemon, environment):
    with SqsSimulator(clock=Clock(time.time() - HOUR)) as emulator:
        environment |= emulator.environment
        environment["SES_WORKER_QUEUE__URL"] = queue = emulator.create_queue("late")
        scraper = Scraper(daemon).start(
            program=patched("import worker.observability.ages as a; a.WINDOW_SECONDS = 1.0")
        )
        scraper.becomes()
        emulator.send(queue, mail.bounce("jane@example.com"))
        scraper.becomes("SesWorkerBacklogOld")
        scraper.becomes()


def test_bounces_of_people_who_are_no_users(scraper, emulator, queue, run):
    scraper.start()

    def bounced(who, count):
        for _ in range(count):
            emulator.send(queue, mail.bounce(who))
        wait_until(lambda: not emulator.messages(queue))

    bounced("unknown@example.com", 1)
    run("users", "import", "-", input="email\njane@example.com\n")
    bounced("jane@example.com", 1)
    wait_until(lambda: 'user_match="found"' in scraper.metrics_text())
    scraper.becomes()
    bounced("unknown@example.com", 25)
    scraper.becomes("SesWorkerUnknownRecipients")
    bounced("jane@example.com", 10)
    scraper.becomes()


def test_rates_near_the_lines_of_aws(scraper, emulator, queue):
    scraper.start(SES_WORKER_POLICY__UNKNOWN_RECIPIENTS="create").becomes()
    sent = Counter()

    def output(sends, bounces, complaints, seconds=DAY, known=True):
        """So much mail in the time that ends now, after a day without any, `known` or not."""
        scraper.pages.shift(-2 * DAY)
        if known:
            scraper.scrape()
            scraper.pages.shift(-22.5 * HOUR)
        scraper.scrape()
        scraper.pages.shift(-seconds + 60)
        for number in range(sends):
            emulator.send(queue, SEND_EVENT if number else mail.enveloped(SEND_EVENT))
        for number in range(bounces):
            emulator.send(queue, mail.bounce(f"person{number}@example.com"))
            emulator.send(queue, mail.bounce(f"person{number}@simulator.amazonses.com"))
            emulator.send(
                queue, mail.bounce("jane@example.com", subtype="OnAccountSuppressionList")
            )
        for number in range(complaints):
            emulator.send(queue, mail.complaint(f"person{number}@example.com"))
            emulator.send(queue, mail.complaint(f"person{number}@example.com", feedback="not-spam"))
        sent.update({'ignored_total{kind="send"}': sends})
        sent.update({'reputation_total{event="hard_bounce"}': bounces})
        sent.update({'reputation_total{event="complaint"}': complaints})
        lines = {f"ses_worker_{name} {float(count)}" for name, count in sent.items()}
        wait_until(lambda: lines <= set(scraper.metrics_text().splitlines()))
        return scraper.sound()

    assert output(1_000, 39, 0) == set()
    assert output(1_000, 41, 0) == {"SesBounceRateNearReview"}
    assert output(999, 99, 9) == set(), "too few to judge"
    assert output(1_000, 81, 0) == {"SesBounceRateNearReview", "SesBounceRateNearPause"}
    assert output(1_000, 0, 4) == set()
    assert output(1_000, 0, 5) == {"SesComplaintRateNearPause"}
    assert output(5_000, 0, 5) == {"SesComplaintRateNearReview"}
    assert output(0, 100, 0, HOUR) == set()
    assert output(0, 101, 0, HOUR, known=False) == set()
    assert output(0, 101, 0, HOUR) == {"SesBouncesSurge"}
    assert output(0, 0, 0) == set()


def test_bounces_by_faults_of_our_own(scraper, emulator, queue):
    def bounced(count, diagnostic):
        for number in range(count):
            entry = mail.recipient(f"person{number}@example.com", diagnosticCode=diagnostic)
            emulator.send(queue, mail.bounce(entry))

    scraper.start().becomes()
    bounced(30, "550 5.1.1 user unknown")
    bounced(9, "550 5.7.1 blocked using zen.spamhaus.org")
    wait_until(lambda: 'by_fault_total{fault="sender"} 9.0' in scraper.metrics_text())
    scraper.becomes()
    bounced(1, "550 5.7.1 blocked using zen.spamhaus.org")
    scraper.becomes("SesOwnFaults")
    scraper.pages.shift(-10 * 60)
    scraper.becomes()


def test_every_alert_has_its_test():
    source = Path(__file__).read_text(encoding="utf-8")
    assert {name for name in RULES if f'"{name}"' not in source} == set()
