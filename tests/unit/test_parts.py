"""The parts of a worker have what the settings and the plan say."""

import pytest

from worker.app.parts import OTHER_CONNECTIONS, build
from worker.consumer import Plan
from worker.observability.health import Health
from worker.observability.metrics import Metrics
from worker.settings import Settings

URL = "https://sqs.eu-west-1.amazonaws.com/111122223333/feedback"
PLAN = Plan(wait_seconds=7, pollers=3)


@pytest.fixture
def parts(tmp_path):
    """Make the parts with these settings of the queue."""
    made = []

    def parts(**queue):
        settings = Settings(
            queue={"url": URL, **queue}, store={"url": f"sqlite:///{tmp_path}/worker.db"}
        )
        made.append(build(settings, PLAN, health=Health(), metrics=Metrics(), delivers=False))
        return made[-1]

    yield parts
    for built in made:
        built.store.close()


@pytest.mark.parametrize(("client", "lean"), [("lean", True), ("boto3", False)])
def test_the_client_of_sqs_is_the_chosen_client(parts, client, lean):
    assert parts(client=client).queue._connect.keywords["lean"] is lean


def test_each_poller_has_a_connection_and_there_are_others_beside(parts):
    found = parts().queue._connect.keywords
    assert (found["wait_seconds"], found["connections"]) == (7, 3 + OTHER_CONNECTIONS)


def test_the_client_and_the_consumer_share_a_byte_budget(parts):
    made = parts()
    assert made.queue._connect.keywords["byte_budget"] is made.consumer._shared.byte_budget


def test_the_queue_has_its_settings(parts):
    queue = parts(visibility_seconds=77, dead_letter_url=f"{URL}-dead").queue
    assert queue.visibility_seconds == 77
    assert queue.find_dead_letter_queue() == f"{URL}-dead"
