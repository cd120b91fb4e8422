"""Our client of SQS goes where boto3 would go, signs as it does, and leaves to it what it cannot
do."""

import botocore.session
import pytest
from structlog.testing import capture_logs
from support.scripted import Scripted, answer

from worker.sqs.client import connect
from worker.sqs.client.replacement import Replacement
from worker.sqs.client.request_probe import UseBoto3, _bundle
from worker.sqs.client.skew import ClockSkew
from worker.sqs.queue import Queue


@pytest.fixture(autouse=True)
def isolated(nobodys_environment):
    """Before what a class or a test sets."""


URL = "https://sqs.eu-west-1.amazonaws.com/111122223333/feedback"


def connected(region="eu-west-1", url=URL):
    return connect(
        url, region, lean=True, wait_seconds=20, connections=3, clock_skew=ClockSkew(),
        replacement=Replacement("feedback"),
    )  # fmt: skip


def part(region="eu-west-1", url=URL):
    clients = connected(region, url)
    assert clients.lean, clients.why_not
    return clients.lean._part


AWS = "sqs.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("region", "environment", "authority"),
    [
        ("eu-west-1", {}, AWS),
        ("cn-north-1", {}, "sqs.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", {}, "sqs.us-gov-west-1.amazonaws.com"),
        ("us-iso-east-1", {}, "sqs.us-iso-east-1.c2s.ic.gov"),
        ("us-east-2", {"AWS_USE_FIPS_ENDPOINT": "true"}, "sqs-fips.us-east-2.amazonaws.com"),
        ("us-east-2", {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "sqs.us-east-2.api.aws"),
        (
            "us-east-2",
            {"AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_USE_FIPS_ENDPOINT": "true"},
            "sqs-fips.us-east-2.api.aws",
        ),
        ("eu-west-1", {"AWS_ENDPOINT_URL": "https://all.example"}, "all.example"),
        ("eu-west-1", {"AWS_ENDPOINT_URL_SQS": "https://sqs.example:8443"}, "sqs.example:8443"),
        (
            "eu-west-1",
            {"AWS_ENDPOINT_URL": "https://all.example", "AWS_ENDPOINT_URL_SQS": "http://one.example"},
            "one.example",
        ),
        ("eu-west-1", {"AWS_ENDPOINT_URL_SQS": "https://sqs.example:443/"}, "sqs.example"),
        ("eu-west-1", {"AWS_ENDPOINT_URL_SQS": "http://[::1]:9324"}, "[::1]:9324"),
        (
            "eu-west-1",
            {"AWS_ENDPOINT_URL": "https://all.example", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            AWS,
        ),
        ("eu-west-1", {"AWS_REGION": "us-east-2", "AWS_DEFAULT_REGION": "us-east-1"}, AWS),
    ],
)  # fmt: skip
def test_the_endpoint_is_where_boto3_would_go(monkeypatch, region, environment, authority):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = part(region)
    assert found.endpoint.authority == authority
    assert (
        found.endpoint.secure == (found.bundle is not None) == ("http://" not in str(environment))
    )
    assert found.signer._region == region


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("https://sqs.example", 443),
        ("http://sqs.example", 80),
        ("https://sqs.example:80", 80),
        ("http://sqs.example:443", 443),
    ],
)
def test_the_port_is_the_default_port_unless_another_is_named(monkeypatch, endpoint, port):
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", endpoint)
    assert part().endpoint.port == port


def test_a_profile_may_name_it_too(monkeypatch, tmp_path):
    (tmp_path / "config").write_text(
        "[profile there]\nservices = ours\n[services ours]\nsqs =\n  endpoint_url = https://p.example\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "there")
    assert part().endpoint.authority == "p.example"


@pytest.mark.parametrize("url", [URL, "https://sqs.us-west-2.amazonaws.com/1/q", "http://a:1/b/c"])
def test_the_queues_url_is_data_and_no_address(url):
    """As it is for boto3: only the region, and endpoints that are set, for example where to."""
    assert part(url=url).endpoint.authority == AWS


def test_time_outs_and_connections_are_those_of_boto3s_client_but_for_the_long_poll():
    found = part()
    assert (found.connect_seconds, found.read_seconds, found.connections) == (5, 10, 3)


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, "proxy"),
        ({"https_proxy": "proxy.example:3128"}, "proxy"),
        ({"AWS_CA_BUNDLE": "/no/such/bundle.pem"}, "certificates cannot be read"),
        ({"AWS_CA_BUNDLE": "/dev/null"}, "certificates cannot be read"),
        ({"AWS_ENDPOINT_URL_SQS": "https://sqs.example/a//b/../c"}, "signs otherwise"),
        (
            {"AWS_ENDPOINT_URL_SQS": "https://user:secret@sqs.example"},
            "URL of the endpoint cannot be used",
        ),
        ({"AWS_ENDPOINT_URL_SQS": "ftp://sqs.example"}, "URL of the endpoint cannot be used"),
        ({"AWS_ENDPOINT_URL_SQS": "https://sqs.example/?x=1"}, "has a query"),
        ({"AWS_SESSION_TOKEN": "token "}, "hold characters that no header can hold"),
    ],
    ids=str,
)
def test_what_boto3_would_do_otherwise_is_left_to_it(monkeypatch, environment, why):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    clients = connected()
    assert clients.lean is None
    assert why in clients.why_not


def test_certificates_are_verified_or_it_is_not_ours(monkeypatch):
    """Older botocores take an empty name of a bundle for a wish not to verify."""
    monkeypatch.setattr("botocore.session.Session.get_config_variable", lambda *_: "")
    with pytest.raises(UseBoto3, match="not to be verified"):
        _bundle(botocore.session.Session())


@pytest.mark.parametrize(
    "environment",
    [
        {"HTTP_PROXY": "http://proxy.example:3128"},
        {"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": ".amazonaws.com"},
        {"ALL_PROXY": "http://proxy.example:3128"},
        {"AWS_ENDPOINT_URL_SQS": "https://sqs.example/behind/a/path"},
    ],
    ids=str,
)
def test_what_it_would_not_do_otherwise_is_ours(monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert connected().lean


def test_a_botocore_that_sends_more_or_signs_in_another_way_is_left_alone(monkeypatch):
    import worker.sqs.client.request_probe as request_probe

    unsent = request_probe._unsent

    def changed(**headers):
        def changing(*arguments):
            request = unsent(*arguments)
            for name, value in headers.items():
                request.headers[name.replace("_", "-")] = value
                if value is None:
                    del request.headers[name.replace("_", "-")]
            return request

        monkeypatch.setattr(request_probe, "_unsent", changing)
        return connected().why_not

    assert "a header more: x-amz-new" in changed(x_amz_new="1")
    assert "a header more: x-\\x1b" in changed(**{"x-\x1b": "1"})
    assert "another content-type" in changed(content_type="application/cbor")
    assert "another x-amzn-query-mode" in changed(x_amzn_query_mode=None)
    assert "signs in another way" in changed(authorization="Bearer x")
    assert "signs in another way" in changed(authorization="AWS4-ECDSA-P256-SHA256 Credential=a/b")
    assert changed() == ""


def test_a_botocore_that_sends_in_a_way_that_we_do_not_know_is_left_alone(monkeypatch):
    monkeypatch.setattr("worker.sqs.client.request_probe._EVENT", "before-send.sqs.NoSuchCall")
    with Scripted() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.endpoint)
        assert "an unknown way" in connected().why_not


def test_a_bundles_strange_name_is_shown_harmlessly(monkeypatch):
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such\n\x1b[31m/jane@example.com")
    why_not = connected().why_not
    assert why_not.isprintable()
    assert "jane" not in why_not


def test_a_single_line_logs_why_and_the_calls_go_through_the_proxy(monkeypatch):
    with Scripted(answer(), answer()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://sqs.example")
        queue = Queue(URL, region="eu-west-1")
        with capture_logs() as lines:
            assert queue.receive(10, 1) == []
            queue._forget(queue._clients)
            assert queue.receive(10, 1) == []
        assert len(proxy.requests) == 2
    reported = {"queue": "feedback", "reason": "there is a proxy", "log_level": "info"}
    assert lines == [{"event": "queue.boto3_used"} | reported]


def test_boto3_can_be_chosen(monkeypatch):
    clients = connect(
        URL, "eu-west-1", lean=False, wait_seconds=20, connections=3, clock_skew=ClockSkew(),
        replacement=Replacement("feedback"),
    )  # fmt: skip
    assert (clients.lean, clients.why_not) == (None, "")
