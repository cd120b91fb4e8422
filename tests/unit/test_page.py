"""A batch on one page means the same as its messages one by one."""

import mail
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.decode import decode
from worker.model import Delete, Outcome, Reason, Received, User
from worker.owing import MOST_DOMAINS
from worker.page import Page
from worker.policy import Policy, UnknownRecipients

JANE = User(email="jane@example.com", email_key="jane@example.com")


def test_the_same_feedback_twice_in_one_batch_counts_once(message):
    page = Page(Policy(), seen=(), users={JANE.email_key: JANE})
    body = mail.bounce("jane@example.com")
    outcomes = [page.enter(message(b), decode(b)).disposition for b in (body, mail.enveloped(body))]
    assert outcomes == [Delete(Outcome.APPLIED), Delete(Outcome.DUPLICATE)]
    assert page.changed[JANE.email_key].hard_bounce_count == 1


def test_either_key_on_record_makes_a_duplicate(message):
    body = mail.bounce("jane@example.com")
    (feedback,) = decode(body)
    for key in (feedback.dedupe_key, feedback.route_key):
        page = Page(Policy(), seen=[key], users={})
        assert page.enter(message(body), decode(body)).disposition == Delete(Outcome.DUPLICATE)


def test_of_a_burst_only_so_many_notices_keep_their_message_as_may_be_told_one_by_one(message):
    page = Page(Policy(notify=True, kept_whole=3), seen=(), users={})
    bodies = [mail.bounce(f"person{n}@example.com") for n in range(5)]
    for body in bodies:
        page.enter(message(body), decode(body))
    assert [owed.payload.message for owed in page.owed] == [*bodies[:3], "", ""]
    assert [owed.payload.recipients[0].reported for owed in page.owed][4] == "person4@example.com"


def test_a_notice_about_many_domains_has_the_most_frequent_of_them_and_counts_the_rest(message):
    """A digest folds thousands of notices, and has all their domains in memory."""
    page = Page(Policy(notify=True), seen=(), users={})
    often = [f"person{n}@often.example" for n in range(5)]
    body = mail.bounce(*often, *[f"jane@host{n}.example" for n in range(900)])
    page.enter(message(body), decode(body))
    (owed,) = page.owed
    assert len(owed.summary.domains) == MOST_DOMAINS
    assert owed.summary.domains["often.example"] == 5
    assert sum(owed.summary.domains.values()) == 905


def test_a_message_with_one_new_row_is_applied(message):
    old = mail.bounce("jane@example.com", feedback_id="f", message_id="m")
    both = mail.bounce("jane@example.com", "joan@example.com", feedback_id="f", message_id="m")
    page = Page(Policy(), seen=(), users={})
    page.enter(message(old), decode(old))
    handled = page.enter(message(both), decode(both))
    assert handled.disposition == Delete(Outcome.APPLIED)
    assert [d.feedback.address.key for d in handled.decisions] == ["joan@example.com"]


def test_feedback_is_decided_on_the_user_as_the_last_one_left_it(message):
    page = Page(Policy(), seen=(), users={JANE.email_key: JANE})
    reasons = []
    for _ in range(2):
        body = mail.complaint("jane@example.com")
        reasons += [d.reason for d in page.enter(message(body), decode(body)).decisions]
    assert reasons == ["complaint", "blocked_already"]
    assert page.changed[JANE.email_key].complaint_count == 2


def test_a_created_user_is_known_to_the_next_message(message):
    page = Page(Policy(unknown_recipients=UnknownRecipients.CREATE), seen=(), users={})
    matches = []
    for _ in range(2):
        body = mail.bounce("new@example.com")
        matches += [d.match.value for d in page.enter(message(body), decode(body)).decisions]
    assert matches == ["missing", "found"]
    assert page.created["new@example.com"].hard_bounce_count == 2
    assert not page.changed


class TestDeadLetterPolicy:
    POLICY = Policy(unknown_recipients=UnknownRecipients.DEAD_LETTER)

    def test_known_recipients_are_applied_and_the_message_is_set_aside(self, message):
        page = Page(self.POLICY, seen=(), users={JANE.email_key: JANE})
        body = mail.bounce("jane@example.com", "stranger@example.com")
        handled = page.enter(message(body), decode(body))
        assert handled.disposition.reason is Reason.UNKNOWN_RECIPIENT
        assert [d.feedback.address.key for d in handled.decisions] == ["jane@example.com"]

    def test_a_replay_does_the_rest_once_the_user_exists(self, message):
        body = mail.bounce("jane@example.com", "stranger@example.com")
        first = Page(self.POLICY, seen=(), users={JANE.email_key: JANE})
        first.enter(message(body), decode(body))
        seen = {
            key for d in first.decisions for key in (d.feedback.dedupe_key, d.feedback.route_key)
        }
        stranger = User(email="stranger@example.com", email_key="stranger@example.com")
        users = first.changed | {stranger.email_key: stranger}
        replay = Page(self.POLICY, seen=seen, users=users)
        handled = replay.enter(message(body), decode(body))
        assert handled.disposition == Delete(Outcome.APPLIED)
        assert list(replay.changed) == ["stranger@example.com"]

    def test_a_missing_address_is_nobodys_and_is_recorded(self, message):
        page = Page(self.POLICY, seen=(), users={})
        body = mail.bounce()
        assert page.enter(message(body), decode(body)).disposition == Delete(Outcome.APPLIED)


@pytest.mark.parametrize("first", [0, 1])
def test_the_same_feedback_by_both_publishing_routes_in_one_batch_counts_once(message, first):
    same = {"message_id": "m-1", "at": mail.TIME}
    routes = [
        mail.bounce("jane@example.com", feedback_id="f-1", **same),
        mail.enveloped(mail.bounce("jane@example.com", feedback_id="f-2", event=True, **same)),
    ]
    page = Page(Policy(), seen=(), users={JANE.email_key: JANE})
    in_turn = routes[first], routes[1 - first]
    outcomes = [page.enter(message(body), decode(body)).disposition for body in in_turn]
    assert outcomes == [Delete(Outcome.APPLIED), Delete(Outcome.DUPLICATE)]
    assert page.changed[JANE.email_key].hard_bounce_count == 1
    assert len(page.decisions) == 1


people = st.sampled_from(["jane@example.com", "joan@example.com", "stranger@example.com"])
bodies = st.lists(
    st.builds(
        lambda who, type, day, feedback, route: mail.bounce(
            who,
            type=type,
            at=f"2026-11-{day:02}T00:00:00Z",
            feedback_id=f"f{feedback}",
            message_id=f"m{route}",
        ),
        people,
        st.sampled_from(["Permanent", "Transient", "Undetermined"]),
        st.integers(1, 4),
        st.integers(1, 6),
        st.integers(1, 3),
    ),
    max_size=12,
)
policies = st.sampled_from([Policy(unknown_recipients=unknown) for unknown in UnknownRecipients])


@given(bodies, st.integers(2, 5), policies)
@example(
    [
        mail.bounce("jane@example.com", feedback_id=f"f{number}", message_id="m", at=mail.TIME)
        for number in range(2)
    ],
    2,
    Policy(),
)
@example(
    [
        mail.bounce("new@example.com", feedback_id="f", message_id=f"m{number}", at=mail.TIME)
        for number in range(2)
    ],
    2,
    Policy(unknown_recipients=UnknownRecipients.CREATE),
)
def test_batches_of_any_size_give_the_same_books(bodies, size, policy):
    """The feedback id may be the same and the route not, and the other way round."""
    assert written(bodies, size, policy) == written(bodies, 1, policy)


def written(bodies, size, policy):
    """What the books hold after batches of that size: keys, users, what became of each message."""
    seen, users, outcomes = set(), {JANE.email_key: JANE}, []
    for start in range(0, len(bodies), size):
        page = Page(policy, seen, users)
        for body in bodies[start : start + size]:
            received = Received(
                message_id="m",
                body=body,
                receipt_handle="h",
                receive_count=1,
                received_at=mail.NOW,
                lease_until=0,
            )
            outcomes.append(page.enter(received, decode(body)).disposition)
        assert not page.created.keys() & (users.keys() | page.changed.keys())
        assert page.changed.keys() <= users.keys()
        keys = [k for d in page.decisions for k in (d.feedback.dedupe_key, d.feedback.route_key)]
        assert len(keys) == len(set(keys)), "the books have both keys once"
        seen |= set(keys)
        users |= page.created | page.changed
    return seen, users, outcomes
