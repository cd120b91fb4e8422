"""What is seen of the worker from outside, under the real systemd and its hardened unit."""

import json
import urllib.request

import mail
from waiting import wait_until


def test_its_pages_its_process_and_its_health_file_can_be_seen(service, twin):
    worker = service("seen", http="listen = '127.0.0.1:0'")
    twin.send(worker.queue, mail.bounce("jane@example.com"))
    worker.systemctl("start")
    port = [line["port"] for line in worker.log if line["event"] == "http.listening"][-1]

    def page(name="metrics"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=10) as answer:
            return answer.read().decode()

    wait_until(lambda: 'ses_worker_messages_total{outcome="applied"} 1.0' in page(), pause=0.05)
    assert json.loads(page("readyz"))["ready"]
    # ProcSubset=pid leaves no /proc/stat, without which the library would say nothing.
    for name in ("resident_memory_bytes", "cpu_seconds_total", "start_time_seconds", "open_fds"):
        assert f"\nprocess_{name} " in page()

    file = "/run/ses-worker-seen/health.json"
    said = json.loads(worker.machine.run(f"runuser -u ses-worker -- cat {file}"))
    assert (said["alive"], said["pid"]) == (True, int(worker.show("MainPID")))
    asked = f"SES_WORKER_HEALTH__FILE={file} /opt/ses-worker/bin/ses-worker check --live"
    assert worker.machine.run(asked).startswith(("ready", "alive"))
    worker.systemctl("stop")
    done = worker.machine.try_to(asked.replace("check", "--config /dev/null check"))
    assert (done.status, done.out.split()[0]) == (1, "silent")
