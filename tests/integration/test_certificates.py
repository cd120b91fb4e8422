"""Certificates of SNS: fetched over TLS, checked, kept, fetched again, and never taken on trust."""

import base64
import threading
import time
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from support import signing
from support.signing import DAY, Authority, new_key
from support.signing_host import SigningHost

from worker.app.signatures import make_verifier, obtain
from worker.core.errors import NoCertificate
from worker.core.limits import LARGEST_CERTIFICATE_BYTES
from worker.observability.health import Health
from worker.settings.loading import load_settings
from worker.signatures import fetching
from worker.signatures.certificates import (
    AGAIN_SECONDS,
    MOST_KEYS,
    MOST_SECONDS,
    MOST_SENDERS,
    PROBLEM,
    QUIET_SECONDS,
    REFRESH_SECONDS,
    UNKNOWN_SECONDS,
    Certificates,
    NotAwaited,
)
from worker.signatures.chain import checked
from worker.signatures.errors import Failed, NotServed, Wrong
from worker.signatures.origins import Origin
from worker.sqs.client.skew import ClockSkew
from worker.timing import clock

ORIGIN = Origin("aws", "eu-west-1")
PATH = "/SimpleNotificationService-0123456789abcdef.pem"
URL = f"https://{ORIGIN.host}{PATH}"
QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/feedback"
VARIABLES = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "AWS_CA_BUNDLE")


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def host(authority, tmp_path, monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with SigningHost(tmp_path, authority) as host:
        for name, value in host.environment.items():
            monkeypatch.setenv(name, value)
        yield host


class TestFetching:
    def test_a_certificate_that_chains_to_a_trusted_authority_has_a_key(self, host, authority):
        host.files[PATH] = authority.issue()
        key = obtain(ORIGIN, URL)
        assert key.public.public_numbers() == new_key().public_key().public_numbers()
        assert host.requested == [PATH]

    @pytest.mark.parametrize(
        "name", ["sns.eu-west-1.amazonaws.com", "sns-signing.eu-west-1.amazonaws.com"]
    )
    def test_the_names_of_a_region_count_too(self, host, authority, name):
        host.files[PATH] = authority.issue(name)
        obtain(ORIGIN, URL)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_no_redirect_is_followed(self, host, authority, status):
        host.files |= {PATH: status, "/other.pem": authority.issue()}
        with pytest.raises(Failed, match=str(status)):
            obtain(ORIGIN, URL)
        assert host.requested == [PATH]

    @pytest.mark.parametrize("status", [400, 403, 404, 410])
    def test_a_refusal_is_an_answer(self, host, status):
        host.files[PATH] = status
        with pytest.raises(NotServed, match=str(status)):
            obtain(ORIGIN, URL)

    @pytest.mark.parametrize("status", [204, 429, 500, 502, 503, 504])
    def test_an_error_is_no_answer(self, host, status):
        host.files[PATH] = status
        with pytest.raises(Failed, match=str(status)):
            obtain(ORIGIN, URL)

    def test_a_large_answer_is_refused(self, host, authority):
        host.files[PATH] = authority.issue() + b" " * LARGEST_CERTIFICATE_BYTES
        with pytest.raises(Failed, match="more than"):
            obtain(ORIGIN, URL)

    def test_an_answer_that_breaks_off_is_refused(self, host, authority):
        pem = authority.issue()

        def half(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", str(2 * len(pem)))
            handler.end_headers()
            handler.wfile.write(pem)

        host.files[PATH] = half
        with pytest.raises(Failed):
            obtain(ORIGIN, URL)

    def test_an_answer_that_drips_is_not_waited_for(self, host, monkeypatch):
        def drip(handler):
            handler.send_response(200)
            handler.end_headers()
            for _ in range(60):
                handler.wfile.write(b" ")
                time.sleep(0.1)

        monkeypatch.setattr(fetching, "FETCH_SECONDS", 0.5)
        host.files[PATH] = drip
        began = time.monotonic()
        with pytest.raises(Failed):
            obtain(ORIGIN, URL)
        assert time.monotonic() - began < 3

    def test_nobody_listens(self, monkeypatch):
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        with pytest.raises(Failed, match="cannot be reached"):
            obtain(ORIGIN, URL)

    def test_a_server_that_cannot_prove_its_name_gets_no_request(
        self, authority, tmp_path, monkeypatch
    ):
        with SigningHost(tmp_path, authority, name="sns.us-east-1.amazonaws.com") as host:
            for name, value in host.environment.items():
                monkeypatch.setenv(name, value)
            with pytest.raises(Failed, match="CERTIFICATE_VERIFY_FAILED"):
                obtain(ORIGIN, URL)
            assert host.requested == []


@pytest.mark.parametrize("days", [-40, 40])
def test_dates_are_judged_by_sqss_clock_where_our_clock_is_wrong(
    host, authority, monkeypatch, days
):
    # The certificate is valid for 30 days around now, and that of its host for longer.
    host.files[PATH] = authority.issue(begins=-30 * DAY, ends=30 * DAY)
    wrong = datetime.now(UTC) + days * DAY
    monkeypatch.setattr(clock, "wall", lambda: wrong)
    settings = load_settings({"SES_WORKER_QUEUE__URL": QUEUE, "AWS_REGION": "eu-west-1"}, None)
    alone = make_verifier(settings, Health()).certificates
    with pytest.raises(Wrong):
        alone.key(ORIGIN, URL)
    skew = ClockSkew()
    skew._readings = (days * DAY.total_seconds(),)
    assert make_verifier(settings, Health(), skew).certificates.key(ORIGIN, URL)


def x509_pem(der):
    written = base64.encodebytes(der)
    return b"-----BEGIN CERTIFICATE-----\n" + written + b"-----END CERTIFICATE-----\n"


def check(served, *anchors, fetch=None, now=None):
    def never(url):
        raise AssertionError(url)

    return checked(
        served,
        ORIGIN.names,
        anchors=[anchor.certificate for anchor in anchors],
        now=now or datetime.now(UTC),
        fetch=fetch or never,
    )


class TestChains:
    def test_a_chain_of_another_authority_is_refused(self, authority):
        with pytest.raises(Failed, match="chain"):
            check(Authority("Evil", 101).issue(), authority)

    def test_an_authority_of_the_same_name_is_refused(self, authority):
        with pytest.raises(Failed, match="chain"):
            check(Authority("Root", 102).issue(), authority)

    def test_a_certificate_signed_by_itself_is_refused(self, authority):
        itself = Authority("sns.amazonaws.com", 103)
        with pytest.raises(Failed):
            check(itself.pem, authority)

    def test_a_certificate_for_another_name_is_refused(self, authority):
        for name in ("evil.example", "sns.us-east-1.amazonaws.com", "s3.amazonaws.com"):
            with pytest.raises(Failed, match="not SNS's"):
                check(authority.issue(name), authority)

    @pytest.mark.parametrize(
        ("begins", "ends", "why"),
        [(-20 * DAY, -10 * DAY, "ended on"), (10 * DAY, 20 * DAY, "not valid before")],
    )
    def test_the_dates_are_checked(self, authority, begins, ends, why):
        with pytest.raises(Wrong, match=why):
            check(authority.issue(begins=begins, ends=ends), authority)

    def test_a_weak_key_is_refused(self, authority):
        with pytest.raises(Failed, match=r"2,048"):
            check(authority.issue(key=new_key(9, 1024)), authority)

    @pytest.mark.parametrize("served", [b"", b"<html>", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
    def test_what_is_no_certificate_is_refused(self, authority, served):
        with pytest.raises(Failed, match="no certificate"):
            check(served, authority)

    def test_an_authority_between_may_be_served_along(self, authority):
        between = Authority("Between", 104, authority)
        assert check(between.issue() + between.pem, authority)
        with pytest.raises(Failed, match="chain"):
            check(between.issue(), authority)

    def test_an_authority_between_is_fetched_from_where_the_certificate_says(self, authority):
        between = Authority("Between", 104, authority)
        place = "http://crt.r2m01.amazontrust.com/r2m01.cer"
        served = between.issue(issuer_at=place)
        for form in (between.der, between.pem):
            assert check(served, authority, fetch={place: form}.__getitem__)
        evil = Authority("Between", 105, Authority("Evil", 101))
        with pytest.raises(Failed, match="chain"):
            check(served, authority, fetch=lambda _: evil.der)

    def test_no_byte_of_a_certificate_can_end_the_worker(self, authority):
        # What is between comes by plain HTTP: anybody on the way may change it.
        between = Authority("Between", 104, authority)
        place = "http://crt.r2m01.amazontrust.com/r2m01.cer"
        whole = between.issue(issuer_at=place)
        leaf = x509.load_pem_x509_certificate(whole).public_bytes(Encoding.DER)
        for number in range(0, len(leaf), 3):
            for written in (leaf, between.der):
                changed = bytearray(written)
                changed[number % len(written)] ^= 0x21
                served, other = whole, bytes(changed)
                if written is leaf:
                    served = x509_pem(changed)
                    other = between.der
                with pytest.raises((Failed, Wrong)):
                    check(served, authority, fetch={place: other}.__getitem__)

    @pytest.mark.parametrize("error", [NotServed("it answers 403"), Failed("unreachable")])
    def test_an_authority_that_does_not_serve_it_says_nothing_about_the_message(
        self, authority, error
    ):
        # A proxy may let no plain HTTP through; a good message must not be called forged for that.
        def fetch(_):
            raise error

        between = Authority("Between", 104, authority)
        served = between.issue(issuer_at="http://crt.r2m01.amazontrust.com/r2m01.cer")
        with pytest.raises(Failed):
            check(served, authority, fetch=fetch)

    @pytest.mark.parametrize(
        "place",
        [
            "http://169.254.169.254/latest/meta-data/x.cer", "http://evil.example/r2m01.cer",
            "http://crt.amazontrust.com.evil.example/a.cer", "file:///etc/passwd.cer",
            "http://evil.example/crt.amazontrust.com/a.cer", "http://a@crt.amazontrust.com/a.cer",
            "http://crt.amazontrust.com:8080/a.cer", "http://crt.amazontrust.com/../a.cer",
            "http://evilamazontrust.com/a.cer",
        ],
    )  # fmt: skip
    def test_it_is_requested_from_no_other_place(self, authority, place):
        between = Authority("Between", 104, authority)
        with pytest.raises(Failed, match="chain"):
            check(between.issue(issuer_at=place), authority)


def invented(number):
    return URL.replace("0123456789abcdef", f"{number:016x}")


class World:
    """Certificates beside a fake clock, and a host that can be broken."""

    def __init__(self):
        self.time = 1_000.0
        self.wall = datetime.now(UTC)
        self.requested = []
        self.error = None
        self.seconds = 0.0
        self.health = Health()
        self.lock = threading.Lock()
        self.certificates = Certificates(
            self.obtain, self.health, now=lambda: self.time, wall=lambda: self.wall
        )

    def obtain(self, origin, url):
        with self.lock:
            self.requested.append(url)
            self.time += self.seconds
        time.sleep(0.02)
        if self.error:
            raise self.error
        return signing.public()

    def key(self, url=URL):
        return self.certificates.key(ORIGIN, url)

    @property
    def problems(self):
        return [problem.what for problem in self.health.problems]


@pytest.fixture
def world():
    return World()


class TestKeeping:
    def test_threads_that_need_a_certificate_at_once_fetch_it_once(self, world):
        threads = [threading.Thread(target=world.key) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        world.key()
        assert len(world.requested) == 1

    def test_a_failed_fetch_is_not_remembered_as_an_answer(self, world):
        world.error = Failed("unreachable")
        with pytest.raises(NoCertificate):
            world.key()
        world.error, world.time = None, world.time + 61
        assert world.key()
        assert len(world.requested) == 2

    def test_a_host_that_failed_rests_and_its_messages_do_not_wait(self, world):
        world.error = Failed("unreachable")
        for _ in range(1_000):
            with pytest.raises(NoCertificate, match=ORIGIN.host):
                world.key()
        assert len(world.requested) == 1
        for _ in range(100):
            world.time += 60
            with pytest.raises(NoCertificate):
                world.key()
        assert len(world.requested) == 101

    def test_a_certificate_is_refreshed_and_kept_while_that_fails(self, world):
        first = world.key()
        world.time += REFRESH_SECONDS
        world.error = Failed("unreachable")
        assert world.key() is first
        assert world.key() is first
        assert len(world.requested) == 2
        world.error, world.time = None, world.time + 61
        assert world.key() is not first
        assert len(world.requested) == 3

    def test_a_kept_certificate_is_no_use_after_its_end(self, world):
        world.key()
        world.wall += 2 * DAY
        world.error = Wrong("it ended")
        with pytest.raises(Wrong, match="ended"):
            world.key()

    def test_a_wrong_clock_makes_no_signature_wrong(self, world):
        first = world.key()
        world.wall += 1000 * DAY
        world.error = Failed("CERTIFICATE_VERIFY_FAILED: the host's certificate has ended, too")
        with pytest.raises(NoCertificate):
            world.key()
        world.wall -= 1000 * DAY
        world.error, world.time = None, world.time + 61
        assert world.key() is not first

    def test_names_that_sns_does_not_have_cost_a_few_fetches_a_minute(self, world):
        world.key()
        world.error = NotServed("404")
        for number in range(1_000):
            with pytest.raises((NotServed, NoCertificate)):
                world.key(URL.replace("0123456789abcdef", f"{number:016x}"))
        assert len(world.requested) == 6
        assert world.key(), "the known certificate still counts"
        world.time += 61
        world.error = None
        assert world.key(URL.replace("0123456789abcdef", "ff" * 8))

    @pytest.mark.parametrize("error", [NotServed("403"), Wrong("ended"), Failed("unreachable")])
    def test_a_known_certificate_that_is_not_served_any_more_is_requested_now_and_then(
        self, world, error
    ):
        first = world.key()
        world.time += REFRESH_SECONDS
        world.error = error
        for _ in range(100):
            assert world.key() is first
        assert len(world.requested) == 2

    def test_an_ended_certificate_is_wrong_for_each_message_and_fetched_once_a_minute(self, world):
        world.error = Wrong("it ended")
        for _ in range(100):
            with pytest.raises(Wrong, match="it ended"):
                world.key()
        assert len(world.requested) == 1
        world.error, world.time = None, world.time + AGAIN_SECONDS
        assert world.key()

    def test_hosts_that_do_not_answer_keep_the_messages_waiting_some_seconds_a_minute(self, world):
        world.error, world.seconds = Failed("timed out"), 4.0
        began = world.time
        for number in range(200):
            origin = Origin("aws", f"eu-west-{number}")
            with pytest.raises(NoCertificate):
                world.certificates.key(origin, f"https://{origin.host}{PATH}")
        assert world.time - began <= MOST_SECONDS + world.seconds
        world.error, world.seconds, world.time = None, 0.0, world.time + UNKNOWN_SECONDS
        assert world.key()

    def test_who_names_what_sns_does_not_have_keeps_no_new_certificate_of_others_away(self, world):
        """SQS says who a sender is; SNS's own messages name the certificate that is new."""
        world.error = NotServed("404")
        for number in range(1_000):
            with pytest.raises((NotServed, NoCertificate)):
                world.certificates.key(ORIGIN, invented(number), sender=f"AROAX:session-{number}")
        assert len(world.requested) == 5, "all sessions of a role are one sender"
        world.error = None
        assert world.certificates.key(ORIGIN, URL, sender="AIDAIT2UOQQY3AUEKVGXU")

    def test_so_many_senders_have_fetches_of_their_own_and_the_late_ones_share_some(self, world):
        world.error = NotServed("404")
        for number in range(1_000):
            with pytest.raises((NotServed, NoCertificate)):
                world.certificates.key(ORIGIN, invented(number), sender=f"AIDA{number % 100}")
        assert len(world.requested) == 5 * (MOST_SENDERS + 1)
        world.time += 61
        for number in range(6):
            with pytest.raises((NotServed, NoCertificate)):
                world.certificates.key(ORIGIN, invented(number), sender="AIDA99")
        assert len(world.requested) == 5 * (MOST_SENDERS + 2)

    def test_hosts_that_nobody_waits_for_keep_no_time_from_those_that_are_awaited(self, world):
        """Any sender can name regions of AWS that cannot be reached from here."""
        world.error, world.seconds = Failed("timed out"), 4.0
        for number in range(50):
            far = Origin("aws", f"ap-south-{number}")
            with pytest.raises(NotAwaited):
                world.certificates.key(far, f"https://{far.host}{PATH}", awaited=False)
        assert len(world.requested) == 3
        world.error = None
        assert world.key()

    def test_so_many_keys_are_kept_and_no_more(self, world):
        for number in range(3 * MOST_KEYS):
            world.key(URL.replace("0123456789abcdef", f"{number:016x}"))
        assert len(world.certificates._kept) == MOST_KEYS


class TestTelling:
    def test_the_problem_begins_with_a_failure_and_ends_with_a_certificate(self, world):
        world.error = Failed("unreachable")
        with pytest.raises(NoCertificate):
            world.key()
        assert world.problems == [PROBLEM]
        world.error, world.time = None, world.time + 61
        world.key()
        assert world.problems == []

    @pytest.mark.parametrize("error", [Failed("unreachable"), NotServed("404")])
    def test_the_problem_ends_when_none_was_missing_for_a_while(self, world, error):
        world.error = error
        with pytest.raises((NotServed, NoCertificate)):
            world.key()
        world.certificates.look()
        assert world.problems == [PROBLEM]
        world.time += QUIET_SECONDS + 1
        world.certificates.look()
        assert world.problems == []

    def test_a_probe_asks_at_once_and_an_answer_ends_the_outage(self, world):
        world.certificates.probe()
        assert world.requested == []
        world.error = Failed("unreachable")
        with pytest.raises(NoCertificate):
            world.key()
        with pytest.raises(NoCertificate):
            world.certificates.probe()
        world.error = NotServed("404")
        world.certificates.probe()
        assert len(world.requested) == 3

    def test_a_probe_asks_for_what_is_awaited_and_for_nothing_else(self, world):
        world.error = Failed("unreachable")
        far = Origin("aws", "us-west-2")
        with pytest.raises(NoCertificate):
            world.key()
        with pytest.raises(NotAwaited):
            world.certificates.key(far, f"https://{far.host}{PATH}", awaited=False)
        with pytest.raises(NoCertificate):
            world.certificates.probe()
        assert world.requested[-1] == URL
        world.error = None
        world.certificates.probe()
        world.certificates.probe()
        assert world.requested[2:] == [URL, URL]
