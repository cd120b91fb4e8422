"""The page of a report: whatever mails contain, it is text; and nothing is fetched."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser

import pytest
from msgspec import structs

from worker.commands.report.figures import as_figures, cells_of, name_of
from worker.commands.report.html import assets, html_of
from worker.commands.report.html.chart_data import as_script_data
from worker.commands.report.html.markup import Html, element, text
from worker.core.errors import Refused
from worker.core.reporting.report import By, Decision, Reason, Report, Spender, row_of
from worker.core.reporting.sends import Sends, Source
from worker.core.reporting.sums import Sums

DAYS = [date(2026, 11, day) for day in range(1, 31)]
HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'; alert(1); //",
    "<!--<script>",
    "]]>\u2028\u2029",
    "=cmd|'/c calc'!A1",
    "\x1b[31m\u202eevil",
    "javascript:alert(1)",
)


def report_of(names=("gmail.com",), by="domain", **given):
    sums = Sums(send=1_000, hard_bounce=20, soft_bounce=5, complaint=1)
    by_day = {day: Sums(send=1_000, hard_bounce=20, soft_bounce=5, complaint=1) for day in DAYS}
    sends = Sends(
        source=Source.SEND, since=DAYS[0], count=30_000, sums=Sums(hard_bounce=600, complaint=30)
    )
    facts = {
        "made_at": datetime(2026, 11, 30, 12, tzinfo=UTC),
        "since": datetime(2026, 11, 1, tzinfo=UTC),
        "days": DAYS,
        "by": by,
        "total": Sums(send=30_000, hard_bounce=600, soft_bounce=150, complaint=30),
        "by_day": by_day,
        "sends": sends,
        "sends_by_day": dict.fromkeys(DAYS, 1_000),
        "rows": [row_of(name, sums, sums, sends) for name in names],
        "reasons": [
            Reason(kind=kind, name=name, meaning="", count=1, share=0.5)
            for name in names
            for kind in ("bounce", "complaint")
        ],
        "statuses": [
            Reason(kind="bounce", name=name, meaning="", count=1, share=0.5) for name in names
        ],
        "spenders": {
            by: [Spender(value=name, bounces=3, complaints=1, share=0.1) for name in names]
            for by in (By.DOMAIN, By.CONFIGURATION_SET, By.TENANT)
        },
        "newest": [
            Decision(
                at=datetime(2026, 11, 30, 11, tzinfo=UTC),
                address=f"jane.doe@{name}",
                blocked=False,
                name=name,
                meaning="",
                status=name,
            )
            for name in names
        ],
    }
    return Report(**facts | given)


class Reader(HTMLParser):
    """What a browser would make of it: elements with their attributes, and texts."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.texts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def test_hostile_names_are_text_and_add_no_element_and_no_attribute():
    ordinary = Reader(html_of(report_of(["a.example"] * len(HOSTILE), by="tag:a")))
    hostile = Reader(html_of(report_of(HOSTILE, by=f"tag:{HOSTILE[0]}")))
    assert [tag for tag, _ in hostile.elements if tag != "wbr"] == [
        tag for tag, _ in ordinary.elements if tag != "wbr"
    ]
    for tag, attributes in hostile.elements:
        assert not {"onerror", "onload", "onclick", "style", "src", "href"} & set(attributes), tag


def test_the_figures_for_the_charts_can_be_read_again_whatever_names_there_are():
    html = html_of(report_of(HOSTILE))
    (data,) = re.findall(
        r'<script type="application/json" id="figures">(.*?)</script>', html, re.DOTALL
    )
    names = [row["name"] for row in json.loads(data)["rows"]]
    assert names[0] == HOSTILE[0]
    assert len(names) == len(HOSTILE)
    assert not set("<>&\u2028\u2029") & set(data)
    assert json.loads(as_script_data({"a": HOSTILE})) == {"a": list(HOSTILE)}


def test_nothing_is_fetched_and_only_its_own_scripts_run():
    html = html_of(report_of())
    reader = Reader(html)
    policies = [
        found["content"]
        for tag, found in reader.elements
        if tag == "meta" and found.get("http-equiv") == "Content-Security-Policy"
    ]
    assert len(policies) == 1
    assert policies[0].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policies[0]
    assert "http" not in policies[0]
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert len(scripts) == 2
    for content in (*scripts, *styles):
        assert assets.digest(content) in policies[0]
    assert not [found for tag, found in reader.elements if tag in {"link", "img", "iframe", "base"}]


def test_it_has_at_most_two_megabytes_whatever_is_requested():
    days = [DAYS[0] + timedelta(days=number) for number in range(3_661)]
    names = [f"{'<' * 200}{number}.example" for number in range(10_000)]
    report = report_of(names[:8], days=days, by_day=dict.fromkeys(days, Sums(hard_bounce=10**9)))
    rows = [row_of(name, report.total, report.total, report.sends) for name in names]
    html = html_of(structs.replace(report, rows=rows))
    assert len(html.encode()) < 2 * 1024 * 1024
    assert "9,800 more lines are in the CSV file" in html


def test_addresses_are_masked_for_the_file_may_be_passed_on():
    html = html_of(report_of())
    assert "jane.doe" not in html
    assert "@gmail.com" in html


def test_without_mails_there_is_no_chart_of_rates_and_the_rate_is_called_unknown():
    html = html_of(report_of(sends=Sends(source=Source.UNKNOWN), sends_by_day={}))
    assert 'data-chart="bounce-rate"' not in html
    assert 'data-chart="bounces"' in html
    assert "the rate is unknown" in html
    assert html.count('<p><strong class="figure">unknown</strong></p>') == 2


def test_few_mails_are_called_too_few_once_and_a_percent_sign_stays_with_its_figure():
    few = Sends(source=Source.SEND, since=DAYS[0], count=900, sums=Sums(hard_bounce=1))
    html = html_of(report_of(sends=few, by="tenant"))
    assert html.count('<p><strong class="figure">too few to judge</strong></p>') == 2
    texts = [console for console in Reader(html).texts if len(console) < 10_000]
    assert any("0.02 to 0.63\N{NO-BREAK SPACE}%" in console for console in texts)
    body = html[html.index("<main>") : html.index("</main>")]
    assert " %" not in re.sub(r"<svg.*?</svg>", "", body)


def test_what_became_of_people_before_it_was_counted_is_unknown_and_not_0():
    since = datetime(2026, 11, 20, 14, 47, tzinfo=UTC)
    report = report_of(by="day", others_since=since)
    rows = [row_of(str(day), report.total, report.total, report.sends) for day in DAYS]
    report = structs.replace(report, rows=rows)
    figures = as_figures(report)
    assert (figures["paused"], figures["blocked"]) == (None, None)
    for name in ("bounces", "complaints"):
        assert (figures[name]["new"], figures[name]["repeated"]) == (None, None)
        assert figures[name]["of_no_user"] == 0
    for lines in (figures["by_day"], figures["rows"]):
        known = {line["day"]: line["paused"] for line in lines}
        assert (known["2026-11-01"], known["2026-11-20"], known["2026-11-21"]) == (None, None, 0)
        assert {line["blocked"] for line in lines[:20]} == {None}
    html = html_of(report)
    assert html.count(">not known before 2026-11-20 14:47 UTC</dd>") == 5
    (line,) = re.findall(r"<tr><th>2026-11-19</th>(.*?)</tr>", html)
    assert line.endswith('<td class="number"></td><td class="number"></td>')
    by_type = as_figures(structs.replace(report, by=By.TYPE))["rows"][0]
    assert (by_type["paused"], by_type["repeated_bounces"]) == (None, None)
    later = structs.replace(report, others_since=report.since)
    assert "not known before" not in html_of(later)
    assert as_figures(later)["paused"] == 0


def test_where_mails_are_known_later_than_bounces_the_day_stands_beside_them():
    later = Sends(source=Source.SEND, since=DAYS[27], count=3_215, sums=Sums(complaint=3))
    html = html_of(report_of(by="tenant", sends=later))
    below = '<span class="since"> since 2026-11-28</span>'
    for part in (
        ">mails sent since 2026-11-28</dt>", f">mails{below}</th>",
        f">bounce rate{below}</th>", f">complaint rate{below}</th>",
        "3 complaints of 3,215 mails since 2026-11-28: ",
    ):  # fmt: skip
        assert part in html
    assert as_figures(report_of(sends=later))["sends"]["since"] == "2026-11-28"
    assert "since 2026" not in html_of(report_of(by="tenant"))
    assert "mails since" not in html_of(report_of())


def test_an_empty_report_is_html_too():
    html = html_of(report_of(total=Sums(), by_day={}, rows=[], newest=[], sends_by_day={}))
    assert "Nothing was counted in these days." in html
    assert "<canvas" not in html


def test_each_chart_has_a_name_for_those_who_do_not_see_it_and_its_figures_in_a_table():
    reader = Reader(html_of(report_of()))
    canvases = [found for tag, found in reader.elements if tag == "canvas"]
    assert {found["data-chart"] for found in canvases} == {
        "bounce-rate", "complaint-rate", "bounces", "complaints", "reasons", "statuses", "rows",
        "spenders-domain", "spenders-configuration-set", "spenders-tenant",
    }  # fmt: skip
    assert all(found["role"] == "img" and found["aria-label"] for found in canvases)
    assert len([tag for tag, _ in reader.elements if tag == "table"]) == 7


def test_without_the_chart_library_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(assets, "find_spec", lambda _: None)
    with pytest.raises(Refused, match=r"pip install 'chartkick>=1\.2'"):
        html_of(report_of())


def test_no_cell_of_the_table_is_a_formula_or_has_a_control_character():
    heading, *lines = cells_of(report_of(HOSTILE, by="configuration-set"))
    assert heading[0] == "configuration_set"
    for (name, *_), hostile in zip(lines, HOSTILE, strict=True):
        assert str(name).isprintable()
        assert not str(name).startswith(("=", "+", "-", "@"))
        assert hostile.isprintable() is False or str(name).lstrip("'") == hostile.lstrip("'")


def test_json_has_the_names_of_the_measures_and_no_other_words():
    figures = as_figures(report_of())
    assert json.loads(json.dumps(figures)) == figures
    assert figures["bounces"]["counted"] == 600
    assert figures["rows"][0]["domain"] == "gmail.com"
    assert figures["rows"][0]["paused"] is None, "not counted by domain"
    by_tenant = as_figures(report_of(by="tenant"))["rows"][0]
    assert (by_tenant["paused"], by_tenant["repeated_bounces"]) == (0, 0)
    by_tag = as_figures(report_of(by="tag:a"))["rows"][0]
    assert (by_tag["paused"], by_tag["repeated_bounces"]) == (0, None)
    assert (figures["bounces"]["rate"], figures["bounces"]["state"]) == (0.02, "below")
    assert [name_of(by) for by in ("configuration-set", "tag:a-b")] == [
        "configuration_set", "tag:a-b",
    ]  # fmt: skip


def test_markup_escapes_what_is_no_html():
    assert element("p", "<b>", Html("<i></i>"), class_='a"b') == (
        '<p class="a&quot;b">&lt;b&gt;<i></i></p>'
    )
    assert text(5) == "5"
