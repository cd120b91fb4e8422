"""What commits have counted is added up: once, by any number of workers, whatever is killed."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select
from support import mail
from support.counting import Recount, event

from worker.core.counting import OTHER, SIMULATOR, Dimension, Fact, encode_facts
from worker.core.errors import Unavailable
from worker.core.policy import Policy, UnknownRecipients
from worker.core.unit_of_work import UnitOfWork
from worker.observability.health import Health
from worker.process import process
from worker.service.figures_keeper import FiguresKeeper
from worker.store import adding_up, open_store
from worker.store.adding_up import add_up_some
from worker.store.counting_events import count_some_events
from worker.store.figures_by_hour import HISTORY, Step, by_value, known, over_time
from worker.store.largest import LOOSE, LOOSE_ROWS, MOST_VALUES, largest
from worker.store.schema import (
    daily_counts,
    events,
    hourly_counts,
    metadata,
    new_counts,
    progress,
)
from worker.store.trimming import trim_what_is_over
from worker.store.users import import_users

SINCE, UNTIL = mail.NOW - timedelta(days=40), mail.NOW + timedelta(days=1)
PEOPLE = ["jane@gmail.com", "joan@gmail.com", "jo@web.de", "ann@example.com"]


def write(store, table, *rows):
    with store.write_transaction() as connection:
        connection.execute(insert(table), list(rows))


def count(store, table):
    with store.read_transaction() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def fact(number: int, hour="2026-11-20T08", what="send") -> Fact:
    return (hour, what, "", "", f"domain{number:05}.example", "news", "", "", "", "")


def figures(store):
    return {dimension.value: by_value(store, dimension, SINCE, UNTIL) for dimension in Dimension}


def add_up_all(store):
    for _ in range(2_000):
        if not add_up_some(store).rows:
            return
    raise AssertionError("rows that were added up come back")


bodies = st.one_of(
    st.builds(
        lambda kind, to, day, of: event(
            kind, *to, at=f"2026-11-{day:02}T{day:02}:00:00Z", configuration_set=of
        ),
        st.sampled_from(["Send", "Delivery", "Open", "DeliveryDelay"]),
        st.lists(st.sampled_from(PEOPLE), max_size=3),
        st.integers(10, 14),
        st.sampled_from(["news", "", None]),
    ),
    st.builds(
        lambda to, type, day: mail.bounce(*to, type=type, at=f"2026-11-{day:02}T08:00:00Z"),
        st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=2, unique=True),
        st.sampled_from(["Permanent", "Transient", "Undetermined"]),
        st.integers(10, 14),
    ),
    st.builds(
        lambda to, day: mail.complaint(to, at=f"2026-11-{day:02}T08:00:00Z"),
        st.sampled_from(PEOPLE),
        st.integers(10, 14),
    ),
)


@given(
    st.lists(st.tuples(bodies, st.integers(1, 2)), min_size=1, max_size=25),
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
    st.lists(st.booleans(), min_size=1, max_size=7),
    st.integers(1, 6),
    st.sampled_from([UnknownRecipients.RECORD, UnknownRecipients.CREATE]),
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
def test_figures_are_a_plain_recount_of_all_events_in_any_batches(
    store, message, monkeypatch, received, sizes, adding, facts, unknown
):
    with store.write_transaction() as connection:
        for table in metadata.sorted_tables:
            connection.execute(delete(table))
    list(import_users(store, [{"email": each, "email_key": each} for each in PEOPLE[:2]]))
    monkeypatch.setattr(adding_up, "MOST_FACTS", facts)
    policy = Policy(unknown_recipients=unknown)
    handled, left, step = [], [message(body, receive_count=n) for body, n in received], 0
    left += left[::3]  # some are received again
    while left:
        size = sizes[step % len(sizes)]
        handled += process(left[:size], store, policy)
        left = left[size:]
        if adding[step % len(adding)]:
            add_up_some(store)
        step += 1
    expected = Recount(handled, PEOPLE[:2]).figures
    assert figures(store) == expected
    add_up_all(store)
    assert count(store, new_counts) == 0
    assert figures(store) == expected
    by_days = Counter()
    for counts in over_time(store, SINCE, UNTIL, Step.DAY).values():
        by_days.update(counts)
    assert by_days == expected["all"].get("", {})


def test_several_workers_add_up_at_once_while_others_count(store, store_url):
    ended = threading.Event()
    failures = []

    def add():
        other = open_store(store_url)
        try:
            while not ended.is_set():
                add_up_some(other)
        except Exception as error:  # noqa: BLE001
            failures.append(error)
        finally:
            other.close()

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    chance, expected = random.Random(16), Counter()
    try:
        for _ in range(60):
            facts = {fact(chance.randrange(20)): chance.randrange(1, 9) for _ in range(30)}
            unit = UnitOfWork(Policy(), (), {})
            unit.facts = facts
            with store.transaction() as transaction:
                transaction.save(unit)
            for each, n in facts.items():
                expected[each[4]] += n
            counts_by_domain = by_value(store, Dimension.DOMAIN, SINCE, UNTIL)
            assert {value: counts["send"] for value, counts in counts_by_domain.items()} == expected
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert failures == []
    add_up_all(store)
    found = by_value(store, Dimension.DOMAIN, SINCE, UNTIL)
    assert {value: counts["send"] for value, counts in found.items()} == expected


ADDS_UP = """
import sys
from worker.store import open_store
from worker.store import adding_up
adding_up.MOST_FACTS = 20
store = open_store(sys.argv[1])
print("ready", flush=True)
while adding_up.add_up_some(store).rows:
    pass
"""


def test_a_kill_at_any_moment_loses_nothing_and_adds_nothing_twice(store, store_url):
    chance = random.Random(9)
    rows = [
        {fact(chance.randrange(50)): chance.randrange(1, 9) for _ in range(60)} for _ in range(80)
    ]
    write(store, new_counts, *({"counts": encode_facts(row)} for row in rows))
    expected = Counter()
    for row in rows:
        for each, n in row.items():
            expected[each[4]] += n
    kills = 0
    for attempt in range(12):
        process_ = subprocess.Popen(
            [sys.executable, "-c", ADDS_UP, store_url], stdout=subprocess.PIPE, text=True
        )
        assert process_.stdout.readline() == "ready\n"
        time.sleep(0.005 + 0.01 * attempt)
        process_.send_signal(signal.SIGKILL)
        kills += process_.wait() == -signal.SIGKILL
        process_.stdout.close()
        found = by_value(store, Dimension.DOMAIN, SINCE, UNTIL)
        assert {value: counts["send"] for value, counts in found.items()} == expected
    assert kills > 2
    assert count(store, new_counts) > 0 or count(store, hourly_counts)
    add_up_all(store)
    found = by_value(store, Dimension.DOMAIN, SINCE, UNTIL)
    assert {value: counts["send"] for value, counts in found.items()} == expected


def test_a_row_that_no_program_of_ours_wrote_is_left_out(store):
    write(store, new_counts, {"counts": "nonsense"}, {"counts": encode_facts({fact(1): 2})})
    assert add_up_some(store).unreadable == 1
    assert count(store, new_counts) == 0
    assert by_value(store, Dimension.ALL, SINCE, UNTIL) == {"": {"send": 2}}


class TestLargest:
    def test_a_domain_that_spends_the_budget_is_kept_before_others(self):
        small, others = largest(
            [("send", "large.example", 300), ("send", "bad.example", 9), ("hard_bounce", "bad.example", 9),
             ("send", "angry.example", 1), ("complaint", "angry.example", 1)], 2,
        )  # fmt: skip
        assert small == {"bad.example"}
        assert sorted(others) == [("hard_bounce", OTHER, 9), ("send", OTHER, 9)]

    def test_an_hour_that_is_over_keeps_its_largest_and_the_sums_stay(self, store):
        facts = {fact(n): n + 1 for n in range(300)} | {fact(0, what="hard_bounce"): 1}
        write(store, new_counts, {"counts": encode_facts(facts)})
        add_up_all(store)
        before = by_value(store, Dimension.ALL, SINCE, UNTIL)
        assert len(by_value(store, Dimension.DOMAIN, SINCE, UNTIL)) == 300
        assert trim_what_is_over(store, mail.NOW) == 2
        for since, until in (
            (SINCE, UNTIL),
            (mail.NOW.replace(day=20, hour=8), mail.NOW.replace(day=20, hour=9)),
        ):
            found = by_value(store, Dimension.DOMAIN, since, until)
            assert len(found) == MOST_VALUES + 1
            assert found[OTHER]["send"] == sum(range(1, 101))
            assert sum(counts.get("send", 0) for counts in found.values()) == sum(range(1, 301))
        assert by_value(store, Dimension.ALL, SINCE, UNTIL) == before
        assert trim_what_is_over(store, mail.NOW) == 0

    def test_the_mailbox_simulator_is_kept_so_that_a_report_can_leave_it_out(self, store):
        facts = {fact(n): n + 2 for n in range(300)}
        facts |= {(*fact(0, what="hard_bounce")[:4], SIMULATOR, *fact(0)[5:]): 1}
        write(store, new_counts, {"counts": encode_facts(facts)})
        add_up_all(store)
        assert trim_what_is_over(store, mail.NOW) == 2
        found = by_value(store, Dimension.DOMAIN, SINCE, UNTIL)
        assert found[SIMULATOR] == {"hard_bounce": 1}
        assert len(found) == MOST_VALUES + 2

    def test_an_hour_that_is_not_over_is_left_alone(self, store):
        write(store, new_counts, {"counts": encode_facts({fact(n): 1 for n in range(300)})})
        add_up_all(store)
        assert trim_what_is_over(store, datetime(2026, 11, 20, 9, 30, tzinfo=UTC)) == 0
        assert trim_what_is_over(store, datetime(2026, 11, 20, 10, tzinfo=UTC)) == 1
        assert trim_what_is_over(store, datetime(2026, 11, 21, 1, tzinfo=UTC)) == 1
        assert len(by_value(store, Dimension.DOMAIN, SINCE, UNTIL)) == MOST_VALUES + 1

    def test_an_event_that_comes_late_has_its_hour_looked_at_again(self, store):
        for number in (0, 300):
            facts = {fact(number + n): 1 for n in range(300)}
            write(store, new_counts, {"counts": encode_facts(facts)})
            add_up_all(store)
            assert trim_what_is_over(store, mail.NOW) > 0
            assert len(by_value(store, Dimension.DOMAIN, SINCE, UNTIL)) == MOST_VALUES + 1
        found = by_value(store, Dimension.ALL, SINCE, UNTIL)
        assert found == {"": {"send": 600}}

    def test_ever_new_domains_do_not_fill_an_hour_that_is_not_over(self, store):
        for start in range(0, 2 * LOOSE_ROWS, 250):
            facts = {fact(start + n): 1 for n in range(250)}
            write(store, new_counts, {"counts": encode_facts(facts)})
            add_up_all(store)
            found = by_value(store, Dimension.DOMAIN, SINCE, UNTIL)
            assert len(found) <= LOOSE_ROWS + 1
        assert LOOSE <= len(found) < LOOSE_ROWS
        assert sum(counts["send"] for counts in found.values()) == 2 * LOOSE_ROWS


class TestHistory:
    """Events from before the upgrade are counted afterwards."""

    @pytest.fixture
    def upgraded(self, store, message):
        bodies = [
            mail.bounce(f"p{n}@gmail.com", at=f"2026-11-{n % 14 + 1:02}T08:00:00Z")
            for n in range(700)
        ]
        process([message(body) for body in bodies], store, Policy())
        process([message(mail.complaint("q@web.de"))], store, Policy())
        expected = by_value(store, Dimension.PROVIDER, SINCE, UNTIL)
        with store.write_transaction() as connection:
            connection.execute(delete(new_counts))
            newest = connection.execute(select(func.max(events.c.id))).scalar_one()
            value = {"below": newest + 1, "since": mail.NOW.isoformat()}
            connection.execute(insert(progress).values(name=HISTORY, value=json.dumps(value)))
        return expected

    def test_the_newest_come_first_and_it_says_down_to_when(self, store, upgraded):
        assert known(store).bounces_since == known(store).others_since == mail.NOW
        assert count_some_events(store) is True
        so_far = by_value(store, Dimension.PROVIDER, SINCE, UNTIL)
        assert so_far["web_de"] == {"complaint": 1, "unknown_complaint": 1}
        assert 0 < so_far["gmail"]["hard_bounce"] < 700
        assert known(store).bounces_since == mail.NOW
        while count_some_events(store):
            pass
        assert by_value(store, Dimension.PROVIDER, SINCE, UNTIL) == upgraded
        assert known(store).bounces_since is None
        assert known(store).others_since == mail.NOW

    def test_new_events_are_counted_once(self, store, message, upgraded):
        process([message(mail.bounce("new@web.de"))], store, Policy())
        while count_some_events(store):
            pass
        found = by_value(store, Dimension.PROVIDER, SINCE, UNTIL)
        assert found["web_de"] == upgraded["web_de"] | {"hard_bounce": 1, "unknown_bounce": 1}

    def test_several_workers_count_them_once(self, store, store_url, upgraded):
        def work():
            other = open_store(store_url)
            while count_some_events(other) is not False:
                pass
            other.close()

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert by_value(store, Dimension.PROVIDER, SINCE, UNTIL) == upgraded


class TestTheKeeper:
    def test_it_does_all_there_is_to_do(self, store, message):
        process([message(event("Send", "a@b.c"))], store, Policy())
        FiguresKeeper(store, Health()).look(lambda _: False)
        assert count(store, new_counts) == 0
        assert count(store, daily_counts) > 0

    def test_an_outage_is_logged_once_and_over_when_it_is(self, store, monkeypatch):
        from structlog.testing import capture_logs

        health = Health()
        keeper = FiguresKeeper(store, health)
        ask = store.ask

        def unavailable(*_, **__):
            raise Unavailable("unreachable")

        with capture_logs() as lines:
            monkeypatch.setattr(store, "ask", unavailable)
            keeper.look(lambda _: False)
            keeper.look(lambda _: False)
            assert [problem.what for problem in health.problems] == ["figures"]
            monkeypatch.setattr(store, "ask", ask)
            keeper.look(lambda _: False)
            keeper.look(lambda _: False)
        assert [line["event"] for line in lines] == ["figures.delayed", "figures.resumed"]
        assert health.problems == []

    def test_a_stop_ends_it_between_two_transactions(self, store, monkeypatch):
        monkeypatch.setattr(adding_up, "MOST_FACTS", 1)
        write(store, new_counts, {"counts": encode_facts({fact(n): 1 for n in range(5)})})
        FiguresKeeper(store, Health()).look(lambda _: True)
        assert count(store, new_counts) == 1
        assert by_value(store, Dimension.ALL, SINCE, UNTIL) == {"": {"send": 5}}
