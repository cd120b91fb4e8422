"""A batch has the same effect as its messages one by one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import mail
from support.lanes import SLACK

from worker.core.decode import decode
from worker.core.messages import Delete, Received
from worker.core.model import Ignored, Outcome, Reason, User
from worker.core.outbox.feedback import MOST_DOMAINS
from worker.core.policy import Policy, UnknownRecipients
from worker.core.unit_of_work import UnitOfWork

JANE = User(email="jane@example.com", email_key="jane@example.com")


def test_the_same_feedback_twice_in_a_batch_counts_once(message):
    unit = UnitOfWork(Policy(), known_keys=(), users={JANE.email_key: JANE})
    body = mail.bounce("jane@example.com")
    outcomes = [
        unit.decide_message(message(b), decode(b)).disposition for b in (body, mail.enveloped(body))
    ]
    assert outcomes == [Delete(Outcome.APPLIED), Delete(Outcome.DUPLICATE)]
    assert unit.changed[JANE.email_key].hard_bounce_count == 1


def test_either_key_on_record_makes_a_duplicate(message):
    body = mail.bounce("jane@example.com")
    (feedback,) = decode(body)
    for key in (feedback.dedupe_key, feedback.route_key):
        unit = UnitOfWork(Policy(), known_keys=[key], users={})
        assert unit.decide_message(message(body), decode(body)).disposition == Delete(
            Outcome.DUPLICATE
        )


def test_in_a_burst_only_as_many_notices_keep_their_message_as_may_be_sent_separately(message):
    unit = UnitOfWork(Policy(notify=(SLACK,), notices_with_json=3), known_keys=(), users={})
    bodies = [mail.bounce(f"person{n}@example.com") for n in range(5)]
    for body in bodies:
        unit.decide_message(message(body), decode(body))
    assert [entry.payload.message for entry in unit.entries] == [*bodies[:3], "", ""]
    assert [entry.payload.recipients[0].reported for entry in unit.entries][
        4
    ] == "person4@example.com"


def test_a_notice_about_many_domains_has_the_most_frequent_of_them_and_counts_the_rest(message):
    """A digest folds thousands of notices, and has all their domains in memory."""
    unit = UnitOfWork(Policy(notify=(SLACK,)), known_keys=(), users={})
    often = [f"person{n}@often.example" for n in range(5)]
    body = mail.bounce(*often, *[f"jane@host{n}.example" for n in range(900)])
    unit.decide_message(message(body), decode(body))
    (entries,) = unit.entries
    assert len(entries.summary.domains) == MOST_DOMAINS
    assert entries.summary.domains["often.example"] == 5
    assert sum(entries.summary.domains.values()) == 905


def test_a_message_with_a_single_new_row_is_applied(message):
    old = mail.bounce("jane@example.com", feedback_id="f", message_id="m")
    both = mail.bounce("jane@example.com", "joan@example.com", feedback_id="f", message_id="m")
    unit = UnitOfWork(Policy(), known_keys=(), users={})
    unit.decide_message(message(old), decode(old))
    handled = unit.decide_message(message(both), decode(both))
    assert handled.disposition == Delete(Outcome.APPLIED)
    assert [d.feedback.address.key for d in handled.decisions] == ["joan@example.com"]


def test_feedback_is_decided_on_the_user_as_the_previous_feedback_left_it(message):
    unit = UnitOfWork(Policy(), known_keys=(), users={JANE.email_key: JANE})
    reasons = []
    for _ in range(2):
        body = mail.complaint("jane@example.com")
        reasons += [d.reason for d in unit.decide_message(message(body), decode(body)).decisions]
    assert reasons == ["complaint", "blocked_already"]
    assert unit.changed[JANE.email_key].complaint_count == 2


def test_a_created_user_is_known_to_the_next_message(message):
    unit = UnitOfWork(Policy(unknown_recipients=UnknownRecipients.CREATE), known_keys=(), users={})
    matches = []
    for _ in range(2):
        body = mail.bounce("new@example.com")
        matches += [
            d.match.value for d in unit.decide_message(message(body), decode(body)).decisions
        ]
    assert matches == ["missing", "found"]
    assert unit.created["new@example.com"].hard_bounce_count == 2
    assert not unit.changed


class TestDeadLetterPolicy:
    POLICY = Policy(unknown_recipients=UnknownRecipients.DEAD_LETTER)

    def test_known_recipients_are_applied_and_the_message_is_dead_lettered(self, message):
        unit = UnitOfWork(self.POLICY, known_keys=(), users={JANE.email_key: JANE})
        body = mail.bounce("jane@example.com", "unknown@example.com")
        handled = unit.decide_message(message(body), decode(body))
        assert handled.disposition.reason is Reason.UNKNOWN_RECIPIENT
        assert [d.feedback.address.key for d in handled.decisions] == ["jane@example.com"]

    def test_a_replay_does_the_rest_once_the_user_exists(self, message):
        body = mail.bounce("jane@example.com", "unknown@example.com")
        first = UnitOfWork(self.POLICY, known_keys=(), users={JANE.email_key: JANE})
        first.decide_message(message(body), decode(body))
        observed = {
            key for d in first.decisions for key in (d.feedback.dedupe_key, d.feedback.route_key)
        }
        guest = User(email="unknown@example.com", email_key="unknown@example.com")
        users = first.changed | {guest.email_key: guest}
        replay = UnitOfWork(self.POLICY, known_keys=observed, users=users)
        handled = replay.decide_message(message(body), decode(body))
        assert handled.disposition == Delete(Outcome.APPLIED)
        assert list(replay.changed) == ["unknown@example.com"]

    def test_a_missing_address_is_recorded(self, message):
        unit = UnitOfWork(self.POLICY, known_keys=(), users={})
        body = mail.bounce()
        assert unit.decide_message(message(body), decode(body)).disposition == Delete(
            Outcome.APPLIED
        )


@pytest.mark.parametrize("first", [0, 1])
def test_the_same_feedback_by_both_publishing_routes_in_a_batch_counts_once(message, first):
    same = {"message_id": "m-1", "at": mail.TIME}
    routes = [
        mail.bounce("jane@example.com", feedback_id="f-1", **same),
        mail.enveloped(mail.bounce("jane@example.com", feedback_id="f-2", event=True, **same)),
    ]
    unit = UnitOfWork(Policy(), known_keys=(), users={JANE.email_key: JANE})
    sequential = routes[first], routes[1 - first]
    outcomes = [unit.decide_message(message(body), decode(body)).disposition for body in sequential]
    assert outcomes == [Delete(Outcome.APPLIED), Delete(Outcome.DUPLICATE)]
    assert unit.changed[JANE.email_key].hard_bounce_count == 1
    assert len(unit.decisions) == 1


people = st.sampled_from(["jane@example.com", "joan@example.com", "unknown@example.com"])
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
def test_batches_of_any_size_leave_the_same_database(bodies, size, policy):
    """The feedback id may be the same and the route not, and the other way round."""
    assert written(bodies, size, policy) == written(bodies, 1, policy)


def written(bodies, size, policy):
    """Return keys, users and outcomes after batches of that size."""
    observed, users, outcomes = set(), {JANE.email_key: JANE}, []
    for start in range(0, len(bodies), size):
        unit = UnitOfWork(policy, observed, users)
        for body in bodies[start : start + size]:
            received = Received(
                message_id="m",
                body=body,
                receipt_handle="h",
                receive_count=1,
                received_at=mail.NOW,
                lease_until=0,
            )
            outcomes.append(unit.decide_message(received, decode(body)).disposition)
        assert not unit.created.keys() & (users.keys() | unit.changed.keys())
        assert unit.changed.keys() <= users.keys()
        keys = [k for d in unit.decisions for k in (d.feedback.dedupe_key, d.feedback.route_key)]
        assert len(keys) == len(set(keys)), "the store have both keys once"
        observed |= set(keys)
        users |= unit.created | unit.changed
    return observed, users, outcomes


class TestLists:
    """A Lambda event is a single message of SQS with several of SES's."""

    def decided(self, unit, message, *bodies):
        body = mail.in_records(*map(mail.enveloped, bodies))
        return unit.decide_message(message(body), decode(body))

    def test_all_records_are_applied(self, message):
        unit = UnitOfWork(Policy(), known_keys=(), users={JANE.email_key: JANE})
        ignored = '{"eventType": "Send"}'
        bodies = [mail.bounce("jane@example.com"), ignored, mail.complaint("jane@example.com")]
        handled = self.decided(unit, message, *bodies)
        assert handled.disposition == Delete(Outcome.APPLIED)
        assert handled.decisions == unit.decisions
        assert unit.changed[JANE.email_key].hard_bounce_count == 1
        assert unit.changed[JANE.email_key].complaint_count == 1

    def test_the_readable_ones_are_applied_and_the_message_is_a_dead_letter(self, message):
        unit = UnitOfWork(Policy(), known_keys=(), users={JANE.email_key: JANE})
        bodies = [mail.bounce("jane@example.com"), "{", '{"eventType": "Bounce"}']
        handled = self.decided(unit, message, *bodies)
        assert handled.disposition.reason is Reason.NOT_JSON
        assert handled.disposition.detail.startswith(
            "record 2 of 3, and 1 more cannot be processed: "
        )
        assert unit.changed[JANE.email_key].hard_bounce_count == 1

    def test_a_replay_of_it_makes_duplicates_and_the_same_dead_letter(self, message):
        bounce = mail.bounce("jane@example.com")
        first = UnitOfWork(Policy(), known_keys=(), users={})
        before = self.decided(first, message, bounce, "{")
        keys = {item.feedback.dedupe_key for item in first.decisions}
        again = UnitOfWork(Policy(), known_keys=keys, users={})
        after = self.decided(again, message, bounce, "{")
        assert (after.disposition, after.decisions) == (before.disposition, [])

    def test_the_same_feedback_in_two_records_counts_once(self, message):
        unit = UnitOfWork(Policy(), known_keys=(), users={JANE.email_key: JANE})
        bounce = mail.bounce("jane@example.com")
        assert self.decided(unit, message, bounce, bounce).disposition == Delete(Outcome.APPLIED)
        assert unit.changed[JANE.email_key].hard_bounce_count == 1
        assert self.decided(unit, message, bounce, bounce).disposition == Delete(Outcome.DUPLICATE)

    def test_a_list_that_says_nothing_is_ignored_and_an_unknown_type_is_worth_a_warning(
        self, message
    ):
        unit = UnitOfWork(Policy(), known_keys=(), users={})
        handled = self.decided(unit, message, '{"eventType": "Send"}', '{"eventType": "Brandnew"}')
        assert handled.disposition == Delete(Outcome.IGNORED)
        assert handled.ignored == Ignored("Brandnew", noteworthy=True)

    def test_a_locked_user_has_the_whole_list_wait(self, message):
        unit = UnitOfWork(Policy(), known_keys=(), users={}, locked={"jane@example.com"})
        bodies = [mail.bounce("joan@example.com"), mail.bounce("jane@example.com")]
        handled = self.decided(unit, message, *bodies)
        assert handled.is_locked_out
        assert not unit.decisions
