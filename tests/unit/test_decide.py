"""The rules, over the whole grid of types, sub-types, diagnostics and users."""

from datetime import UTC, datetime, timedelta
from itertools import permutations, product

import pytest
from msgspec.structs import replace
from support import mail

from worker.core.decide import decide
from worker.core.decode import decode
from worker.core.model import Action, User, UserMatch
from worker.core.policy import RULES, Policy, UnknownRecipients

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
THEN = datetime(2026, 11, 20, 8, 15, 33, tzinfo=UTC)
JANE = User(email="Jane@example.com", email_key="jane@example.com")
TYPES = ("Permanent", "Transient", "Undetermined", "Brandnew", "PERMANENT", "", None)
REFUSALS = (
    "Suppressed",
    "OnAccountSuppressionList",
    "OnTenantSuppressionList",
    "EmailValidationSuppressed",
)
SUBTYPES = ("General", "MailboxFull", "Brandnew", None, *REFUSALS)
DIAGNOSTICS = ("550 no such user", "blocked by SpamHaus", "antiSPAM", "", None)


def bounce(**changes):
    diagnostic = changes.pop("diagnostic", None)
    entry = mail.recipient("jane@example.com", diagnosticCode=diagnostic)
    (feedback,) = decode(mail.bounce(entry, **changes))
    return feedback


def complaint(**changes):
    (feedback,) = decode(mail.complaint("jane@example.com", **changes))
    return feedback


def judge(feedback, user=JANE, policy=Policy(), received_at=NOW):
    return decide(feedback, user, policy, received_at)


class TestBounces:
    @pytest.mark.parametrize(
        ("type", "subtype", "diagnostic"), list(product(TYPES, SUBTYPES, DIAGNOSTICS))
    )
    def test_the_seeds_rule_over_the_whole_grid(self, type, subtype, diagnostic):
        decision = judge(bounce(type=type, subtype=subtype, diagnostic=diagnostic))
        if "spam" in (diagnostic or "").lower():
            expected = Action.AUTO_BLOCK_SPAM
        else:
            actions = {"permanent": Action.HARD_BOUNCE, "transient": Action.SOFT_BOUNCE}
            expected = actions.get((type or "").lower())
        assert decision.action is (expected or Action.NO_ACTION)
        assert decision.match is UserMatch.FOUND

    def test_spam_sets_the_flag_and_no_pause(self):
        user = judge(bounce(diagnostic="550 SPAM")).user
        assert user == replace(JANE, auto_block_spam=True)

    def test_a_permanent_bounce_dates_counts_and_pauses(self):
        user = judge(bounce()).user
        assert user == replace(
            JANE,
            last_hard_bounce=THEN,
            hard_bounce_count=1,
            paused_until=THEN + timedelta(days=30),
            pause_reason="hard_bounce",
        )

    def test_a_transient_bounce_likewise_with_its_own_columns(self):
        user = judge(bounce(type="Transient")).user
        assert user == replace(
            JANE,
            last_soft_bounce=THEN,
            soft_bounce_count=1,
            paused_until=THEN + timedelta(days=1),
            pause_reason="soft_bounce",
        )

    def test_any_other_bounce_changes_nothing(self):
        decision = judge(bounce(type="Undetermined"))
        assert (decision.user, decision.reason) == (JANE, "other_bounce")

    def test_the_pause_is_as_long_as_the_operator_says(self):
        policy = Policy(hard_bounce_pause=timedelta(days=7), soft_bounce_pause=timedelta(0))
        assert judge(bounce(), policy=policy).user.paused_until == THEN + timedelta(days=7)
        assert judge(bounce(type="Transient"), policy=policy).user.paused_until is None


class TestTimes:
    def test_the_events_own_time_counts_not_the_time_of_receipt(self):
        decision = judge(bounce(), received_at=NOW + timedelta(days=10))
        assert decision.occurred_at == decision.user.last_hard_bounce == THEN

    @pytest.mark.parametrize("at", ["2026-11-21T12:00:01Z", "2999-01-01T00:00:00Z", "soon", None])
    def test_a_time_that_is_unreadable_or_to_come_is_the_time_of_receipt(self, at):
        assert judge(bounce(at=at)).occurred_at == NOW

    def test_the_date_of_a_bounce_from_a_mailbox_never_moves_backwards(self):
        user = judge(bounce()).user
        older = judge(bounce(at="2026-11-01T00:00:00Z"), user).user
        assert older == replace(user, hard_bounce_count=2)

    def test_the_date_of_a_complaint_never_moves_backwards_either(self):
        user = judge(complaint()).user
        older = judge(complaint(at="2026-11-01T00:00:00Z"), user).user
        assert (older.last_complaint, older.complaint_count) == (THEN, 2)

    @pytest.mark.parametrize("type", ["Permanent", "Transient"])
    def test_an_event_of_the_same_instant_does_not_bring_back_a_pause_that_was_lifted(self, type):
        lifted = replace(judge(bounce(type=type)).user, paused_until=None, pause_reason=None)
        again = judge(bounce(type=type), lifted).user
        assert (again.paused_until, again.pause_reason) == (None, None)
        assert again.hard_bounce_count + again.soft_bounce_count == 2

    def test_an_older_event_does_not_bring_back_a_pause_that_was_lifted(self):
        lifted = replace(judge(bounce()).user, paused_until=None, pause_reason=None)
        older = judge(bounce(at="2026-11-01T00:00:00Z"), lifted).user
        assert older.paused_until is None

    def test_the_end_of_time_is_handled(self):
        policy = Policy(hard_bounce_pause=timedelta(days=36_500))
        late = datetime(9990, 1, 1, tzinfo=UTC)
        far = judge(bounce(at="9990-01-01T00:00:00Z"), policy=policy, received_at=late)
        assert far.user.paused_until == datetime.max.replace(tzinfo=UTC)


class TestPauses:
    EVENTS = (
        bounce(at="2026-11-01T00:00:00Z"),
        bounce(at="2026-11-03T00:00:00Z"),
        bounce(type="Transient", at="2026-11-20T00:00:00Z"),
        bounce(type="Transient", at="2026-11-02T00:00:00Z"),
    )

    @pytest.mark.parametrize("order", list(permutations(EVENTS)))
    def test_any_order_of_bounces_gives_the_same_record(self, order):
        user = JANE
        for feedback in order:
            user = judge(feedback, user).user
        assert user.paused_until == datetime(2026, 12, 3, tzinfo=UTC)
        assert user.pause_reason == "hard_bounce"
        assert (user.hard_bounce_count, user.soft_bounce_count) == (2, 2)

    def test_the_later_pause_counts_whichever_it_is(self):
        hard = judge(bounce(at="2026-10-01T00:00:00Z")).user
        soft = judge(bounce(type="Transient"), hard).user
        assert soft.paused_until == THEN + timedelta(days=1)
        assert soft.pause_reason == "soft_bounce"

    @pytest.mark.parametrize("first", ["Permanent", "Transient"])
    def test_of_two_pauses_that_end_together_the_hard_bounce_is_named(self, first):
        policy = Policy(soft_bounce_pause=timedelta(days=30))
        second = "Transient" if first == "Permanent" else "Permanent"
        user = judge(bounce(type=first), policy=policy).user
        assert judge(bounce(type=second), user, policy).user.pause_reason == "hard_bounce"


class TestRefusalsBySes:
    @pytest.mark.parametrize("subtype", REFUSALS)
    def test_a_refusal_is_a_hard_bounce_where_there_was_none(self, subtype):
        decision = judge(bounce(subtype=subtype))
        assert decision.action is Action.HARD_BOUNCE
        assert decision.user.last_hard_bounce == THEN
        assert decision.user.paused_until == THEN + timedelta(days=30)

    def test_its_case_says_nothing(self):
        assert judge(bounce(subtype="onACCOUNTsuppressionlist")).reason == "refused_by_ses"

    def test_a_pause_ends_although_refusals_go_on(self):
        user = judge(bounce(at="2026-10-01T00:00:00Z")).user
        for day in range(1, 21):
            user = judge(bounce(subtype="Suppressed", at=f"2026-11-{day:02}T00:00:00Z"), user).user
        assert user.last_hard_bounce == datetime(2026, 10, 1, tzinfo=UTC)
        assert user.paused_until == datetime(2026, 10, 31, tzinfo=UTC)
        assert user.hard_bounce_count == 21

    def test_a_real_bounce_after_a_refusal_pauses_anew(self):
        user = judge(bounce(subtype="Suppressed", at="2026-10-01T00:00:00Z")).user
        assert judge(bounce(), user).user.paused_until == THEN + timedelta(days=30)

    def test_a_bounce_from_a_mailbox_replaces_a_later_refusal_and_its_pause(self):
        user = judge(bounce(subtype="Suppressed")).user
        assert judge(bounce(at="2026-11-01T00:00:00Z"), user).user == replace(
            JANE,
            last_hard_bounce=datetime(2026, 11, 1, tzinfo=UTC),
            hard_bounce_count=2,
            paused_until=datetime(2026, 12, 1, tzinfo=UTC),
            pause_reason="hard_bounce",
        )

    def test_of_two_refusals_the_earlier_is_kept(self):
        user = judge(bounce(subtype="Suppressed")).user
        assert judge(bounce(subtype="Suppressed", at="2026-11-01T00:00:00Z"), user).user == replace(
            user,
            last_hard_bounce=datetime(2026, 11, 1, tzinfo=UTC),
            hard_bounce_count=2,
            paused_until=datetime(2026, 12, 1, tzinfo=UTC),
        )
        assert user.hard_bounce_refused

    def test_a_pause_that_a_bounce_takes_back_leaves_the_pause_of_a_soft_bounce(self):
        policy = Policy(soft_bounce_pause=timedelta(days=20))
        user = judge(bounce(type="Transient"), policy=policy).user
        user = judge(bounce(subtype="Suppressed"), user, policy).user
        user = judge(bounce(at="2026-10-01T00:00:00Z"), user, policy).user
        assert (user.paused_until, user.pause_reason) == (THEN + timedelta(days=20), "soft_bounce")

    def test_a_refusal_does_not_renew_even_if_the_operator_names_its_action(self):
        policy = Policy(bounce_actions={"Permanent/*": Action.HARD_BOUNCE})
        user = judge(bounce(at="2026-10-01T00:00:00Z"), policy=policy).user
        again = judge(bounce(subtype="Suppressed"), user, policy).user
        assert again.paused_until == user.paused_until


class TestBounceActions:
    POLICY = Policy(
        bounce_actions={
            "Transient/MessageTooLarge": Action.NO_ACTION,
            "Transient/*": Action.HARD_BOUNCE,
            "Permanent/General": Action.AUTO_BLOCK_SPAM,
        }
    )

    @pytest.mark.parametrize(
        ("type", "subtype", "action"),
        [
            ("Transient", "MessageTooLarge", Action.NO_ACTION),
            ("Transient", "MailboxFull", Action.HARD_BOUNCE),
            ("Transient", None, Action.HARD_BOUNCE),
            ("Permanent", "General", Action.AUTO_BLOCK_SPAM),
            ("Permanent", "NoEmail", Action.HARD_BOUNCE),
        ],
    )
    def test_the_operators_word_comes_first_by_subtype_then_by_type(self, type, subtype, action):
        assert judge(bounce(type=type, subtype=subtype), policy=self.POLICY).action is action

    def test_it_comes_before_the_word_spam_too(self):
        notification = bounce(type="Transient", subtype="MessageTooLarge", diagnostic="spam")
        assert judge(notification, policy=self.POLICY).action is Action.NO_ACTION

    def test_the_reason_names_the_setting(self):
        decision = judge(bounce(type="Transient", subtype="MessageTooLarge"), policy=self.POLICY)
        assert decision.reason == "bounce_actions:Transient/MessageTooLarge"

    def test_complaints_do_not_ask_it(self):
        assert judge(complaint(), policy=self.POLICY).action is Action.AUTO_BLOCK_SPAM


class TestComplaints:
    def test_the_first_blocks_and_counts_and_does_not_pause(self):
        decision = judge(complaint())
        assert (decision.action, decision.reason) == (Action.AUTO_BLOCK_SPAM, "complaint")
        assert decision.user == replace(
            JANE, auto_block_spam=True, last_complaint=THEN, complaint_count=1
        )

    def test_the_second_counts_and_has_nothing_left_to_do(self):
        user = judge(complaint()).user
        decision = judge(complaint(at="2026-11-21T00:00:00Z"), user)
        assert (decision.action, decision.reason) == (Action.NO_ACTION, "blocked_already")
        assert decision.user.complaint_count == 2
        assert decision.user.last_complaint == datetime(2026, 11, 21, tzinfo=UTC)

    @pytest.mark.parametrize("feedback", ["abuse", "fraud", "virus", "other", "Brandnew", None, ""])
    def test_any_feedback_type_but_not_spam_blocks(self, feedback):
        assert judge(complaint(feedback=feedback)).user.auto_block_spam

    def test_not_spam_blocks_nobody_and_counts_nowhere(self):
        decision = judge(complaint(feedback="not-spam"))
        assert (decision.action, decision.reason, decision.user) == (
            Action.NO_ACTION,
            "not_spam",
            JANE,
        )

    @pytest.mark.parametrize("subtype", ["OnAccountSuppressionList", "OnTenantSuppressionList"])
    @pytest.mark.parametrize("feedback", ["abuse", None])
    def test_a_refusal_by_ses_is_nobodys_complaint(self, subtype, feedback):
        decision = judge(complaint(subtype=subtype, feedback=feedback))
        assert (decision.action, decision.reason) == (Action.NO_ACTION, "refused_by_ses")
        assert decision.user == JANE

    @pytest.mark.parametrize(
        ("changes", "rule"),
        [
            ({"feedback": "Not-Spam"}, "not_spam"),
            ({"subtype": "onaccountsuppressionlist"}, "refused_by_ses"),
        ],
    )
    def test_their_case_says_nothing(self, changes, rule):
        assert judge(complaint(**changes)).reason == rule

    def test_the_word_spam_means_nothing_in_a_complaint(self):
        notification = complaint(feedback="not-spam", userAgent="AntiSpam/1.0")
        assert judge(notification).action is Action.NO_ACTION


class TestNobodysAddress:
    def test_an_unknown_recipient_is_recorded_without_action(self):
        decision = judge(bounce(), user=None)
        assert (decision.match, decision.action) == (UserMatch.MISSING, Action.NO_ACTION)
        assert (decision.reason, decision.user) == ("unknown_recipient", None)

    def test_with_create_the_user_is_made_and_the_action_applies(self):
        policy = Policy(unknown_recipients=UnknownRecipients.CREATE)
        decision = judge(bounce(), user=None, policy=policy)
        assert (decision.match, decision.action) == (UserMatch.MISSING, Action.HARD_BOUNCE)
        assert (decision.user.email_key, decision.user.hard_bounce_count) == ("jane@example.com", 1)

    @pytest.mark.parametrize("unknown", UnknownRecipients)
    def test_without_an_address_there_is_nobody_to_act_on(self, unknown):
        policy = Policy(unknown_recipients=unknown)
        for message, match in (
            (mail.bounce({"emailAddress": "nope"}), UserMatch.NO_ADDRESS),
            (mail.bounce(), UserMatch.NO_RECIPIENTS),
        ):
            decision = judge(decode(message)[0], user=None, policy=policy)
            assert (decision.match, decision.action) == (match, Action.NO_ACTION)
            assert decision.user is None


def test_every_rule_of_the_table_can_fire():
    notification = [
        bounce(type=type, subtype=subtype, diagnostic=diagnostic)
        for type, subtype, diagnostic in product(TYPES, SUBTYPES, DIAGNOSTICS)
    ]
    notification.append(bounce(subtype="UnsubscribedRecipient"))
    notification += [
        complaint(feedback=f, subtype=s)
        for f, s in product(["abuse", "not-spam"], [None, "XSuppressionList"])
    ]
    users = (JANE, replace(JANE, auto_block_spam=True))
    every = Policy(ignore_out_of_office=True, trust_status=True, complaint_block=timedelta(days=30))
    fired = {
        (feedback.notification.kind, judge(feedback, user, policy).reason)
        for feedback, user, policy in product(notification, users, (Policy(), every))
    }
    assert fired == {(rule.kind, rule.reason) for rule in RULES}
