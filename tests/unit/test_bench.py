"""How the benchmark gets from runs to goals and the report."""

import json
import shutil
import threading
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from urllib.request import Request, urlopen
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from bench import report, run
from bench.answers_report import write_answers
from bench.attempts import Attempt, without_startup
from bench.figures import Against, Comparison, Figure, lines, rivals
from bench.findings import Answer, Answers, AnswersAt, Growth, Idle, Memory, Point, Profile, Row
from bench.goals import Goal, Results, bound_ms, goals
from bench.invented_figures import fill_sqlite
from bench.pair import Interval, interval
from bench.pair import verdict as verdict_of_pairs
from bench.parts import Part, forget, keep, kept
from bench.places import Unfit
from bench.profile import PARTS, wrap_everything
from bench.report import goal_lines, markdown
from bench.sections import kept_sections, put_section
from bench.stub import Held, running_stub
from worker.core.counting import Dimension
from worker.store import ensure_schema, open_store
from worker.store.figures_by_hour import by_value

NOW = datetime.now(UTC)


def attempt(seconds, wall, messages=1_000):
    return Attempt(
        messages=messages,
        cpu_seconds=seconds,
        paid_messages=messages,
        wall_seconds=wall,
        stub_cpu_seconds=0.1,
        database_cpu_seconds=0.0,
        others_share=0.0,
        calls={},
        empty_receives=0,
        held=Held(5.0, 9.0, 20.0),
    )


def comparison(rounds, delay):
    names = list(rounds[0])
    return Comparison(
        rounds=len(rounds),
        versions={"Python": "3"},
        messages=1_000,
        slow_messages=1_000,
        tables={delay: lines(rounds, names)},
        against=rivals({delay: rounds}),
        what={name: name for name in names},
    )


def point(events, more):
    single = Figure(1.0, 1.0, 1.0)
    return Point(
        users=1_000,
        events=events,
        megabytes=1.0,
        cpu_us=single,
        more_us=Figure(more, more, more),
        wall_us=single,
    )


def growth(*points):
    return Growth(rounds=5, messages=10, points=list(points), again_ratio=Figure(0.5, 0.4, 0.6))


def verdict(results, *words):
    return [goal.reached for goal in goals(results) if all(word in goal.what for word in words)]


def test_every_goal_is_listed_and_parts_not_run_are_marked_as_not_run():
    found = goals(Results())
    assert len({(goal.what, goal.unit) for goal in found}) == len(found) == 18
    assert {goal.reached for goal in found} == {"not run"}
    assert all("| not run |" in line for line in list(goal_lines(found))[2:])


@pytest.mark.parametrize(
    ("figure", "reached"),
    [
        (Figure(0.5, 0.4, 0.6), "yes"),
        (Figure(0.5, 0.4, 0.7), "yes, not in every round"),
        (Figure(0.7, 0.5, 0.8), "no, but in some rounds"),
        (Figure(0.7, 0.61, 0.8), "no"),
    ],
)
def test_the_median_decides_and_the_rounds_that_disagree_are_listed(figure, reached):
    assert Goal("CPU", "<=", 0.6, "x", figure).reached == reached


def test_a_spread_that_begins_below_zero_is_not_read_as_a_minus():
    assert Figure(6.2, -24.4, 73.0).shown(0) == "6 [-24 to 73]"
    assert Figure(1.25, 1.2, 1.31).shown(2) == "1.25 [1.20-1.31]"


def test_ratios_are_taken_inside_each_round():
    rounds = {
        number: {"floor1": attempt(cost, cost), "worker-sqlite-1": attempt(cost / 2, cost / 2)}
        for number, cost in enumerate((1.0, 3.0, 2.0, 5.0, 4.0))
    }
    found = Results(comparison=comparison(rounds, 0))
    assert verdict(found, "no latency") == ["yes"]
    (goal,) = (goal for goal in goals(found) if "no latency" in goal.what)
    assert goal.figure == Figure(0.5, 0.5, 0.5)


def test_who_is_set_against_whom_counts_messages_a_second_at_8_ms():
    single = {
        "worker-sqlite-1": attempt(0.5, 1.0),
        "worker-sqlite-2": attempt(0.5, 0.5),
        "aiobotocore": attempt(0.5, 0.9),
    }
    found = comparison(dict.fromkeys(range(5), single), 8)
    assert found.against == [
        Against(delay=8, name="worker-sqlite-1", other="aiobotocore", rate=Figure(0.9, 0.9, 0.9)),
        Against(delay=8, name="worker-sqlite-2", other="worker-sqlite-1", rate=Figure(2, 2, 2)),
    ]
    results = Results(comparison=found)
    assert verdict(results, "at 8 ms", "messages a second") == [
        "not run", "no", "not run", "yes", "not run", "not run",
    ]  # fmt: skip


def test_fewer_than_five_rounds_decide_no_goal_even_when_a_round_of_a_rival_failed():
    single = {"worker-sqlite-1": attempt(0.5, 0.5), "worker-sqlite-2": attempt(0.5, 0.1)}
    rounds = {number: single | {"floor1": attempt(9.0, 9.0)} for number in range(5)}
    rate = "messages a second at 8 ms"
    assert verdict(Results(comparison=comparison(rounds, 8)), rate)[0] == "yes"
    del rounds[4]["floor1"]
    found = Results(comparison=comparison(rounds, 8))
    assert verdict(found, rate)[0] == "undecided: 4 of 5 rounds"
    assert verdict(found, rate, "worker-sqlite-2") == ["yes"]


def test_an_idle_worker_that_was_watched_briefly_decides_no_goal():
    single = Figure(4.0, 3.0, 5.0)
    idle = Idle(
        seconds=20,
        cpu_share=0.001,
        receives=1,
        other_calls=1,
        megabytes=90,
        singles=10,
        latency_ms=single,
        latency_p95_ms=5,
        look_ms=single,
    )
    assert verdict(Results(idle=idle), "idle worker") == ["undecided: 20 of 100 s"] * 2
    assert verdict(Results(idle=idle), "median") == ["undecided: 10 of 20 messages"]
    whole = replace(idle, seconds=100, singles=20)
    assert verdict(Results(idle=whole), "idle") == ["yes", "yes", "yes"]


def test_growth_counts_only_with_ten_million_events():
    small, whole = growth(point(0, 0), point(10_000, 5)), growth(point(0, 0), point(10**7, 59))
    assert verdict(Results(growth=small), "10,000,000") == ["not run"]
    assert verdict(Results(growth=whole), "10,000,000") == ["yes"]
    too_much = growth(point(0, 0), point(10**7, 61))
    assert verdict(Results(growth=too_much), "10,000,000") == ["no"]


def test_memory_counts_only_after_a_million_messages():
    memory = Memory(messages=999_999, command="drain", most_mb=100, grown_mb=1)
    few = "undecided: 999999 of 1000000 messages"
    assert verdict(Results(memory=memory), "resident") == [few]
    assert verdict(Results(memory=memory), "first tenth") == [few]
    memory = Memory(messages=1_000_000, command="drain", most_mb=151, grown_mb=1)
    assert verdict(Results(memory=memory), "resident") == ["no"]
    assert verdict(Results(memory=memory), "first tenth") == ["yes"]


def test_the_limit_under_load_is_what_all_pollers_hold_and_the_calls_of_a_poller():
    assert bound_ms(rate=4_000, delay=0) == pytest.approx(400)
    assert bound_ms(rate=4_000, delay=8) == pytest.approx(720)


def test_each_process_has_its_start_up_taken_out_with_its_messages():
    whole, startup = attempt(3.0, 1.0, 1_000), attempt(0.5, 0.1, 10)
    paid = without_startup(whole, startup, processes=2)
    assert paid.cpu_seconds == pytest.approx(2.0)
    assert paid.paid_messages == 980
    assert paid.rate == pytest.approx(1_000)


def test_every_function_that_the_profile_measures_exists_and_has_its_row():
    measured = {"main thread"}

    class Names:
        def wrap(self, owner, name, part):
            assert hasattr(owner, name), (owner, name)
            measured.add(part)

        def wrap_manager(self, owner, name, *parts):
            assert hasattr(owner, name), (owner, name)
            measured.update(parts)

    wrap_everything(Names())
    assert measured == set(PARTS)


def test_a_report_of_no_part_says_so():
    text = markdown(Results(), None, {})
    assert text.count("Not run.") == 2
    assert "## Goals" in text


def test_what_a_part_leaves_is_read_again_until_it_is_forgotten(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_PARTS", str(tmp_path))
    assert kept("profile", Profile) is None
    left = Profile(title="sqlite", rows=[Row(name="decode", calls=3, us=7.5, share=1.0)])
    keep("profile", left)
    found = kept("profile", Profile)
    assert isinstance(found, Part)
    assert found.result == left
    assert "| decode | 3 | 7.5 | 100.0% |" in markdown(Results(), left, {})
    forget("profile")
    assert kept("profile", Profile) is None


@pytest.mark.parametrize("missing", ["claimed", "find_node"])
def test_where_nothing_can_be_measured_earlier_results_and_the_report_stay(
    missing, tmp_path, monkeypatch
):
    def unfit(*_):
        raise Unfit("not here")

    monkeypatch.setenv("BENCH_PARTS", str(tmp_path))
    keep("profile", Profile(title="sqlite", rows=[]))
    monkeypatch.setattr(run, "claimed", lambda *_: nullcontext())
    monkeypatch.setattr(run, "find_node", lambda: "node")
    monkeypatch.setattr(run, missing, unfit)
    monkeypatch.setattr(run, "write", lambda _: pytest.fail("a report was written"))
    monkeypatch.setattr(run.subprocess, "Popen", lambda *_, **__: pytest.fail("a part was run"))
    with pytest.raises(SystemExit, match="not here"):
        run.main.callback(peers=False, only="profile,report", rounds=None, quick=False)
    assert kept("profile", Profile)


@pytest.mark.parametrize(("count", "observability"), [(6, 0), (20, 5), (40, 13)])
def test_the_interval_of_a_median_is_the_sign_tests(count, observability):
    """The tables have 1st to 6th, 6th to 15th, 14th to 27th."""
    found = interval([float(number) for number in range(count, 0, -1)])
    assert found == Interval((count + 1) / 2, observability + 1.0, float(count - observability))


def test_an_interval_says_more_less_or_that_it_is_not_known():
    assert verdict_of_pairs(Interval(1.0, 0.98, 1.02)) == "at most 3% more"
    assert verdict_of_pairs(Interval(1.05, 1.04, 1.06)) == "more than 3% more"
    assert verdict_of_pairs(Interval(1.02, 0.99, 1.05)).startswith("not known")


def test_a_section_of_another_command_is_replaced_and_outlives_a_new_report(tmp_path):
    path = tmp_path / "RESULTS.md"
    path.write_text("# What a message costs\n\n## Goals\n\nall\n")
    put_section(path, "Answers", ["slow"])
    put_section(path, "Rebuilds", ["| a |"])
    put_section(path, "Answers", ["fast", "", "### SQLite"])
    text = path.read_text()
    assert text.startswith("# What a message costs\n\n## Goals\n\nall\n\n# Other measurements\n")
    assert text.endswith("## Answers\n\nfast\n\n### SQLite\n\n## Rebuilds\n\n| a |\n")
    report.write(tmp_path)
    again = path.read_text()
    assert again.startswith("# What a message costs\n\nWritten by")
    assert kept_sections(again) == kept_sections(text)
    assert "slow" not in again


def answers(store, walls):
    points = [
        AnswersAt(
            size=size,
            megabytes=1.0,
            answers={
                name: Answer(wall=wall, least=wall, most=wall, cpu=0.01, load=1.5)
                for name in ("do_not_mail", "why, its queries", "why", "check 1,000", "check 100,000",
                             "report by day", "report by domain")
            },
            path_cpu_us=60.0,
            path_load=1.5,
            path_instructions=700_000 + size,
        )
        for size, wall in walls.items()
    ]  # fmt: skip
    return Answers(store=store, rounds=5, machine="2 cores", points=points)


def test_growing_answers_have_a_table_with_their_limits_and_a_plot(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.parts.OUT", tmp_path)
    keep("answers-sqlite", answers("sqlite", {1_000: 0.04, 10_000: 0.06}))
    write_answers(tmp_path)
    lines = (tmp_path / "RESULTS.md").read_text().splitlines()
    assert "| why, its queries | 40 ms (10 ms, 1.5) | 60 ms ! (10 ms, 1.5) | 50 ms |" in lines, (
        "what is above its limit is marked"
    )
    assert "| check 1,000 | 40 ms (10 ms, 1.5) | 60 ms (10 ms, 1.5) |  |" in lines
    assert "| a message, instructions | 701,000 (+0.0%) | 710,000 (+1.3%) |  |" in lines
    drawn = ET.fromstring((tmp_path / "answers.svg").read_text())
    assert len([part for part in drawn if part.tag.endswith("polyline")]) == 7


@pytest.mark.parametrize("bounces", [500, 20_000])
def test_invented_figures_are_fewer_where_there_are_fewer_bounces(tmp_path, bounces):
    store = open_store(f"sqlite:///{tmp_path / 'worker.db'}")
    ensure_schema(store, migrate=True)
    fill_sqlite(tmp_path / "worker.db", bounces)
    counted = by_value(store, Dimension.ALL, NOW - timedelta(days=90), NOW)[""]
    assert 0 < counted["hard_bounce"] < 2 * bounces
    hours = store.ask("SELECT count(DISTINCT hour) FROM hourly_counts")[0][0]
    assert hours <= min(91 * 24, 1.2 * bounces)
    days = store.ask("SELECT sum(count) FROM daily_counts")
    assert days == store.ask("SELECT sum(count) FROM hourly_counts")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_the_stub_answers_a_long_poll_when_messages_come_and_says_how_long_they_waited():
    with running_stub(shutil.which("node")) as stub:

        def call(operation, **arguments):
            body = json.dumps({"QueueUrl": stub.queue_url("polled"), **arguments}).encode()
            headers = {"X-Amz-Target": f"AmazonSQS.{operation}"}
            with urlopen(Request(stub.endpoint, body, headers), timeout=30) as answer:
                return json.load(answer)

        began = time.monotonic()
        later = threading.Timer(0.3, stub.load, ("polled", 1))
        later.start()
        (message,) = call("ReceiveMessage", WaitTimeSeconds=10)["Messages"]
        later.join()
        assert time.monotonic() - began < 8
        time.sleep(0.1)
        entry = {"Id": "0", "ReceiptHandle": message["ReceiptHandle"]}
        call("DeleteMessageBatch", Entries=[entry])
        held = stub.held("polled")
        assert 90 < held.most <= held.waited + 1
