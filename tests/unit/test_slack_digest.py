"""A digest: many effects in one message, whose counts add up."""

import re
from collections import Counter
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import notices
from support.examples import examples
from support.notices import AT, faults, shown, summarised

from worker.core.effects import Summary
from worker.core.payloads import EffectKind
from worker.notifiers.slack.blocks import texts
from worker.notifiers.slack.digest import digest, simplified_digest

NOUNS = {
    EffectKind.BOUNCE_NOTICE: "bounce",
    EffectKind.COMPLAINT_NOTICE: "complaint",
    EffectKind.REMOVAL: "pending removal",
    EffectKind.REMOVAL_NOTICE: "removal outcome",
    EffectKind.DEAD_LETTER_NOTICE: "dead letter",
    EffectKind.PARKED_NOTICE: "parked effect",
    EffectKind.ACCOUNT_NOTICE: "account notice",
    EffectKind.OWN_FAULTS_NOTICE: "own fault",
}


def drawn(effects):
    post = digest(effects)
    assert list(faults(post)) == []
    return post


def counted(post):
    """Of each kind: what its title says, and what its lines add up to."""
    found = {}
    for text in texts(post.blocks):
        if title := re.match(r"\*([\d,]+) ([a-z ]+?)s?\*\n", text):
            lines = [line for line in text.split("\n")[1:] if not line.startswith("Whose")]
            parts = [re.match(r"(?:• \*|and )([\d,]+)", line).group(1) for line in lines]
            found[title.group(2)] = (_number(title.group(1)), sum(map(_number, parts)))
    return found


def _number(text):
    return int(text.replace(",", ""))


def test_effects_are_grouped_counted_dated_and_sampled():
    later = AT + timedelta(hours=2)
    post = drawn(
        [
            summarised(7, example_com=2, sample="***@example.com"),
            summarised(9, example_com=1, at=later),
            summarised(8, label="Transient/MailboxFull", example_org=1, at=later),
            summarised(12, EffectKind.COMPLAINT_NOTICE, "abuse", example_com=1),
        ]
    )
    assert post.text == "DIGEST: 4 bounces, 1 complaint"
    assert texts(post.blocks) == [
        "SES feedback: 4 bounces, 1 complaint",
        (
            "*4 bounces*\n"
            "• *3* `Permanent/General` at `example.com`, 2026-11-20T08:15:33Z to 2026-11-20T10:15:33Z,"
            " such as `***@example.com`\n"
            "• *1* `Transient/MailboxFull` at `example.org`, 2026-11-20T10:15:33Z"
        ),
        "*1 complaint*\n• *1* `abuse` at `example.com`, 2026-11-20T08:15:33Z",
        "outbox #7 to #12, 4 effects",
        "`ses-worker outbox list --state delivered`",
    ]


def test_ten_thousand_bounces_are_a_single_message_that_adds_up():
    effects = [summarised(n, **{f"provider{n % 700}_example": 1}) for n in range(1, 10_001)]
    post = drawn(effects)
    assert texts(post.blocks)[0] == "SES feedback: 10,000 bounces"
    assert counted(post) == {"bounce": (10_000, 10_000)}
    assert re.search(r"and [\d,]+ more in \d+ groups", shown(post))
    assert "outbox #1 to #10000, 10,000 effects" in shown(post)


def test_the_biggest_groups_come_first():
    post = drawn([summarised(n, **{f"p{n}_example": n}) for n in range(1, 200)])
    sizes = [int(size) for size in re.findall(r"• \*(\d+)\*", shown(post))]
    assert sizes == list(range(199, 199 - len(sizes), -1))


def test_an_effect_without_recipients_counts_as_a_single_item():
    post = drawn([summarised(1), summarised(2), summarised(3, example_com=5)])
    assert post.text == "DIGEST: 7 bounces"


def test_bounces_are_counted_by_whose_fault_they_were():
    post = drawn(
        [
            summarised(1, example_com=2, by_fault={"recipient": 1, "sender": 1}),
            summarised(2, example_com=1, by_fault={"recipient": 1, "of a newer worker": 1}),
            summarised(3, example_com=1),
            summarised(4, EffectKind.COMPLAINT_NOTICE, "abuse", example_com=1),
        ]
    )
    bounces, complaints = (text for text in texts(post.blocks) if text.startswith("*"))
    assert bounces.split("\n")[1] == "Whose fault: the recipient's 2, ours 1"
    assert "Whose fault" not in complaints


def test_a_single_effect_may_be_a_digest_too():
    post = drawn([summarised(5, example_com=1)])
    assert post.text == "DIGEST: 1 bounce"
    assert "outbox #5\n" in shown(post)


def test_dead_letters_in_a_digest_name_where_they_are_listed():
    dead_letters = [summarised(n, EffectKind.DEAD_LETTER_NOTICE, "not_json") for n in (1, 2)]
    assert "`ses-worker dlq list`" in shown(drawn(dead_letters))
    assert "dlq" not in shown(drawn([summarised(1)]))


def test_samples_are_masked_even_if_they_were_not():
    assert "jane" not in shown(drawn([summarised(1, example_com=1, sample="jane@example.com")]))


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(notices.summaries, min_size=1, max_size=60), st.sampled_from([1, 40]))
def test_whatever_it_is_made_of_it_is_within_every_limit_and_adds_up(effects, times):
    """Providers and reasons are untrusted senders' texts too."""
    effects *= times
    post = drawn(effects)
    expected = Counter()
    for effect in effects:
        expected[NOUNS[effect.kind]] += sum(effect.summary.domains.values()) or 1
    assert counted(post) == {noun: (count, count) for noun, count in expected.items()}


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(notices.summaries, min_size=1, max_size=20))
def test_the_simplified_message_has_totals_and_nothing_that_could_be_wrong(effects):
    post = simplified_digest(effects)
    assert list(faults(post)) == []
    assert {block["text"]["type"] for block in post.blocks} == {"plain_text"}
    assert post.text == digest(effects).text


def test_twenty_thousand_effects_take_no_second():
    import time

    effects = [summarised(n, **{f"provider{n % 5_000}_example": 1}) for n in range(1, 20_001)]
    started = time.process_time()
    drawn(effects)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("count", [1, 1_000])
def test_the_title_of_every_kind_at_once_fits_its_header(count):
    effects = [summarised(n, kind, example_com=10**9) for n, kind in enumerate(EffectKind)]
    drawn(effects * count)


def test_the_label_of_a_summary_is_stored_under_the_name_that_older_rows_have():
    stored = b'{"sort":"Transient/MailboxFull","domains":{},"occurred_at":"2026-11-20T08:15:33Z"}'
    summary = msgspec.json.decode(stored, type=Summary)
    assert summary.label == "Transient/MailboxFull"
    assert msgspec.json.encode(summary) == stored
