"""Taking an address off the suppression list: every way it can go, with a list and a removal log
of ours.

What the list is over HTTP is in `integration/test_suppression.py`.
"""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from worker.aws import AwsRefused
from worker.core.effects import Blocked, Effect, Later, NotYet, Sent, Summary, Unfit
from worker.core.errors import Misconfigured, Raced, Unavailable
from worker.core.payloads import EffectKind, Removal, RemovalOutcome
from worker.ses.suppression import Entry, RemovalPolicy, Remover, restore

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
THEN = datetime(2026, 11, 20, 8, 15, 33, tzinfo=UTC)
JANE = Removal(
    reported="Jane@Example.com",
    mailed="Jane@example.com",
    key="jane@example.com",
    type="Permanent",
    subtype="General",
    occurred_at=THEN,
)


class Killed(Exception):
    """The program was stopped, or died."""


class List:
    """A suppression list that knows local parts by their case, as AWS's does."""

    def __init__(self):
        self.entries = {}
        self.tenants = {}
        self.calls = []
        self.answers = {}
        self.step = lambda name, act: act()

    def put(self, address, reason="BOUNCE", tenant="", at=THEN):
        entry = Entry(
            address=address,
            reason=reason,
            last_update_time=at,
            message_id="mail-1",
            feedback_id="feedback-1",
        )
        self._of(tenant)[address] = entry
        return entry

    def refuse(self, call, code, text="AWS's message", status=400):
        operation = {"look_up": "Get", "delete": "Delete"}[call] + "SuppressedDestination"
        self.answers[call] = AwsRefused(code, text, status, operation)

    def look_up(self, address, tenant=""):
        return self._call(
            "look_up", address, tenant, lambda: self._of(tenant).get(_spelled(address))
        )

    def delete(self, address, tenant=""):
        gone = lambda: self._of(tenant).pop(_spelled(address), None) is not None  # noqa: E731
        return self._call("delete", address, tenant, gone)

    def put_back(self, entry, tenant=""):
        put = lambda: self.put(entry.address, entry.reason, tenant)  # noqa: E731
        return self._call("put_back", entry.address, tenant, put)

    def _of(self, tenant):
        return self.tenants.setdefault(tenant, {}) if tenant else self.entries

    def _call(self, name, address, tenant, act):
        self.calls.append((name, address, tenant) if tenant else (name, address))
        answer = self.answers.get((name, address)) or self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        return self.step(name, answer or act)


class FakeRemovalLog:
    """What is remembered, in memory."""

    def __init__(self):
        self.kept = {}
        self.finished = {}
        self.counted = []
        self.removed = 0
        self.step = lambda name, act: act()

    def begun(self, effect_id, key):
        return self.step("begun", lambda: self.kept.get(effect_id))

    def begin(self, effect_id, removal, entry):
        self.step("begin", lambda: self.kept.update({effect_id: entry}))

    def removals(self, removal, within, besides):
        self.counted.append((removal.key, within))
        return self.removed + sum(number != besides for number in self.kept)

    def finish(self, effect_id, outcome):
        self.step("finish", lambda: self.finished.update({effect_id: outcome}))


@pytest.fixture
def listing():
    return List()


@pytest.fixture
def removal_log():
    return FakeRemovalLog()


@pytest.fixture
def deliver(listing, removal_log):
    def deliver(removal=JANE, attempts=1, removal_policy=RemovalPolicy()):  # noqa: B008 frozen
        return Remover(listing, removal_log, removal_policy, now=lambda: NOW).deliver(
            effect(removal, attempts)
        )

    return deliver


def effect(payload=JANE, attempts=1):
    return Effect(
        id=7,
        kind=EffectKind.REMOVAL,
        attempts=attempts,
        created_at=THEN,
        summary=Summary(label="removed", domains={}, occurred_at=THEN),
        payload=msgspec.json.encode(payload).decode(),
    )


def removal(mailed, reported=None):
    return replace(JANE, mailed=mailed, key=mailed.lower(), reported=reported or mailed)


def outcome(report):
    assert isinstance(report.delivery, Sent)
    assert report.delivery.result.startswith(report.notice.outcome.value)
    return report.notice.outcome


class TestRemoval:
    def test_what_is_listed_is_looked_up_deleted_and_looked_up_again(self, deliver, listing):
        entry = listing.put("Jane@example.com")
        report = deliver()
        assert outcome(report) is RemovalOutcome.REMOVED
        assert listing.calls == [
            ("look_up", "Jane@example.com"),
            ("delete", "Jane@example.com"),
            ("look_up", "Jane@example.com"),
            ("look_up", "jane@example.com"),
        ]
        assert report.notice.response == "NotFoundException"
        assert report.notice.entry == entry.as_dict()
        assert (report.notice.address, report.notice.domain) == ("Jane@example.com", "example.com")
        assert report.notice.occurred_at == NOW

    def test_the_entry_is_kept_before_it_is_deleted(self, deliver, listing, removal_log):
        entry = listing.put("Jane@example.com")
        observed = []
        listing.step = lambda name, act: (observed.append((name, dict(removal_log.kept))), act())[1]
        deliver()
        assert observed[:2] == [("look_up", {}), ("delete", {7: entry.as_dict()})]
        assert removal_log.finished == {7: RemovalOutcome.REMOVED}

    def test_the_entry_as_it_was_is_json_with_iso_dates(self, listing):
        assert listing.put("a@b.c").as_dict() == {
            "EmailAddress": "a@b.c",
            "Reason": "BOUNCE",
            "LastUpdateTime": "2026-11-20T08:15:33+00:00",
            "Attributes": {"MessageId": "mail-1", "FeedbackId": "feedback-1"},
        }

    def test_an_entry_is_read_back_from_what_was_kept(self, listing):
        entry = listing.put("a@b.c")
        bare = replace(entry, message_id="", feedback_id="")
        assert "Attributes" not in bare.as_dict()
        assert Entry.from_dict(entry.as_dict()) == entry
        assert Entry.from_dict(bare.as_dict()) == bare

    def test_its_date_is_in_utc_wherever_we_are(self, listing):
        output = listing.put("a@b.c").as_dict() | {"LastUpdateTime": "2026-11-20T10:15:33+02:00"}
        assert Entry.from_dict(output).as_dict()["LastUpdateTime"] == THEN.isoformat()

    def test_what_somebody_else_deleted_meanwhile_is_done(self, deliver, listing):
        """A NotFoundException on delete is no error."""
        listing.put("Jane@example.com")
        listing.step = lambda name, act: (act(), name != "delete")[1] if name == "delete" else act()
        assert outcome(deliver()) is RemovalOutcome.REMOVED

    def test_an_address_still_listed_is_reported_with_what_the_list_says(self, deliver, listing):
        """The second look-up finds it."""
        entry = listing.put("Jane@example.com")
        listing.step = lambda name, act: name == "delete" or act()
        report = deliver()
        assert outcome(report) is RemovalOutcome.STILL_LISTED
        assert report.notice.response.startswith("still listed as Jane@example.com for BOUNCE")
        assert report.notice.entry == entry.as_dict()

    def test_an_address_listed_in_two_spellings_is_taken_off_in_both(self, deliver, listing):
        listing.put("Jane@example.com")
        listing.put("jane@example.com")
        assert deliver().notice is None
        assert (
            outcome(deliver(attempts=2, removal_policy=RemovalPolicy(most_removals=1)))
            is RemovalOutcome.REMOVED
        )
        assert listing.entries == {}

    def test_the_other_spelling_passes_the_removal_policy_by_itself(self, deliver, listing):
        listing.put("Jane@example.com")
        complaint = listing.put("jane@example.com", "COMPLAINT")
        assert isinstance(deliver().delivery, NotYet)
        report = deliver(attempts=2)
        assert outcome(report) is RemovalOutcome.KEPT_COMPLAINT
        assert report.notice.entry == complaint.as_dict()
        assert list(listing.entries) == ["jane@example.com"]


class TestSpelling:
    def test_lower_case_is_looked_up_where_the_reported_case_is_unknown(self, deliver, listing):
        """The list knows local parts by their case, SES reports them as they were mailed."""
        listing.put("jane@example.com")
        report = deliver()
        assert outcome(report) is RemovalOutcome.REMOVED
        assert listing.calls[:3] == [
            ("look_up", "Jane@example.com"),
            ("look_up", "jane@example.com"),
            ("delete", "jane@example.com"),
        ]

    def test_an_unambiguous_spelling_costs_a_single_look(self, deliver, listing):
        deliver(removal("jane@example.com", reported=" jane@EXAMPLE.com "))
        assert listing.calls == [("look_up", "jane@example.com")]

    def test_a_domain_reported_in_unicode_is_looked_up_too(self, deliver, listing):
        listing.put("jane@bücher.example")
        jane = removal("jane@xn--bcher-kva.example", reported="jane@bücher.example")
        assert outcome(deliver(jane)) is RemovalOutcome.REMOVED

    @pytest.mark.parametrize("listed", ["=?utf-8?q?A=C3=B1a?=@b.c", "A\xf1a@b.c", "a\xf1a@b.c"])
    def test_an_encoded_word_is_looked_up_as_it_was_mailed_and_decoded(
        self, deliver, listing, listed
    ):
        listing.put(listed)
        ana = replace(JANE, mailed="=?utf-8?q?A=C3=B1a?=@b.c", key="a\xf1a@b.c", reported="")
        assert outcome(deliver(ana)) is RemovalOutcome.REMOVED

    def test_a_word_with_a_slash_is_looked_up_decoded(self, deliver, listing):
        """SES's call cannot name an address with a slash."""
        listing.put("\xff@b.c")
        word = replace(JANE, mailed="=?iso-8859-1?b?/w==?=@b.c", key="\xff@b.c", reported="")
        assert outcome(deliver(word)) is RemovalOutcome.REMOVED

    def test_a_display_name_is_not(self, deliver, listing):
        deliver(removal("jane@example.com", reported="Jane <jane@example.com>"))
        assert listing.calls == [("look_up", "jane@example.com")]

    def test_a_later_spelling_that_ses_does_not_take_is_passed_over(self, deliver, listing):
        jane = removal("jane@xn--bcher-kva.example", reported="jané@bücher.example")
        listing.answers["look_up", jane.reported] = AwsRefused("BadRequestException", "", 400)
        assert isinstance(deliver(jane).delivery, NotYet)


class TestNotListed:
    """An address that is not on the list is usual, or SES has not listed it yet."""

    def test_it_is_looked_up_again_with_growing_delays_and_then_reported(self, deliver, listing):
        delays = [deliver(attempts=attempts).delivery.seconds for attempts in range(1, 5)]
        assert delays == [30, 60, 120, 240]
        report = deliver(attempts=5)
        assert outcome(report) is RemovalOutcome.NOT_LISTED
        assert (report.notice.response, report.notice.entry) == ("NotFoundException", None)
        assert ("delete", "Jane@example.com") not in listing.calls

    def test_no_notice_is_posted_meanwhile(self, deliver):
        report = deliver()
        assert isinstance(report.delivery, NotYet)
        assert report.notice is None

    def test_no_delay_is_longer_than_a_quarter_of_an_hour(self, deliver):
        report = deliver(attempts=4999, removal_policy=RemovalPolicy(tries=5000))
        assert report.delivery.seconds == 900

    def test_it_may_appear_meanwhile(self, deliver, listing):
        deliver()
        listing.put("Jane@example.com")
        assert outcome(deliver(attempts=2)) is RemovalOutcome.REMOVED


class TestRemovalPolicy:
    def test_an_entry_for_a_complaint_is_kept(self, deliver, listing):
        """An earlier notifier removed it if the address bounced later."""
        entry = listing.put("Jane@example.com", "COMPLAINT")
        report = deliver()
        assert outcome(report) is RemovalOutcome.KEPT_COMPLAINT
        assert report.notice.response == "listed for COMPLAINT"
        assert report.notice.entry == entry.as_dict()
        assert listing.entries

    def test_what_the_settings_do_not_ask_for_any_more_is_kept_unless_it_was_begun(
        self, listing, removal_log
    ):
        listing.put("Jane@example.com")
        remover = Remover(listing, removal_log, still_removes=lambda _: False, now=lambda: NOW)
        report = remover.deliver(effect(JANE))
        assert outcome(report) is RemovalOutcome.KEPT_UNWANTED
        assert listing.calls == []
        removal_log.kept[7] = {"Reason": "BOUNCE"}
        assert outcome(remover.deliver(effect(JANE, 2))) is RemovalOutcome.REMOVED

    def test_unless_the_operator_says_so(self, deliver, listing):
        listing.put("Jane@example.com", "COMPLAINT")
        report = deliver(removal_policy=RemovalPolicy(remove_complaints=True))
        assert outcome(report) is RemovalOutcome.REMOVED

    @pytest.mark.parametrize("remove_complaints", [False, True])
    def test_an_entry_for_a_reason_that_we_do_not_know_is_kept(
        self, deliver, listing, remove_complaints
    ):
        listing.put("Jane@example.com", "COURT_ORDER")
        report = deliver(removal_policy=RemovalPolicy(remove_complaints=remove_complaints))
        assert outcome(report) is RemovalOutcome.KEPT_COMPLAINT
        assert report.notice.response == "listed for COURT_ORDER"

    def test_an_address_taken_off_often_is_left_to_a_person(self, deliver, listing, removal_log):
        """An earlier notifier removed without any limit."""
        listing.put("Jane@example.com")
        removal_log.removed = 3
        report = deliver()
        assert outcome(report) is RemovalOutcome.KEPT_REPEATED
        assert report.notice.response == "taken off 3 times in 30 days"
        assert removal_log.counted == [("jane@example.com", timedelta(days=30))]
        assert listing.entries
        assert removal_log.kept == {}

    def test_a_try_that_did_not_get_through_is_no_time(self, deliver, listing):
        listing.put("Jane@example.com")
        listing.refuse("delete", "SomethingNew", status=403)
        removal_policy = RemovalPolicy(most_removals=1)
        assert isinstance(deliver(removal_policy=removal_policy).delivery, Blocked)
        listing.answers.clear()
        assert outcome(deliver(attempts=2, removal_policy=removal_policy)) is RemovalOutcome.REMOVED

    def test_a_removal_less_is_not_too_often(self, deliver, listing, removal_log):
        listing.put("Jane@example.com")
        removal_log.removed = 2
        assert outcome(deliver()) is RemovalOutcome.REMOVED

    def test_a_removal_that_ses_had_no_time_for_does_not_count_itself(self, deliver, listing):
        listing.put("Jane@example.com")
        listing.answers["delete"] = Unavailable("AWS: TooManyRequestsException")
        assert isinstance(deliver(removal_policy=RemovalPolicy(most_removals=1)).delivery, Later)
        listing.answers.clear()
        report = deliver(attempts=2, removal_policy=RemovalPolicy(most_removals=1))
        assert outcome(report) is RemovalOutcome.REMOVED

    @pytest.mark.parametrize("address", ["to/from@example.com", "jane", "@example.com", "jane@"])
    def test_an_address_that_the_call_cannot_name_is_reported_and_not_looked_up(
        self, deliver, listing, address
    ):
        report = deliver(removal(address))
        assert outcome(report) is RemovalOutcome.NOT_POSSIBLE
        assert listing.calls == []


ACMES = replace(JANE, subtype="OnTenantSuppressionList", tenant="acme")


class TestTenants:
    def test_an_address_is_taken_off_the_tenants_list_and_never_off_the_accounts(
        self, deliver, listing, removal_log
    ):
        entry = listing.put("Jane@example.com", tenant="acme")
        listing.put("Jane@example.com")
        report = deliver(ACMES)
        assert outcome(report) is RemovalOutcome.REMOVED
        assert {call[2:] for call in listing.calls} == {("acme",)}
        assert listing.tenants == {"acme": {}}
        assert list(listing.entries) == ["Jane@example.com"]
        assert report.notice.tenant == "acme"
        assert removal_log.kept == {7: entry.as_dict()}

    def test_an_unknown_tenant_is_reported_and_ses_is_not_called(self, deliver, listing):
        listing.put("Jane@example.com")
        report = deliver(replace(ACMES, tenant=""))
        assert outcome(report) is RemovalOutcome.UNKNOWN_TENANT
        assert report.notice.response == "SES's message has no tag ses:tenant-name"
        assert listing.calls == []

    def test_what_the_version_before_has_enqueued_is_never_taken_off_the_accounts_list(
        self, deliver, listing
    ):
        listing.put("Jane@example.com")
        report = deliver(replace(JANE, subtype="OnTenantSuppressionList"))
        assert outcome(report) is RemovalOutcome.UNKNOWN_TENANT
        assert listing.calls == []

    def test_a_complaint_on_the_tenants_list_is_kept(self, deliver, listing):
        listing.put("Jane@example.com", "COMPLAINT", "acme")
        assert outcome(deliver(ACMES)) is RemovalOutcome.KEPT_COMPLAINT

    def test_a_restored_entry_goes_back_to_the_tenants_list(self, listing):
        restored = restore(listing, listing.put("a@b.c", tenant="x"), "acme")
        assert restored.done
        assert restored.message.startswith("it is on the list of tenant acme again: a@b.c, BOUNCE")
        assert list(listing.tenants["acme"]) == ["a@b.c"]
        assert listing.entries == {}


class TestRefusals:
    @pytest.mark.parametrize("call", ["look_up", "delete"])
    def test_an_address_that_ses_refuses_is_reported_with_its_message(self, deliver, listing, call):
        """An earlier notifier posted the text as blocks, then raised."""
        entry = listing.put("Jane@example.com")
        listing.refuse(call, "BadRequestException", "Invalid email address")
        report = deliver()
        assert outcome(report) is RemovalOutcome.NOT_POSSIBLE
        assert report.notice.response == "BadRequestException: Invalid email address"
        assert report.notice.entry == (entry.as_dict() if call == "delete" else None)

    @pytest.mark.parametrize("call", ["look_up", "delete"])
    @pytest.mark.parametrize("error", [Unavailable("AWS: TooManyRequestsException"), Raced("x")])
    def test_what_passes_is_tried_later(self, deliver, listing, removal_log, call, error):
        """TooManyRequestsException likewise."""
        listing.put("Jane@example.com")
        listing.answers[call] = error
        report = deliver()
        assert isinstance(report.delivery, Later)
        assert report.notice is None
        assert removal_log.finished == {}

    def test_an_unavailable_removal_log_is_waited_for(self, deliver, listing, removal_log):
        def unreachable(name, act):
            raise Unavailable("the database is locked")

        listing.put("Jane@example.com")
        removal_log.step = unreachable
        assert deliver().delivery == Later(error="the database is locked")
        assert listing.entries

    @pytest.mark.parametrize(
        ("code", "status", "says"),
        [
            ("AccessDeniedException", 403, "allow ses:DeleteSuppressedDestination in the worker's"),
            ("AccessDenied", 403, "allow ses:DeleteSuppressedDestination in the worker's IAM"),
            ("ExpiredTokenException", 403, "rejects the worker's credentials"),
            ("NoCredentials", 0, "rejects the worker's credentials"),
            ("InvalidSignatureException", 403, "credentials or clock"),
            ("UnknownRegion", 0, "set aws.region"),
            ("404", 404, "is not SES"),
            ("400", 400, "is not SES"),
            ("302", 302, "is not SES"),
            ("ForeignAnswer", 200, "is not SES"),
            ("UnknownOperationException", 404, "SES refuses ses:DeleteSuppressedDestination"),
            ("AccountSuspendedException", 400, "SES refuses"),
            ("BrandnewException", 403, "SES refuses"),
        ],
    )
    def test_a_configuration_error_stops_the_lane(self, deliver, listing, code, status, says):
        listing.put("Jane@example.com")
        listing.refuse("delete", code, "no jane@example.com", status=status)
        report = deliver()
        assert isinstance(report.delivery, Blocked)
        assert says in report.delivery.error
        assert "jane@" not in report.delivery.error
        assert report.notice is None

    def test_a_role_that_may_not_be_assumed_is_named(self, deliver, listing):
        listing.answers["look_up"] = AwsRefused("AccessDenied", "no", 403, "AssumeRole")
        assert "allow sts:AssumeRole" in deliver().delivery.error

    def test_files_of_aws_that_went_bad_stop_the_lane(self, deliver, listing):
        listing.answers["look_up"] = Misconfigured("AWS: no such profile")
        assert deliver().delivery == Blocked(error="AWS: no such profile")

    def test_a_400_that_we_do_not_know_parks_this_effect_alone(self, deliver, listing):
        listing.refuse("look_up", "BrandnewException")
        assert isinstance(deliver().delivery, Unfit)

    def test_a_payload_that_is_none_of_ours_is_parked(self, deliver):
        assert isinstance(deliver({"from": "the future"}).delivery, Unfit)

    def test_a_stop_passes_through(self, deliver, listing):
        listing.answers["look_up"] = Killed()
        with pytest.raises(Killed):
            deliver()


class TestCrashes:
    @pytest.mark.parametrize("done", [False, True])
    @pytest.mark.parametrize("fatal", range(7))
    def test_a_removal_killed_at_any_step_is_reported_as_ours_with_the_entry(
        self, deliver, listing, removal_log, fatal, done
    ):
        """begun, look_up, begin, delete, look_up, look_up, finish: before or after each of them."""
        entry = listing.put("Jane@example.com")
        steps = []

        def dying(name, act):
            steps.append(name)
            if len(steps) - 1 != fatal:
                return act()
            if done:
                act()
            raise Killed

        listing.step = removal_log.step = dying
        with pytest.raises(Killed):
            deliver()
        report = deliver(attempts=2)
        assert outcome(report) is RemovalOutcome.REMOVED
        assert report.notice.entry == entry.as_dict()
        assert listing.entries == {}
        assert removal_log.finished == {7: RemovalOutcome.REMOVED}

    def test_what_was_listed_again_since_is_looked_at_anew(self, deliver, listing, removal_log):
        removal_log.kept = {7: listing.put("Jane@example.com").as_dict()}
        complaint = listing.put("Jane@example.com", "COMPLAINT")
        report = deliver(attempts=2)
        assert outcome(report) is RemovalOutcome.KEPT_COMPLAINT
        assert report.notice.entry == complaint.as_dict()


class TestRestoring:
    def test_it_is_put_back_for_its_former_reason(self, listing):
        entry = listing.put("Jane@example.com")
        listing.entries.clear()
        restored = restore(listing, entry)
        assert restored.done
        assert restored.entry == entry
        assert "on the list again: Jane@example.com, BOUNCE" in restored.message

    def test_what_is_listed_is_left_as_it_is(self, listing):
        bounce = listing.put("Jane@example.com")
        complaint = listing.put("Jane@example.com", "COMPLAINT")
        restored = restore(listing, bounce)
        assert (restored.done, restored.entry) == (False, complaint)
        assert ("put_back", "Jane@example.com") not in listing.calls

    def test_a_restore_that_ses_accepted_and_did_not_keep_is_reported(self, listing):
        entry = listing.put("Jane@example.com")
        listing.entries.clear()
        listing.step = lambda name, act: None
        restored = restore(listing, entry)
        assert (restored.done, restored.entry) == (False, None)
        assert "does not list" in restored.message


@given(
    local=st.text(min_size=1, max_size=20),
    reported=st.text(max_size=20),
    listed=st.booleans(),
    attempts=st.integers(1, 9),
    answer=st.sampled_from([
        None, Unavailable("unreachable"), AwsRefused("BadRequestException", "no", 400),
        AwsRefused("AccessDenied", "no", 403), AwsRefused("404", "<html>", 404), Misconfigured("x"),
    ]),
    call=st.sampled_from(["look_up", "delete"]),
)  # fmt: skip
def test_every_removal_has_a_single_report_whatever_the_address_and_the_answers(
    local, reported, listed, attempts, answer, call
):
    """Nothing is raised, and whatever is over is reported."""
    listing, removal_log = List(), FakeRemovalLog()
    mailed = f"{local}@example.com"
    if listed:
        listing.put(mailed)
    listing.answers[call] = answer
    jane = replace(JANE, mailed=mailed, key=mailed.lower(), reported=reported)
    report = Remover(listing, removal_log, now=lambda: NOW).deliver(effect(jane, attempts))
    assert isinstance(report.delivery, Sent) == (report.notice is not None)
    if report.notice:
        assert removal_log.finished == {7: report.notice.outcome}
        if report.notice.outcome is RemovalOutcome.REMOVED:
            assert mailed not in listing.entries
    assert all("/" not in address for _, address in listing.calls)


def _spelled(address):
    local, _, domain = address.strip().rpartition("@")
    return f"{local}@{domain.lower()}"


REQUESTED = replace(JANE, type="reinstatement", subtype=None, occurred_at=NOW, asked_by="mary")


class TestRequestedByAPerson:
    @pytest.mark.parametrize("reason", ["BOUNCE", "COMPLAINT"])
    def test_neither_patterns_nor_limits_count(self, listing, removal_log, reason):
        removal_log.removed = 99
        listing.put("Jane@example.com", reason=reason)
        remover = Remover(listing, removal_log, still_removes=lambda _: False, now=lambda: NOW)
        report = remover.deliver(effect(REQUESTED))
        assert outcome(report) is RemovalOutcome.REMOVED
        assert report.delivery.result == f"removed: listed for {reason}, requested by mary"
        assert report.notice.asked_by == "mary"

    def test_an_entry_that_is_newer_than_the_decision_stays(self, deliver, listing):
        listing.put("Jane@example.com", at=NOW + timedelta(seconds=1))
        report = deliver(REQUESTED)
        assert outcome(report) is RemovalOutcome.KEPT_NEWER
        assert "Jane@example.com" in listing.entries

    def test_what_is_not_listed_is_not_waited_for(self, deliver):
        assert outcome(deliver(REQUESTED)) is RemovalOutcome.NOT_LISTED

    def test_the_other_spellings_on_record_are_looked_up(self, deliver, listing):
        listing.put("JANE@example.com")
        report = deliver(replace(REQUESTED, also=("jAne@example.com", "JANE@example.com")))
        assert outcome(report) is RemovalOutcome.REMOVED
