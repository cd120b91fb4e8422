"""The demo's audit of the notices sees what is missing, too much, or told of the wrong people."""

from datetime import UTC, datetime

import pytest

from demo import script
from demo.audit_effects import _unfinished, ignored, of_the_list, of_the_notices
from demo.chapters import chapters
from demo.story import Findings
from simulators.slack import Heard

NOW = datetime(2026, 11, 20, 8, 15, 33, tzinfo=UTC)


def heard(text, *blocks, accepted=True):
    return Heard(
        at=NOW, clock=0, path="/", payload={"text": text, "blocks": blocks},
        status=200, answer="ok", accepted=accepted,
    )  # fmt: skip


def removal(address, response):
    fields = [{"text": "*Response:*"}, {"text": response}]
    word = "DELETE" if response == "*Deleted!*" else "NOT DELETED"
    return heard(f"{word}: {address}", {"type": "section", "fields": fields})


def found(posts, **more):
    rest = {
        "now": NOW, "chapters": chapters(NOW), "before_the_last": None, "database": None,
        "dead_letters": [], "log": [], "remaining": 0, "status": 0,
        "effects": {"delivered": 3}, "heard": posts, "listed": [script.KEPT_ON],
    }  # fmt: skip
    return Findings(**(rest | more))


@pytest.fixture
def posts():
    """The removals and all of the first chapter one by one, the rest in a digest."""
    entries = list(_unfinished(found([])))
    first = [heard(text) for text, noun, _ in entries[:4] if noun != "removal outcome"]
    counts = {}
    for _, noun, count in entries[4:-2]:
        counts[noun] = counts.get(noun, 0) + count
    totals = ", ".join(f"{count} {noun}s" for noun, count in counts.items())
    return [
        *first,
        heard(f"DIGEST: {totals}"),
        removal(script.TAKEN_OFF, "*Deleted!*"),
        removal(script.KEPT_ON, "Kept: it is listed for a complaint"),
    ]


def faults(*arguments, **more):
    findings = found(*arguments, **more)
    return [*of_the_notices(findings), *of_the_list(findings)]


def test_a_correct_demo_run_has_no_faults(posts):
    assert faults(posts) == []
    assert ignored(found(posts)) == 1


def test_a_missing_notice_is_noticed(posts):
    assert any("digests count" in fault for fault in faults(posts[1:]))


def test_a_repeated_notice_is_noticed(posts):
    (fault,) = faults([posts[0], *posts])
    assert fault == f"Slack was notified of nothing that came: {posts[0].payload['text']}"


def test_a_notice_about_an_ignored_address_is_noticed(posts):
    output = faults([*posts, heard(f"BOUNCE: {script.IGNORED}")])
    assert any("who is ignored" in fault for fault in output)


def test_a_refused_message_is_noticed(posts):
    assert faults([*posts, heard("x", accepted=False)]) == ["Slack refused a message: ok"]


def test_undelivered_effects_are_noticed(posts):
    assert faults(posts, effects={"delivered": 1, "waiting": 2}) == [
        "effects are not delivered: {'waiting': 2}"
    ]


@pytest.mark.parametrize("listed", [[], [script.KEPT_ON, script.TAKEN_OFF]])
def test_a_suppression_list_in_the_wrong_state_is_noticed(posts, listed):
    (fault,) = faults(posts, listed=listed)
    assert fault.startswith("on the suppression list are")


def test_a_wrong_removal_notice_is_noticed(posts):
    swapped = [*posts[:-2], removal(script.TAKEN_OFF, "Not listed"), posts[-1]]
    assert f"Slack was notified of {script.TAKEN_OFF}: Not listed" in faults(swapped)
