"""Metrics, health and log of the worker under the real systemd and its hardened unit."""

import json
import urllib.request

from support import mail
from support.waiting import wait_until


def test_its_metrics_its_process_and_its_health_file_can_be_read(service, emulator):
    worker = service("seen", http="listen = '127.0.0.1:0'")
    emulator.send(worker.queue, mail.bounce("jane@example.com"))
    worker.systemctl("start")
    port = [line["port"] for line in worker.log if line["event"] == "http.listening"][-1]

    def http_get(name="metrics"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=10) as answer:
            return answer.read().decode()

    wait_until(lambda: 'ses_worker_messages_total{outcome="applied"} 1.0' in http_get(), pause=0.05)
    assert json.loads(http_get("readyz"))["ready"]
    # ProcSubset=pid leaves no /proc/stat, without which the library would export nothing.
    for name in ("resident_memory_bytes", "cpu_seconds_total", "start_time_seconds", "open_fds"):
        assert f"\nprocess_{name} " in http_get()

    file = "/run/ses-worker-seen/health.json"
    output = json.loads(worker.machine.run(f"runuser -u ses-worker -- cat {file}"))
    assert (output["alive"], output["pid"]) == (True, int(worker.show("MainPID")))
    requested = f"SES_WORKER_HEALTH__FILE={file} /opt/ses-worker/bin/ses-worker check --live"
    assert worker.machine.run(requested).startswith(("ready", "alive"))
    worker.systemctl("stop")
    done = worker.machine.try_to(requested.replace("check", "--config /dev/null check"))
    assert (done.status, done.out.split()[0]) == (1, "silent")
