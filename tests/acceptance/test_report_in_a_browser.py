"""The page of a report in headless Chromium, full of a year's invented mail."""

import re
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.browser import first_pixel, found
from support.invented_mail import counted, event, fact, invent, write_facts

CHARTS = 10


@pytest.fixture
def visited():
    """A server that nobody should call; what was requested all the same."""
    paths = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server.server_address[1], paths
    server.shutdown()
    server.server_close()


@pytest.fixture
def report_file(run, tmp_path):
    """A year as a page."""
    run("db", "upgrade")
    invent(tmp_path / "worker.db", 365, datetime.now(UTC), mails=300)
    done = run("report", "--days", "365", "--by", "domain", "--html", "report.html")
    assert done.status == 0, done.err
    return tmp_path / "report.html"


def test_it_draws_all_charts_and_its_policy_refuses_nothing_of_its_own(report_file, tmp_path):
    browser = found()
    dom = browser.dom(report_file)
    assert f'data-charts="{CHARTS}"' in dom
    assert browser.console == []
    assert "30 days</button>" in dom
    assert report_file.stat().st_size < 2 * 1024 * 1024


def test_it_is_dark_where_the_reader_likes_it_dark(report_file, tmp_path):
    browser = found()
    light = first_pixel(browser.picture(report_file, tmp_path / "light.png"))
    dark = "--blink-settings=preferredColorScheme=0"
    assert min(light) > 200
    assert max(first_pixel(browser.picture(report_file, tmp_path / "dark.png", dark))) < 60


def test_it_fits_on_a_phone_and_on_paper(report_file, tmp_path):
    browser = found()
    phone = tmp_path / "phone.html"
    phone.write_text(
        f'<iframe src="{report_file.name}" style="width:390px;height:800px"></iframe><script>'
        "onload = () => { const page = frames[0].document.documentElement;"
        "document.title = `${page.scrollWidth} of ${page.clientWidth}`; }</script>"
    )
    assert "<title>390 of 390</title>" in browser.dom(phone)
    pdf = browser.printed(report_file, tmp_path / "report.pdf").read_bytes()
    pages = max(int(count) for count in re.findall(rb"/Count (\d+)", pdf))
    assert 3 <= pages <= 7


def test_a_day_of_few_mails_has_no_point_in_the_charts_of_rates(run, environment, tmp_path):
    run("db", "upgrade")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    many, few = yesterday - timedelta(days=1), yesterday
    counted(environment["SES_WORKER_STORE__URL"], {
        fact("send", at=many - timedelta(days=1)): 1,
        fact("send", at=many): 1_000, fact("complaint", "abuse", at=many): 1,
        fact("send", at=few): 999, fact("complaint", "abuse", at=few): 1,
    })  # fmt: skip
    assert run("report", "--days", "3", "--html", "report.html").status == 0
    outer = tmp_path / "outer.html"
    outer.write_text(
        '<iframe src="report.html"></iframe><script>onload = () => { const page = frames[0];'
        """const canvas = page.document.querySelector("[data-chart='complaint-rate']");"""
        "document.title = JSON.stringify(page.Chart.getChart(canvas).data.datasets[0].data);"
        "}</script>"
    )
    assert "<title>[null,0.001,null,null]</title>" in found().dom(outer)


def test_names_from_mails_run_nothing_and_fetch_nothing(run, tmp_path, visited):
    port, paths = visited
    link = f"http://127.0.0.1:{port}"
    hostile = [
        f"</script><script>fetch('{link}/a')</script>",
        f"<img src={link}/b onerror=fetch('{link}/c')>",
        f"<svg onload=\"fetch('{link}/d')\">",
        f"<link rel=stylesheet href={link}/e><style>@import '{link}/f'</style>",
    ]
    run("db", "upgrade")
    now = datetime.now(UTC)
    with sqlite3.connect(tmp_path / "worker.db") as connection:
        for name in hostile:
            fact = (
                f"{now:%Y-%m-%dT%H}",
                "bounce",
                name,
                name,
                name,
                name,
                name,
                "sender",
                "5.1.1",
                "p",
            )
            write_facts(connection, {fact: 3})
            event(connection, name, at=f"{now:%Y-%m-%d %H:%M:%S}.000000", type=name, subtype=name,
                  recipient=f"x@{name}", status=name)  # fmt: skip
    connection.close()
    browser = found()
    for by in ("domain", "type", "configuration-set", "tenant"):
        done = run("report", "--days", "1", "--by", by, "--html", "hostile.html")
        assert done.status == 0, done.err
        dom = browser.dom(tmp_path / "hostile.html")
        assert 'data-charts="' in dom
    assert paths == []
    assert browser.console == []
