"""Measure what an outage of Slack costs, and the delivery of ten thousand notices after it.

python -m bench.outage --rounds 3
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from statistics import median

import click

from bench.attempts import Wrong
from bench.places import OUT, ROOT, WORKER, Unfit, claimed, environment, find_node
from bench.stores import SqliteBenchStore
from bench.stub import Stub, running_stub
from simulators.slack import SlackSimulator
from simulators.slack.faults import broken

MESSAGES = 10_000
ALLOWED_SECONDS = 300
_numbers = count()


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--messages", type=click.IntRange(min=100), default=MESSAGES, show_default=True)
def main(rounds: int, messages: int) -> None:
    """Time the daemon without Slack, and with a Slack that is unavailable; then let Slack come
    back."""
    try:
        with claimed(), running_stub(find_node()) as stub:
            store = SqliteBenchStore(environment(stub.endpoint, PYTHONPATH=str(ROOT)))
            pairs = [_round(stub, store, messages) for _ in range(rounds)]
    except (Unfit, Wrong) as error:
        sys.exit(str(error))
    ratios = [down / without for without, down in pairs]
    output = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    click.echo(f"time with Slack unavailable / without Slack: {median(ratios):.2f} ({output})")


def _round(stub: Stub, store: SqliteBenchStore, messages: int) -> tuple[float, float]:
    without = _plain(stub, store, messages)
    with SlackSimulator() as slack:
        slack.always = broken(503)
        environment = {"SES_WORKER_SLACK__WEBHOOK_URL": slack.webhook_url}
        with _working(stub, store, messages, environment) as down:
            requests = len(slack.requests)
            slack.always = None
            back = time.monotonic()
            while _posts_received(slack) < messages:
                if time.monotonic() - back > ALLOWED_SECONDS:
                    raise Wrong(f"{_posts_received(slack)} of {messages} bounces were posted")
                time.sleep(0.2)
            took = time.monotonic() - back
        if _posts_received(slack) != messages:
            raise Wrong(f"{_posts_received(slack)} bounces were posted of {messages}")
        click.echo(
            f"without {without:.2f} s, unavailable {down:.2f} s ({requests} tries); then posted "
            f"in {len(slack.posts)} messages within {took:.0f} s"
        )
    return without, down


def _plain(stub: Stub, store: SqliteBenchStore, messages: int) -> float:
    with _working(stub, store, messages, {}) as seconds:
        return seconds


@contextmanager
def _working(
    stub: Stub, store: SqliteBenchStore, messages: int, more: Mapping[str, str]
) -> Iterator[float]:
    """Have a daemon take all messages; yield how long it took, while it still runs."""
    queue = f"outage-{next(_numbers)}"
    stub.load(queue, messages)
    surroundings = environment(
        stub.endpoint,
        PYTHONPATH=str(ROOT),
        SES_WORKER_QUEUE__URL=stub.queue_url(queue),
        SES_WORKER_QUEUE__WAIT_SECONDS="1",
        SES_WORKER_STORE__URL=store.fresh(),
        **more,
    )
    log = (OUT / "outage.log").open("w")
    with log, subprocess.Popen([str(WORKER), "run"], env=surroundings, stderr=log) as daemon:
        try:
            while stub.stats(queue).deleted < messages:
                if daemon.poll() is not None:
                    raise Wrong(f"the daemon has left with {daemon.returncode}: {log.name}")
                time.sleep(0.05)
            yield stub.stats(queue).seconds
        finally:
            daemon.terminate()
            daemon.wait(60)
            stub.drop(queue)


def _posts_received(slack: SlackSimulator) -> int:
    """Count bounces and complaints in all posts: a notice has one, a digest says how many."""
    found = (re.findall(r"([\d,]+) (?:bounce|complaint)", post["text"]) for post in slack.posts)
    return sum(sum(int(item.replace(",", "")) for item in ones) or 1 for ones in found)


if __name__ == "__main__":
    main()
