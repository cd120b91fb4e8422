"""`ses-worker report`: figures against AWS's lines, in words, tables, JSON and CSV."""

import csv
import io
import json
import os
import re
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len
from support import mail
from support.invented_mail import counted, event, fact, invent

from simulators.ses.faults import ACCESS_DENIED
from worker.store import ensure_schema, open_store

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


def bounce(subtype="General", type_="Permanent", **more):
    return fact("bounce", type_, subtype, **more)


@pytest.fixture
def figures(environment, either_store):
    """Write facts into the store of the environment."""
    return lambda facts: counted(environment["SES_WORKER_STORE__URL"], facts)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A database with a year's invented mail."""
    path = tmp_path_factory.mktemp("year") / "worker.db"
    store = open_store(f"sqlite:///{path}")
    ensure_schema(store, migrate=True)
    store.close()
    invent(path, 365, datetime.now(UTC), mails=300)
    return path


@pytest.fixture
def year(template, tmp_path):
    """A year's invented mail is in the database of the command."""
    shutil.copy(template, tmp_path / "worker.db")


MANY = {
    fact("send", domain="a.example", configuration_set="news", tenant="north"): 9_000,
    fact("send", domain="b.example", configuration_set="bills", tenant="south"): 1_000,
    fact("received_again"): 20,
    bounce(domain="a.example", configuration_set="news", tenant="north", fault="recipient",
           status="5.1.1", became="p"): 30,
    bounce("OnAccountSuppressionList", domain="a.example", configuration_set="news",
           tenant="north", fault="recipient", became="rp"): 9,
    bounce("Suppressed", domain="b.example", configuration_set="bills", tenant="south",
           fault="recipient", became="u"): 5,
    bounce("MailboxFull", "Transient", domain="b.example", configuration_set="bills",
           tenant="south", fault="recipient", status="5.2.2", became="p"): 7,
    fact("complaint", "abuse", domain="a.example", configuration_set="news", tenant="north",
         became="b"): 4,
    bounce(domain="simulator.amazonses.com", fault="recipient", became="u"): 3,
    fact("send", domain="simulator.amazonses.com"): 3,
}  # fmt: skip


class TestFigures:
    def test_bounces_and_complaints_are_judged_as_aws_counts_them(self, run, figures):
        figures(MANY)
        done = run("report", "--days", "1", "--json")
        assert done.status == 0, done.err
        found = done.json
        assert found["sends"] | {"since": ""} == {
            "count": 10_000, "source": "send_events", "since": "",
        }  # fmt: skip
        bounces = found["bounces"]
        # 30 of the mail servers and 5 of SES's own list, not 9 of the account's, none simulated
        assert (bounces["counted"], bounces["hard"], bounces["refused"]) == (35, 44, 14)
        assert (bounces["rate"], bounces["state"]) == (0.0035, "below")
        assert bounces["left_to_review"] == 499 - 35
        assert (bounces["new"], bounces["repeated"], bounces["of_no_user"]) == (37, 9, 5)
        assert found["simulated"] == 3
        complaints = found["complaints"]
        assert (complaints["counted"], complaints["state"], complaints["certain"]) == (
            4, "below", False,
        )  # fmt: skip
        assert (found["paused"], found["blocked"], found["received_again"]) == (46, 4, 20)
        assert [(r["name"], r["count"]) for r in found["reasons"][:2]] == [
            ("Permanent/General", 33), ("Permanent/OnAccountSuppressionList", 9),
        ]  # fmt: skip
        assert found["statuses"][0] | {"share": 0} == {
            "kind": "bounce", "name": "5.1.1", "meaning": "there is no such mailbox", "count": 30,
            "share": 0,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("by", "column", "first", "second"),
        [
            ("domain", "domain", ("a.example", 39, 30, 9_000), ("b.example", 5, 5, 1_000)),
            (
                "configuration-set",
                "configuration_set",
                ("news", 39, 30, 9_000),
                ("bills", 5, 5, 1_000),
            ),
            ("tenant", "tenant", ("north", 39, 30, 9_000), ("south", 5, 5, 1_000)),
            ("provider", "provider", ("other", 47, 38, 10_003), None),  # with the simulator
            (
                "type",
                "type",
                ("Permanent/General", 33, 33, None),
                ("Permanent/Suppressed", 5, 5, None),
            ),
            ("fault", "fault", ("recipient", 47, 38, None), None),
        ],
    )
    def test_it_is_by_the_dimension_of_the_option(self, run, figures, by, column, first, second):
        figures(MANY)
        rows = run("report", "--days", "1", "--by", by, "--json").json["rows"]
        found = [
            (row[column], row["hard_bounces"], row["counted_bounces"], row["sends"]) for row in rows
        ]
        assert {first, second} - {None} <= set(found)

    def test_a_complaints_type_without_a_sub_type_ends_with_no_slash(self, run, figures):
        figures({fact("complaint", "abuse"): 2, fact("complaint"): 1, bounce(): 1})
        found = run("report", "--days", "1", "--by", "type", "--json").json
        for key, lines in (("type", found["rows"]), ("name", found["reasons"])):
            assert {line[key] for line in lines} == {"abuse", "", "Permanent/General"}

    def test_each_day_has_a_line_and_rates_begin_with_the_first_whole_day_of_sends(
        self, run, figures
    ):
        long_ago = YESTERDAY - timedelta(days=3)
        figures({
            bounce(at=long_ago): 500,
            fact("send", at=YESTERDAY - timedelta(days=1)): 10,
            fact("send", at=YESTERDAY): 2_000,
            bounce(at=YESTERDAY): 20,
        })  # fmt: skip
        found = run("report", "--days", "5", "--json").json
        assert len(found["by_day"]) == 6
        assert [row["day"] for row in found["rows"]][::-1] == sorted(
            r["day"] for r in found["rows"]
        )
        assert found["sends"] == {
            "count": 2_000, "source": "send_events", "since": f"{YESTERDAY:%Y-%m-%d}",
        }  # fmt: skip
        assert (found["bounces"]["hard"], found["bounces"]["counted"]) == (520, 20)
        assert found["bounces"]["rate"] == 0.01
        # Unknown until the first whole day; today nothing was sent, and that is known.
        assert [day["sends"] for day in found["by_day"]] == [None] * 4 + [2_000, 0]

    def test_mails_are_those_of_the_days_of_the_rates_and_the_table_says_so(self, run, figures):
        """By value a row has had the sends of the day that is only partly known, too."""
        before = YESTERDAY - timedelta(days=1)
        figures({
            fact("send", at=before, tenant="north"): 500,
            bounce(at=before, tenant="north"): 90,
            fact("send", at=YESTERDAY, tenant="north"): 2_000,
            bounce(at=YESTERDAY, tenant="north"): 20,
        })  # fmt: skip
        arguments = "report", "--days", "5", "--by", "tenant"
        (row,) = run(*arguments, "--json").json["rows"]
        assert (row["sends"], row["hard_bounces"], row["bounce_rate"]) == (2_000, 110, 0.01)
        out = run(*arguments).out
        since, first = f"{YESTERDAY:%Y-%m-%d}", f"{YESTERDAY - timedelta(days=4):%Y-%m-%d}"
        assert f"By tenant; mails and rates since {since}, all else since {first}" in out
        assert f"20 hard bounces of 2,000 mails since {since}: below" in " ".join(out.split())

    def test_a_bounce_of_three_mails_is_no_alarm(self, run, figures):
        figures({fact("send", domain="a.example"): 3, bounce(domain="a.example"): 1})
        found = run("report", "--by", "domain", "--json").json
        assert found["bounces"]["state"] == "too_few"
        assert found["rows"][0]["bounce_state"] == "too_few"
        assert "too few mails to judge" in run("report").out

    def test_what_was_drained_is_in_the_report(self, run, emulator, queue, either_store):
        run("users", "import", "-", input="email\njane@example.com\n")
        emulator.send(queue, mail.bounce("jane@example.com", at=datetime.now(UTC).isoformat()))
        assert run("drain").status == 0
        done = run("report")
        assert done.status == 0, done.err
        assert "Paused or blocked last" in done.out
        assert re.search(r"paused +jane@example\.com: Permanent", done.out)

    def test_thousands_of_values_are_a_few_lines_and_a_rest(self, run, figures):
        figures({bounce(domain=f"d{n}.example"): 1 + n % 97 for n in range(5_000)})
        rows = run("report", "--by", "domain", "--top", "3", "--json").json["rows"]
        assert len(rows) == 4
        assert rows[-1]["domain"] == "other"
        whole = sum(1 + n % 97 for n in range(5_000))
        assert sum(row["hard_bounces"] for row in rows) == whole


class TestTags:
    def test_events_are_read_by_a_tag_and_a_note_says_so(self, run, tmp_path):
        run("db", "upgrade")
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}.000000"
        with sqlite3.connect(tmp_path / "worker.db") as connection:
            for number, campaign in enumerate(["spring", "spring", "welcome", None]):
                tags = {"campaign": [campaign]} if campaign else {"other": ["x"]}
                event(connection, f"{number}", tags=tags, at=now)
            event(connection, "x", kind="complaint", type="abuse", subtype="", at=now,
                  action="auto_block_spam", tags={"campaign": ["spring"]})  # fmt: skip
            event(connection, "y", recipient="bounce@simulator.amazonses.com", at=now,
                  tags={"campaign": ["spring"]})  # fmt: skip
            event(connection, "z", kind="reinstatement", at=now, tags={"campaign": ["spring"]})
        connection.close()
        done = run("report", "--by", "tag:campaign", "--json")
        assert done.status == 0, done.err
        assert done.json["events_read"] == 5
        assert [
            (row["tag:campaign"], row["hard_bounces"], row["complaints"], row["blocked"])
            for row in done.json["rows"]
        ] == [("spring", 2, 1, 1), ("", 1, 0, 0), ("welcome", 1, 0, 0)]

    def test_postgresql_reads_them_likewise(self, run, emulator, queue, either_store):
        emulator.send(queue, mail.bounce("jane@example.com", at=datetime.now(UTC).isoformat()))
        assert run("drain").status == 0
        done = run("report", "--by", "tag:campaign", "--json")
        assert (done.status, done.json["events_read"]) == (0, 1)
        assert done.json["rows"][0]["hard_bounces"] == 1


class TestSes:
    FEW = {bounce(): 12}  # noqa: RUF012 read only

    @pytest.fixture(autouse=True)
    def older_api(self, ses, environment):
        environment["AWS_ENDPOINT_URL_SES"] = ses.endpoint

    def test_ses_s_metrics_tell_how_much_was_sent(self, run, figures, ses, queue):
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        ses.sent.metrics = {today: 4_000, today - timedelta(days=1): 6_000}
        figures(self.FEW)
        found = run("report", "--ses", "--days", "1", "--json").json
        assert found["sends"]["source"] == "ses_metrics"
        assert (found["sends"]["count"], found["bounces"]["rate"]) == (10_000, 0.0012)
        assert [call.operation for call in ses.calls] == ["BatchGetMetricData"]

    def test_its_older_statistics_are_taken_where_it_has_no_metrics(self, run, figures, ses, queue):
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        ses.sent.statistics = {today: 1_500, today - timedelta(days=40): 9}
        ses.fail(ACCESS_DENIED, on="BatchGetMetricData")
        figures(self.FEW)
        found = run("report", "--ses", "--json").json
        assert (found["sends"]["source"], found["sends"]["count"]) == ("ses_statistics", 1_500)
        assert found["ses"]["problem"] is None

    def test_where_nothing_is_permitted_the_report_says_so_and_is_made_all_the_same(
        self, run, figures, ses, queue
    ):
        ses.fail(ACCESS_DENIED)
        figures(self.FEW)
        done = run("report", "--ses")
        assert done.status == 0, done.err
        words = " ".join(done.out.split())
        assert "ses:BatchGetMetricData is not permitted" in words
        assert "ses:GetSendStatistics is not permitted" in words
        assert "the rate is unknown" in words

    def test_the_check_reports_whether_ses_s_metrics_may_be_read(self, run, figures, ses, queue):
        figures(self.FEW)
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        ses.sent.statistics = {today - timedelta(days=1): 1_500}

        def finding():
            checks = run("check", "--report", "--json").json["checks"]
            (found,) = [item for item in checks if item["check"] == "sends"]
            return found

        assert finding()["status"] == "ok"
        ses.fail(ACCESS_DENIED)
        denied = finding()
        assert (denied["status"], "config/iam-report.json" in denied["fix"]) == ("note", True)
        assert "ses:GetSendStatistics is not permitted" in denied["message"]
        assert "sends" not in {item["check"] for item in run("check", "--json").json["checks"]}

    def test_without_the_option_nothing_is_requested(self, run, figures, ses, queue):
        figures(self.FEW)
        assert run("report").status == 0
        assert ses.calls == []


class TestFiles:
    def test_a_table_is_written_without_formulas(self, run, figures, tmp_path):
        figures(
            {bounce(configuration_set="=cmd|'/c calc'!A1"): 3, bounce(configuration_set="a"): 2}
        )
        done = run("report", "--by", "configuration-set", "--csv", "table.csv")
        assert (done.status, done.out) == (0, "")
        assert "wrote the table table.csv" in done.err
        with (tmp_path / "table.csv").open(newline="") as file:
            heading, first, second = csv.reader(file)
        assert heading[:3] == ["configuration_set", "sends", "deliveries"]
        assert (first[0], second[0]) == ("'=cmd|'/c calc'!A1", "a")
        assert (tmp_path / "table.csv").stat().st_mode & 0o777 == 0o600

    def test_each_can_be_standard_output_but_not_two(self, run, year):
        table = list(csv.reader(io.StringIO(run("report", "--days", "9", "--csv", "-").out)))
        assert len(table) == 11
        html = run("report", "--html", "-").out
        assert html.startswith("<!DOCTYPE html>")
        for more in (
            ["--csv", "-", "--json"],
            ["--html", "-", "--json"],
            ["--html", "-", "--csv", "-"],
        ):
            assert run("report", *more).status == 2

    def test_html_a_table_and_json_come_together(self, run, year, tmp_path):
        done = run("report", "--html", "a.html", "--csv", "a.csv", "--json")
        assert (done.status, done.json["by"]) == (0, "day")
        assert {"a.html", "a.csv"} <= {path.name for path in tmp_path.iterdir()}

    @pytest.mark.parametrize("option", ["--html", "--csv"])
    def test_a_file_that_cannot_be_written_leaves_nothing_behind(self, run, year, tmp_path, option):
        before = sorted(path.name for path in tmp_path.iterdir())
        done = run("report", option, "no/such/folder/report")
        assert (done.status, done.out) == (1, "")
        assert done.err == (
            "ses-worker: cannot write no/such/folder/report: No such file or directory\n"
        )
        assert sorted(path.name for path in tmp_path.iterdir()) == before

    def test_a_folder_is_no_file_and_two_outputs_are_two_files(self, run, year, tmp_path):
        assert run("report", "--html", tmp_path).status == 2
        for option in ("--html", "--csv"):
            done = run("report", option, "")
            assert (done.status, f"{option} needs the name of a file" in done.err) == (2, True)
        assert run("report", "--html", "a", "--csv", "./a").status == 2

    def test_a_full_disk_leaves_the_old_html_as_it_was(self, run, year, tmp_path):
        if not os.path.exists("/dev/full"):  # noqa: PTH110
            pytest.fail("there is no /dev/full")
        done = run("report", "--html", "/dev/full")
        assert (done.status, done.err) == (
            1, "ses-worker: cannot write /dev/full: No space left on device\n",
        )  # fmt: skip


class TestBadInput:
    @pytest.mark.parametrize(
        ("words", "error"),
        [
            (["--days", "0"], "0 is not in the range 1<=x<=3660"),
            (["--days", "-7"], "-7 is not in the range"),
            (["--days", "week"], "'week' is not a valid integer range"),
            (
                ["--by", "colour"],
                "'colour' is none of day, type, domain, provider, configuration-set",
            ),
            (["--by", "tag:"], "needs the name of a tag"),
            (["--by", "Tag:x"], "is none of"),
            (["--by", ""], "'' is none of"),
            (["--top", "0"], "0 is not in the range 1<=x<=10000"),
        ],
    )
    def test_a_wrong_option_is_wrong_usage_in_a_sentence(self, run, words, error):
        done = run("report", *words)
        assert done.status == 2
        assert error in " ".join(done.err.split())

    def test_an_empty_database_is_reported_as_such(self, run, either_store):
        run("db", "upgrade")
        done = run("report")
        assert (done.status, done.err) == (0, "")
        assert "Nothing was counted in these days." in done.out
        found = run("report", "--json").json
        assert (found["sends"]["count"], found["rows"]) == (None, [])
        assert run("report", "--by", "tag:x", "--html", "page.html").status == 0

    def test_no_database_and_an_older_schema_are_errors_of_a_sentence(self, run, tmp_path):
        done = run("report", "--html", "page.html")
        assert (done.status, "Traceback" in done.err) == (1, False)
        assert not (tmp_path / "page.html").exists()
        run("db", "upgrade")
        with sqlite3.connect(tmp_path / "worker.db") as connection:
            connection.execute("UPDATE ses_worker_schema SET version_num = '0010'")
        connection.close()
        done = run("report")
        assert (done.status, "db upgrade" in done.err) == (1, True)

    def test_a_database_from_before_the_figures_says_what_is_yet_to_be_counted(self, run, tmp_path):
        run("db", "upgrade")
        value = json.dumps({"below": 7, "since": datetime.now(UTC).isoformat()})
        with sqlite3.connect(tmp_path / "worker.db") as connection:
            connection.execute("INSERT INTO progress VALUES ('events_counted', ?)", (value,))
        connection.close()
        done = run("report")
        assert (done.status, done.err) == (0, "")
        words = " ".join(done.out.split())
        assert "Nothing was counted in these days." in words
        assert "are yet to be counted, which ses-worker run and drain do" in words
        assert run("report", "--json").json["bounces_counted_since"]

    def test_what_the_version_before_did_not_count_is_not_known_and_not_0(
        self, run, environment, tmp_path
    ):
        facts = {bounce(): 200, bounce(became="u"): 72, fact("complaint", "abuse"): 3}
        counted(environment["SES_WORKER_STORE__URL"], facts)
        upgrade = f"{datetime.now(UTC):%Y-%m-%d}T14:47:00+00:00"
        value = json.dumps({"below": 0, "since": upgrade})
        with sqlite3.connect(tmp_path / "worker.db") as connection:
            connection.execute("INSERT INTO progress VALUES ('events_counted', ?)", (value,))
        connection.close()
        words = " ".join(run("report").out.split())
        since = f"not known before {datetime.now(UTC):%Y-%m-%d} 14:47 UTC"
        for part in (
            f"272, 72 of no user; of users for the first time, and repeated: {since}",
            f"3, 0 of no user; of users for the first time, and repeated: {since}",
            f"pauses begun or prolonged, and users blocked: {since}",
        ):
            assert part in words
        assert "0 repeated" not in words
        assert run("report", "--json").json["paused"] is None

    def test_names_that_would_move_the_cursor_are_made_visible(self, run, figures):
        figures({bounce(tenant="\x1b[2J\u202eevil", domain="\x1b]0;x\x07"): 3})
        out = run("report", "--by", "tenant").out
        assert "\\x1b[2J\\u202eevil" in out
        assert out.replace("\n", "").isprintable()


class TestScreens:
    @pytest.mark.parametrize("columns", [80, 120])
    @pytest.mark.parametrize("by", ["day", "type", "domain", "tag:campaign"])
    def test_it_fits_and_has_plots(self, terminal, year, columns, by):
        done = terminal("report", "--by", by, "--days", "365", columns=columns)
        assert done.status == 0, done.out
        text = ESCAPES.sub("", done.out).replace("\r\n", "\n")
        shown = text[text.rindex("Bounces and complaints from") :]
        for line in shown.splitlines():
            assert cell_len(line) <= columns, line
        assert "█" in shown
        assert "at most" in shown

    def test_mails_of_a_day_that_is_only_partly_known_are_not_drawn(self, terminal, environment):
        counted(environment["SES_WORKER_STORE__URL"], {
            fact("send", at=YESTERDAY - timedelta(days=1)): 5_000,
            fact("send", at=YESTERDAY): 2_000,
            bounce(): 1,
        })  # fmt: skip
        out = ESCAPES.sub("", terminal("report", "--days", "4").out)
        (line,) = re.findall(r"mails +[ ▁-█]*at most ([\d,]+) a day", out)
        assert line == "2,000"

    def test_in_a_pipe_it_is_plain(self, run, year):
        out = run("report", "--by", "type").out
        assert "\x1b" not in out
        assert "▇" not in out
        assert "Permanent/General: the receiving side refused the mail for good" in out
        assert json.dumps(out)

    @pytest.mark.parametrize("columns", [36, 20])
    def test_a_terminal_without_room_for_plots_is_no_error(self, terminal, year, columns):
        done = terminal("report", "--days", "365", columns=columns)
        assert done.status == 0
        assert "█" in done.out

    def test_a_long_value_does_not_widen_the_table(self, terminal, run, figures):
        figures({bounce(domain=f"{'long.' * 50}example"): 3})
        out = ESCAPES.sub("", terminal("report", "--by", "domain").out)
        assert max(map(cell_len, out.splitlines())) <= 80
