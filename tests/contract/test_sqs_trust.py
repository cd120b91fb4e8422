"""Whom our client of SQS trusts, and boto3 beside it: only who can prove the name it was called
by."""

import os
import shutil
import socket
import ssl
import warnings
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import trustme
from botocore.httpsession import create_urllib3_context
from support.scripted import Scripted, answer

from worker.aws import clients as aws
from worker.core.errors import Unavailable
from worker.sqs.client.tls import make_context
from worker.sqs.queue import ClientOptions, Queue


@pytest.fixture(autouse=True)
def isolated(nobodys_environment):
    """Before what a class or a test sets."""


URL = "https://sqs.eu-west-1.amazonaws.com/111122223333/feedback"
HELLO = {"Messages": [{"MessageId": "m", "ReceiptHandle": "h", "Body": "hello"}]}


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority, tmp_path_factory):
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return str(file)


@pytest.fixture(params=["lean", "boto3"])
def asking(monkeypatch, request):
    def asking(server, host="localhost"):
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", f"https://{host}:{server.port}")
        queue = Queue(URL, region="eu-west-1", client=ClientOptions(lean=request.param == "lean"))
        clients = queue._connected()
        assert bool(clients.lean) == (request.param == "lean"), clients.why_not
        return queue

    return asking


def serving(certificate, *, tune=lambda context: None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    tune(context)
    return Scripted(answer(HELLO), answer(HELLO), answer(HELLO), context=context)


def received(queue):
    return [message.body for message in queue.receive(10, 1)]


def assert_it_is_not_trusted(server, queue):
    with pytest.raises(Unavailable, match="SSL"):
        queue.receive(10, 1)
    assert server.requests == [], "it was sent no request"


@pytest.fixture
def trusting(monkeypatch, bundle):
    monkeypatch.setenv("AWS_CA_BUNDLE", bundle)


class TestTrust:
    @pytest.fixture(autouse=True)
    def known_authority(self, trusting):
        pass

    def test_a_trusted_server_is_called_over_a_single_kept_connection(self, asking, authority):
        names = []
        certificate = authority.issue_cert("localhost")

        def tune(context):
            context.sni_callback = lambda _, name, __: names.append(name)

        with serving(certificate, tune=tune) as server:
            queue = asking(server)
            assert [received(queue) for _ in range(3)] == [["hello"]] * 3
            assert (server.connections, names) == (1, ["localhost"])

    def test_a_connection_dropped_while_idle_is_replaced_unnoticed(self, asking, authority):
        with serving(authority.issue_cert("localhost")) as server:
            queue = asking(server)
            assert received(queue) == ["hello"]
            server.drop()
            assert received(queue) == ["hello"]
            assert server.connections == 2

    def test_an_address_can_be_proved_too(self, asking, authority):
        with serving(authority.issue_cert("127.0.0.1")) as server:
            assert received(asking(server, host="127.0.0.1")) == ["hello"]

    def test_a_dot_behind_a_name_is_no_part_of_it(self, asking, authority, monkeypatch):
        look_up = socket.getaddrinfo  # not every machine's knows "localhost."
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda name, *more, **named: look_up(name.rstrip("."), *more, **named),
        )
        with serving(authority.issue_cert("localhost")) as server:
            assert received(asking(server, host="localhost.")) == ["hello"]

    @pytest.mark.parametrize(
        "name", ["sqs.example.com", "localhost.example.com", "*.localhost", "127.0.0.1"]
    )
    def test_another_name_is_not_trusted(self, asking, authority, name):
        with serving(authority.issue_cert(name)) as server:
            assert_it_is_not_trusted(server, asking(server))

    def test_a_common_name_counts_where_there_is_no_other(self, asking, authority):
        """Old certificates are like that."""
        old = authority.issue_cert("x@example.com", common_name="localhost")
        with serving(old) as server:
            assert received(asking(server)) == ["hello"]
        new = authority.issue_cert("sqs.example.com", common_name="localhost")
        with serving(new) as server:
            assert_it_is_not_trusted(server, asking(server))

    def test_a_name_proves_no_address(self, asking, authority):
        with serving(authority.issue_cert("localhost")) as server:
            assert_it_is_not_trusted(server, asking(server, host="127.0.0.1"))

    def test_an_authority_that_nobody_knows_is_not_trusted(self, asking):
        with serving(trustme.CA().issue_cert("localhost")) as server:
            assert_it_is_not_trusted(server, asking(server))

    def test_a_certificate_whose_time_is_over_is_not_trusted(self, asking, authority):
        then = datetime.now(UTC) - timedelta(days=1)
        old = authority.issue_cert("localhost", not_before=then - timedelta(1), not_after=then)
        with serving(old) as server:
            assert_it_is_not_trusted(server, asking(server))

    def test_nor_is_an_effect_that_is_not_due(self, asking, authority):
        then = datetime.now(UTC) + timedelta(days=1)
        early = authority.issue_cert("localhost", not_before=then, not_after=then + timedelta(1))
        with serving(early) as server:
            assert_it_is_not_trusted(server, asking(server))

    def test_who_speaks_only_what_is_broken_is_not_trusted(self, asking, authority):
        def tune(context):
            context.set_ciphers("ALL:@SECLEVEL=0")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = ssl.TLSVersion.TLSv1
                context.maximum_version = ssl.TLSVersion.TLSv1_1

        with serving(authority.issue_cert("localhost"), tune=tune) as server:
            assert_it_is_not_trusted(server, asking(server))

    def test_who_does_not_encrypt_is_not_trusted(self, asking):
        with Scripted(answer(HELLO)) as server:
            with pytest.raises(Unavailable):
                asking(server).receive(10, 1)
            assert server.requests == []


def test_a_handshake_that_stalls_is_given_up(asking, monkeypatch):
    monkeypatch.setattr(aws, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = SimpleNamespace(port=silent.getsockname()[1])
        with pytest.raises(Unavailable, match="timeout"):
            asking(there, host="127.0.0.1").receive(10, 1)


def test_without_a_bundle_the_worlds_authorities_are_trusted_and_no_other(asking, authority):
    with serving(authority.issue_cert("localhost")) as server:
        assert_it_is_not_trusted(server, asking(server))


def test_with_a_bundle_nobody_else_is_trusted(asking, authority, bundle, monkeypatch, tmp_path):
    """Not whom the machine's OpenSSL trusts, either."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "other.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    with serving(authority.issue_cert("localhost")) as server:
        assert_it_is_not_trusted(server, asking(server))


def test_what_botocore_switches_off_is_off(bundle):
    """Compression, which reveals secrets by their length; tickets, which reveal who comes again."""
    off = ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    assert create_urllib3_context().options & off == off
    assert make_context(bundle).options & off == off


@pytest.mark.parametrize(
    ("policy", "least"),
    [
        (ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_2),
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
        (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
    ],
    ids=str,
)
def test_a_machine_that_wants_newer_encryption_gets_it(
    authority, monkeypatch, tmp_path, policy, least
):
    """As with Debian's Python and its openssl.cnf."""

    def context(protocol):
        context = ssl.SSLContext(protocol)
        context.minimum_version = policy
        return context

    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    theirs = SimpleNamespace(**vars(ssl) | {"SSLContext": context})
    monkeypatch.setattr("worker.sqs.client.tls.ssl", theirs)
    assert make_context(str(tmp_path / "ca.pem")).minimum_version is least


def test_a_bundle_that_changes_is_taken_up_without_a_restart(
    asking, authority, bundle, monkeypatch, tmp_path
):
    file = tmp_path / "changing.pem"
    trustme.CA().cert_pem.write_to_path(file)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(file))
    with serving(authority.issue_cert("localhost")) as server:
        queue = asking(server)
        assert_it_is_not_trusted(server, queue)
        file.unlink()
        assert_it_is_not_trusted(server, queue)
        shutil.copy(bundle, file)
        assert received(queue) == ["hello"]


def test_so_is_a_file_replaced_by_another_of_the_same_age_and_size(tmp_path):
    """As the files of a reproducible image have."""
    old, new = tmp_path / "ca.pem", tmp_path / "new.pem"
    for file in (old, new):
        file.write_bytes(trustme.CA().cert_pem.bytes().ljust(10_000, b"\n"))
        os.utime(file, ns=(0, 0))
    before = make_context(str(old)).get_ca_certs()
    assert make_context(str(old)).get_ca_certs() == before
    new.replace(old)
    assert make_context(str(old)).get_ca_certs() != before


class TestWhereTheBundleIs:
    """As boto3 looks for it; the first that is there counts."""

    @pytest.fixture
    def profile(self, tmp_path):
        return lambda bundle: (tmp_path / "config").write_text(f"[default]\nca_bundle = {bundle}\n")

    def test_in_the_profile(self, asking, authority, bundle, profile):
        profile(bundle)
        with serving(authority.issue_cert("localhost")) as server:
            assert received(asking(server)) == ["hello"]

    def test_in_the_variable_of_requests(self, asking, authority, bundle, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
        with serving(authority.issue_cert("localhost")) as server:
            assert received(asking(server)) == ["hello"]

    @pytest.fixture
    def another(self, tmp_path):
        trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
        return str(tmp_path / "other.pem")

    def test_awss_variable_goes_before_the_profile(
        self, asking, authority, bundle, profile, another, monkeypatch
    ):
        profile(another)
        monkeypatch.setenv("AWS_CA_BUNDLE", bundle)
        with serving(authority.issue_cert("localhost")) as server:
            assert received(asking(server)) == ["hello"]

    def test_the_profile_goes_before_the_variable_of_requests(
        self, asking, authority, bundle, profile, another, monkeypatch
    ):
        profile(another)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
        with serving(authority.issue_cert("localhost")) as server:
            assert_it_is_not_trusted(server, asking(server))
