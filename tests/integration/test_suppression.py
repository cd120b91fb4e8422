"""The suppression list over HTTP: boto3 against the simulator that speaks as SES v2 does."""

import socket
import time
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.clocks import Clock

from simulators.ses import SesSimulator
from simulators.ses.faults import (
    ACCESS_DENIED,
    BAD_REQUEST,
    EXPIRED_TOKEN,
    SERVICE_UNAVAILABLE,
    TOO_MANY_REQUESTS,
    ForeignHtml,
    Forget,
    Hang,
    Refuse,
    Reset,
)
from worker.aws import AwsRefused, Throttled, make_client
from worker.aws import clients as aws
from worker.core.effects import Blocked, Effect, Later, NotYet, Summary, Unfit
from worker.core.errors import Unavailable
from worker.core.payloads import EffectKind, Removal, RemovalOutcome
from worker.ses.suppression import Entry, Remover, SuppressionList, restore

THEN = datetime(2026, 11, 20, 8, 15, 33, tzinfo=UTC)
GET, DELETE = "GetSuppressedDestination", "DeleteSuppressedDestination"
PUT = "PutSuppressedDestination"
REGION = "eu-central-1"


class Stopped(Exception):
    """The program stops."""


class FakeRemovalLog:
    """What outlives a crash."""

    def __init__(self):
        self.kept = {}
        self.outcomes = []

    def begun(self, effect_id, key):
        return self.kept.get(effect_id)

    def begin(self, effect_id, removal, entry):
        self.kept[effect_id] = entry

    def removals(self, removal, within, besides):
        return self.outcomes.count(RemovalOutcome.REMOVED)

    def finish(self, effect_id, outcome):
        self.outcomes.append(outcome)


@pytest.fixture
def surroundings(nobodys_environment, monkeypatch):
    """No credential and no endpoint of the person who runs the tests."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")


@pytest.fixture
def ses(surroundings, monkeypatch):
    with SesSimulator() as ses:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", ses.endpoint)
        yield ses
    assert ses.failures == []


@pytest.fixture
def listing(ses):
    return SuppressionList(region=REGION, await_slot=lambda: None)


@pytest.fixture
def removal_log():
    return FakeRemovalLog()


@pytest.fixture
def deliver(listing, removal_log):
    def deliver(address="jane@example.com", attempts=1):
        return Remover(listing, removal_log).deliver(effect(address, attempts))

    return deliver


def effect(address, attempts=1, subtype="General", **more):
    removal = Removal(
        reported=address,
        mailed=address,
        key=address.lower(),
        type="Permanent",
        subtype=subtype,
        occurred_at=THEN,
        **more,
    )
    return Effect(
        id=7,
        kind=EffectKind.REMOVAL,
        attempts=attempts,
        created_at=THEN,
        summary=Summary(label="removed", domains={}, occurred_at=THEN),
        payload=msgspec.json.encode(removal).decode(),
    )


def requests(ses):
    return [call.operation for call in ses.calls]


class TestList:
    def test_an_entry_is_read_as_it_is(self, ses, listing):
        ses.list_address(
            "Jane@Example.com",
            updated_at=1763626533.25,
            message_id="mail-1",
            feedback_id="feedback-1",
        )
        assert listing.look_up("Jane@example.com") == Entry(
            address="Jane@example.com",
            reason="BOUNCE",
            last_update_time=datetime(2025, 11, 20, 8, 15, 33, 250000, tzinfo=UTC),
            message_id="mail-1",
            feedback_id="feedback-1",
        )

    def test_the_case_of_the_local_part_counts_and_that_of_the_domain_does_not(self, ses, listing):
        ses.list_address("Jane@example.com")
        assert listing.look_up("Jane@EXAMPLE.com")
        assert listing.look_up("jane@example.com") is None

    def test_a_second_delete_says_that_it_was_done(self, ses, listing):
        ses.list_address("jane@example.com")
        assert [listing.delete("jane@example.com") for _ in range(2)] == [True, False]

    def test_an_entry_is_put_back_for_its_reason(self, ses, listing):
        ses.list_address("Jane@example.com", "COMPLAINT")
        entry = listing.look_up("Jane@example.com")
        listing.delete("Jane@example.com")
        restored = restore(listing, entry)
        assert restored.done
        assert (restored.entry.address, restored.entry.reason) == ("Jane@example.com", "COMPLAINT")

    def test_putting_back_does_not_hide_a_complaint(self, ses, listing):
        entry = Entry(address="jane@example.com", reason="BOUNCE", last_update_time=THEN)
        ses.list_address("jane@example.com", "COMPLAINT")
        assert not restore(listing, entry).done
        assert listing.look_up("jane@example.com").reason == "COMPLAINT"

    def test_a_refusal_to_put_back_reaches_the_operator(self, ses, listing):
        ses.fail(BAD_REQUEST, on=PUT)
        entry = Entry(address="jane@example.com", reason="BOUNCE", last_update_time=THEN)
        with pytest.raises(AwsRefused, match="BadRequestException: Bad request"):
            restore(listing, entry)

    def test_it_waits_for_its_slot_before_each_request(self, ses):
        turns = []
        listing = SuppressionList(region=REGION, await_slot=lambda: turns.append(len(ses.calls)))
        ses.fail(SERVICE_UNAVAILABLE, on=GET, times=1)
        ses.list_address("jane@example.com")
        listing.look_up("jane@example.com")
        listing.delete("jane@example.com")
        assert turns == [0, 1, 2]
        assert requests(ses) == [GET, GET, DELETE]

    def test_no_slot_is_used_to_make_a_client(self, ses, monkeypatch):
        order = []

        def making(*arguments, **options):
            order.append("client")
            return make_client(*arguments, **options)

        monkeypatch.setattr("worker.ses.suppression.listing.make_client", making)
        listing = SuppressionList(region=REGION, await_slot=lambda: order.append("slot"))
        listing.look_up("jane@example.com")
        assert order == ["client", "slot"]

    def test_a_stop_while_it_waits_for_its_slot_passes_through(self, ses, removal_log):
        def stop():
            raise Stopped

        listing = SuppressionList(region=REGION, await_slot=stop)
        with pytest.raises(Stopped):
            Remover(listing, removal_log).deliver(effect("jane@example.com"))
        assert ses.calls == []


class TestWire:
    @pytest.mark.parametrize(
        ("address", "escaped"),
        [
            ("a+b@x.com", "a%2Bb%40x.com"),
            ("a%2Fb@x.com", "a%252Fb%40x.com"),
            ("a?b#c&d=e@x.com", "a%3Fb%23c%26d%3De%40x.com"),
            ('"a b"@x.com', "%22a%20b%22%40x.com"),
            ("jané@x.com", "jan%C3%A9%40x.com"),
            ("...@x.com", "...%40x.com"),
        ],
    )
    def test_an_address_is_escaped_once_and_whole(self, ses, listing, address, escaped):
        ses.list_address(address)
        assert listing.look_up(address).address == address
        assert listing.delete(address)
        paths = [call.path for call in ses.calls]
        assert paths == [f"/v2/email/suppression/addresses/{escaped}"] * 2

    @given(local=st.text(min_size=1, max_size=30))
    @example(local="\x00")
    @example(local="../..")
    @example(local="\ud800")
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    def test_any_address_reaches_ses_as_it_is_or_not_at_all(self, ses, listing, local):
        address, before = f"{local}@x.com", len(ses.calls)
        try:
            listing.look_up(address)
        except ValueError:
            assert len(ses.calls) == before
        else:
            assert (ses.calls[-1].operation, ses.calls[-1].address) == (GET, address)
            assert "/" not in address

    @pytest.mark.parametrize("address", ["", " ", "to/from@x.com", "jane", "@", "@x.com", "jane@"])
    def test_what_would_name_something_else_is_never_sent(self, ses, listing, address):
        for call in (listing.look_up, listing.delete):
            with pytest.raises(ValueError, match="cannot name"):
                call(address)
        assert ses.calls == []


class TestAnswers:
    @pytest.mark.parametrize(
        "fault",
        [
            ForeignHtml(404),
            ForeignHtml(404, '{"message": "Not Found"}'),
            ForeignHtml(404, "[]"),
            ForeignHtml(200),
            ForeignHtml(200, "{}"),
            ForeignHtml(200, "[1]"),
            ForeignHtml(200, '{"SuppressedDestination": {"EmailAddress": "a@b"}}'),
            ForeignHtml(200, '{"SuppressedDestination": {"LastUpdateTime": "soon"}}'),
            ForeignHtml(200, '{"SuppressedDestination": "a@b"}'),
            ForeignHtml(302),
            ForeignHtml(403),
            Refuse(404, "UnknownOperationException"),
            Refuse(404, "ResourceNotFoundException"),
        ],
        ids=str,
    )
    def test_only_ses_decides_that_an_address_is_not_listed(self, ses, listing, deliver, fault):
        """Neither HTML of a proxy nor a wrong endpoint is taken for a NotFoundException."""
        ses.list_address("jane@example.com")
        ses.fail(fault)
        with pytest.raises(AwsRefused):
            listing.look_up("jane@example.com")
        assert isinstance(deliver(attempts=5).delivery, Blocked)

    @pytest.mark.parametrize("fault", [ForeignHtml(200), ForeignHtml(200, "{}"), ForeignHtml(404)])
    def test_html_in_answer_to_a_delete_removes_nothing(self, ses, deliver, fault):
        ses.list_address("jane@example.com")
        ses.fail(fault, on=DELETE)
        report = deliver()
        assert not report.notice or report.notice.outcome is RemovalOutcome.STILL_LISTED
        assert ses.listed == ["jane@example.com"]

    @pytest.mark.parametrize("fault", [Reset(), SERVICE_UNAVAILABLE, ForeignHtml(502)], ids=str)
    def test_a_hiccup_is_got_over_at_once(self, ses, deliver, fault):
        ses.list_address("jane@example.com")
        ses.fail(fault, on=GET, times=1)
        ses.fail(fault, on=DELETE, times=1)
        assert deliver().notice.outcome is RemovalOutcome.REMOVED
        assert requests(ses) == [GET, GET, DELETE, DELETE, GET]

    @pytest.mark.parametrize("fault", [Reset(), SERVICE_UNAVAILABLE, ForeignHtml(502)], ids=str)
    def test_two_in_a_row_are_left_for_later(self, ses, deliver, fault):
        ses.fail(fault)
        assert isinstance(deliver().delivery, Later)
        assert requests(ses) == [GET, GET]

    def test_silence_ends(self, ses, monkeypatch, deliver):
        """The timeout is 10 s, here shortened."""
        monkeypatch.setattr(aws, "READ_SECONDS", 0.3)
        ses.fail(Hang(30))
        listing = SuppressionList(region=REGION, await_slot=lambda: None)
        started = time.monotonic()
        with pytest.raises(Unavailable):
            listing.look_up("jane@example.com")
        assert time.monotonic() - started < 5

    def test_nobody_there_is_waited_for(self, surroundings, monkeypatch):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", f"http://127.0.0.1:{port}")
        listing = SuppressionList(region=REGION, await_slot=lambda: None)
        with pytest.raises(Unavailable):
            listing.look_up("jane@example.com")

    @pytest.mark.parametrize("fault", [TOO_MANY_REQUESTS, ForeignHtml(429)], ids=str)
    @pytest.mark.parametrize("on", [GET, DELETE])
    def test_throttling_is_not_answered_with_another_call(self, ses, deliver, fault, on):
        """An earlier notifier posted the code as blocks, then raised."""
        ses.list_address("jane@example.com")
        ses.fail(fault, on=on)
        report = deliver()
        assert isinstance(report.delivery, Later)
        assert report.notice is None
        assert requests(ses).count(on) == 1

    def test_the_rate_of_ses_is_a_call_a_second(self, surroundings, monkeypatch):
        clock = Clock()
        with SesSimulator(per_second=1, clock=clock) as ses:
            monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", ses.endpoint)
            ses.list_address("jane@example.com")
            hasty = SuppressionList(region=REGION, await_slot=lambda: None)
            hasty.look_up("jane@example.com")
            with pytest.raises(Throttled):
                hasty.look_up("jane@example.com")
            paced = SuppressionList(region=REGION, await_slot=lambda: clock.advance(1))
            report = Remover(paced, FakeRemovalLog()).deliver(effect("jane@example.com"))
        assert report.notice.outcome is RemovalOutcome.REMOVED
        assert [call.status for call in ses.calls] == [200, 429, 200, 200, 404]

    def test_a_refused_address_is_reported_with_the_message_of_ses(self, ses, deliver):
        ses.list_address("jane@example.com")
        ses.fail(BAD_REQUEST, on=DELETE)
        report = deliver()
        assert report.notice.outcome is RemovalOutcome.NOT_POSSIBLE
        assert report.notice.response == "BadRequestException: Bad request"
        assert report.notice.entry["EmailAddress"] == "jane@example.com"

    def test_a_missing_permission_is_named(self, ses, deliver):
        ses.list_address("jane@example.com")
        ses.fail(ACCESS_DENIED, on=DELETE)
        assert "allow ses:DeleteSuppressedDestination" in deliver().delivery.error

    def test_new_credentials_are_taken_up(self, ses, listing, monkeypatch):
        ses.fail(EXPIRED_TOKEN, times=1)
        with pytest.raises(AwsRefused):
            listing.look_up("jane@example.com")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "renewed")
        assert listing.look_up("jane@example.com") is None
        assert [call.access_key for call in ses.calls] == ["local", "renewed"]

    def test_missing_credentials_block_the_lane(self, ses, monkeypatch, removal_log):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        listing = SuppressionList(region=REGION, await_slot=lambda: None)
        report = Remover(listing, removal_log).deliver(effect("jane@example.com"))
        assert isinstance(report.delivery, Blocked)
        assert "credentials" in report.delivery.error

    @pytest.mark.parametrize(("region", "blocked"), [("nowhere-1", True), (REGION, False)])
    def test_a_region_without_ses_is_distinguished_from_an_outage(
        self, surroundings, monkeypatch, removal_log, region, blocked
    ):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        # As AWS's own, the endpoint has the region in its name.
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", f"http://127.0.0.1:{port}/{region}")
        listing = SuppressionList(region=region, await_slot=lambda: None)
        report = Remover(listing, removal_log).deliver(effect("jane@example.com"))
        assert isinstance(report.delivery, Blocked if blocked else Later)

    def test_a_client_that_cannot_be_made_ends_nothing(self, surroundings):
        listing = SuppressionList(region="not a region", await_slot=lambda: None)
        with pytest.raises(Unavailable):
            listing.look_up("jane@example.com")


class TestRemoval:
    def test_looked_up_deleted_looked_up_again(self, ses, deliver):
        ses.list_address("jane@example.com", updated_at=1763626533, feedback_id="feedback-1")
        notice = deliver().notice
        assert notice.outcome is RemovalOutcome.REMOVED
        assert notice.response == "NotFoundException"
        assert notice.entry == {
            "EmailAddress": "jane@example.com",
            "Reason": "BOUNCE",
            "LastUpdateTime": "2025-11-20T08:15:33+00:00",
            "Attributes": {"FeedbackId": "feedback-1"},
        }
        assert msgspec.json.encode(notice)
        assert requests(ses) == [GET, DELETE, GET]
        assert ses.listed == []

    def test_still_listed(self, ses, deliver):
        ses.list_address("jane@example.com")
        ses.fail(Forget(), on=DELETE)
        assert deliver().notice.outcome is RemovalOutcome.STILL_LISTED

    def test_an_entry_may_appear_after_its_bounce(self, surroundings, monkeypatch, removal_log):
        clock = Clock()
        with SesSimulator(clock=clock) as ses:
            monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", ses.endpoint)
            listing = SuppressionList(region=REGION, await_slot=lambda: None)
            ses.list_address("jane@example.com", after_seconds=45)
            remover, attempts = Remover(listing, removal_log), 1
            while isinstance(
                (report := remover.deliver(effect("jane@example.com", attempts))).delivery, NotYet
            ):
                clock.advance(report.delivery.seconds)
                attempts += 1
        assert attempts == 3
        assert report.notice.outcome is RemovalOutcome.REMOVED

    def test_a_delete_whose_answer_was_lost_is_done(self, ses, deliver):
        ses.list_address("jane@example.com")
        ses.fail(Reset(done=True), on=DELETE, times=1)
        assert deliver().notice.outcome is RemovalOutcome.REMOVED
        assert [call.code for call in ses.calls if call.operation == DELETE][1:] == [
            "NotFoundException"
        ]

    def test_an_outage_between_delete_and_look_up_is_reported_as_ours_with_the_entry(
        self, ses, deliver
    ):
        ses.list_address("jane@example.com", feedback_id="feedback-1")
        ses.fail(Reset(done=True), on=DELETE, times=1)
        ses.fail(SERVICE_UNAVAILABLE, on=DELETE)
        assert isinstance(deliver().delivery, Later)
        assert ses.listed == []
        ses.recover()
        report = deliver(attempts=2)
        assert report.notice.outcome is RemovalOutcome.REMOVED
        assert report.notice.entry["Attributes"] == {"FeedbackId": "feedback-1"}

    def test_a_crash_between_delete_and_finish_is_reported_as_our_removal_with_the_entry(
        self, ses, removal_log
    ):
        def die_after_the_delete():
            if DELETE in requests(ses):
                raise Stopped

        ses.list_address("jane@example.com", feedback_id="feedback-1")
        mortal = SuppressionList(region=REGION, await_slot=die_after_the_delete)
        with pytest.raises(Stopped):
            Remover(mortal, removal_log).deliver(effect("jane@example.com"))
        assert ses.listed == []
        heir = SuppressionList(region=REGION, await_slot=lambda: None)
        report = Remover(heir, removal_log).deliver(effect("jane@example.com", attempts=2))
        assert report.notice.outcome is RemovalOutcome.REMOVED
        assert report.notice.entry["Attributes"] == {"FeedbackId": "feedback-1"}
        assert requests(ses) == [GET, DELETE, GET]

    def test_an_address_that_comes_back_and_back_is_left_to_a_person(self, ses, deliver):
        outcomes = []
        for _ in range(4):
            ses.list_address("jane@example.com")
            outcomes.append(deliver().notice.outcome)
        assert outcomes == [RemovalOutcome.REMOVED] * 3 + [RemovalOutcome.KEPT_REPEATED]
        assert ses.listed == ["jane@example.com"]

    def test_complaints_stay(self, ses, deliver):
        ses.list_address("jane@example.com", "COMPLAINT")
        assert deliver().notice.outcome is RemovalOutcome.KEPT_COMPLAINT
        assert ses.listed == ["jane@example.com"]


class TestTenants:
    def test_every_call_names_the_tenant(self, ses, listing, removal_log):
        ses.list_address("jane@example.com", tenant="acme")
        ses.list_address("jane@example.com")
        report = Remover(listing, removal_log).deliver(
            effect("jane@example.com", subtype="OnTenantSuppressionList", tenant="acme")
        )
        assert report.notice.outcome is RemovalOutcome.REMOVED
        assert [(call.operation, call.tenant) for call in ses.calls] == [
            (GET, "acme"), (DELETE, "acme"), (GET, "acme"),
        ]  # fmt: skip
        assert (ses.listed, ses.listed_for("acme")) == (["jane@example.com"], [])
        entry = Entry.from_dict(report.notice.entry)
        assert restore(listing, entry, "acme").done
        assert (ses.calls[-2].operation, ses.calls[-2].tenant) == (PUT, "acme")
        assert ses.listed_for("acme") == ["jane@example.com"]

    @pytest.mark.parametrize("tenant", ["a&TenantName=b", "a b/c", "\xe4", "a?b#c", "%00"])
    def test_an_untrusted_name_stays_a_name(self, ses, listing, tenant):
        ses.list_address("jane@example.com", tenant=tenant)
        assert listing.look_up("jane@example.com", tenant)
        assert [call.tenant for call in ses.calls] == [tenant]

    def test_a_tenant_that_does_not_exist_has_no_list(self, ses, listing):
        assert listing.look_up("jane@example.com", "nobody") is None

    def test_a_boto3_that_would_leave_the_tenant_out_calls_nothing(self, ses, listing, removal_log):
        """It would name the account's list."""
        listing.look_up("joe@example.com")
        model = listing._client.meta.service_model
        del model.operation_model(GET).input_shape.members["TenantName"]
        report = Remover(listing, removal_log).deliver(
            effect("jane@example.com", subtype="OnTenantSuppressionList", tenant="acme")
        )
        assert isinstance(report.delivery, Unfit)
        assert "install a newer version" in report.delivery.error
        assert requests(ses) == [GET]


class TestTheSimulator:
    def test_a_slash_is_refused_as_ses_does(self, ses):
        client = make_client("sesv2", REGION)
        for operation in (client.get_suppressed_destination, client.delete_suppressed_destination):
            with pytest.raises(client.exceptions.BadRequestException):
                operation(EmailAddress="to/from@example.com")

    def test_the_list_comes_in_pages_and_by_reason(self, ses):
        client = make_client("sesv2", REGION)
        for number in range(5):
            reason = "COMPLAINT" if number == 2 else "BOUNCE"
            ses.list_address(f"{number}@example.com", reason, updated_at=1763626533 + number)
        first = client.list_suppressed_destinations(Reasons=["BOUNCE"], PageSize=3)
        rest = client.list_suppressed_destinations(
            Reasons=["BOUNCE"], PageSize=3, NextToken=first["NextToken"]
        )
        pages = [
            [item["EmailAddress"][0] for item in listed["SuppressedDestinationSummaries"]]
            for listed in (first, rest)
        ]
        assert pages == [["0", "1", "3"], ["4"]]
        assert "NextToken" not in rest
        since = client.list_suppressed_destinations(
            StartDate=datetime.fromtimestamp(1763626536, UTC)
        )
        assert len(since["SuppressedDestinationSummaries"]) == 2
        with pytest.raises(client.exceptions.InvalidNextTokenException):
            client.list_suppressed_destinations(NextToken="invented")

    def test_the_latest_reason_wins(self, ses):
        client = make_client("sesv2", REGION)
        for reason in ("BOUNCE", "COMPLAINT"):
            client.put_suppressed_destination(EmailAddress=" Jane@EXAMPLE.com ", Reason=reason)
        answer = client.get_suppressed_destination(EmailAddress="Jane@example.com")
        assert answer["SuppressedDestination"]["EmailAddress"] == "Jane@example.com"
        assert answer["SuppressedDestination"]["Reason"] == "COMPLAINT"

    def test_an_unsigned_call_is_refused(self, ses):
        import urllib.error
        import urllib.request

        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{ses.endpoint}/v2/email/suppression/addresses")
        with refused.value as answer:
            assert answer.status == 403
            assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
