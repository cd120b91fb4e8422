"""The page on costs: its figures are those of the settings and of the code."""

import re

from support.documents import table, text_of

from worker.observability.http.measuring import EVERY_SECONDS
from worker.settings import Settings

DOCUMENT = text_of("docs/costs.md")
MONTH = 30 * 24 * 3600
FREE, PRICE = 1_000_000, 0.40


def number(text):
    return int(text.replace(",", ""))


def test_an_idle_worker_makes_as_many_requests_as_documented():
    polls, queue, dead, together = table(DOCUMENT, "## An idle worker")
    assert number(polls[2]) == MONTH / Settings().queue.wait_seconds
    assert f"({Settings().queue.wait_seconds:g} s)" in polls[1]
    assert number(queue[2]) == number(dead[2]) == MONTH / EVERY_SECONDS
    assert f"every {EVERY_SECONDS:g} s" in queue[1]
    assert number(together[2]) == sum(number(row[2]) for row in (polls, queue, dead))
    assert number(together[2]) < FREE
    assert f"{number(together[2]) / 1e6 * PRICE:.2f} USD a month" in DOCUMENT
    assert f"at 1 s it is {MONTH:,} receives a month" in DOCUMENT


def test_a_timer_costs_as_many_requests_as_documented(run, emulator, queue):
    before = len(emulator.journal.requests())
    assert run("drain", long_polls=True).status == 0
    requests = [request.operation for request in emulator.journal.requests()[before:]]
    stated = number(re.search(r"makes some ([\d,]+) requests a month", DOCUMENT)[1])
    runs = MONTH / 300
    assert abs(stated - len(requests) * runs) < 0.05 * stated, requests


def test_every_price_links_to_the_prices_of_aws_that_it_is_from():
    for service in ("sqs", "sns", "ses", "kms", "vpc", "cloudwatch"):
        assert f"https://aws.amazon.com/{service}/pricing/" in DOCUMENT
