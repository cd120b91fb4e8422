"""AWS's errors sorted by what to do next, and a client that waits for long polls and never
retries."""

import logging

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from botocore.loaders import JSONFileLoader

from worker import __version__
from worker.aws import (
    AwsRefused,
    NoIdentity,
    Throttled,
    is_region_of,
    make_client,
    region_for,
    translated,
)
from worker.core.errors import Misconfigured, Unavailable

REGION = "eu-west-1"


def answered(code, status):
    """What boto3 raises for such an answer."""
    output = {"Error": {"Code": code, "Message": "AWS's message"}}
    return ClientError(output | {"ResponseMetadata": {"HTTPStatusCode": status}}, "ReceiveMessage")


@pytest.mark.parametrize(
    "code",
    [
        "AWS.SimpleQueueService.OverLimit",
        "InternalError",
        "InternalFailure",
        "KMS.ThrottlingException",
        "KmsThrottled",
        "OverLimit",
        "RequestThrottled",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    ],
)
def test_what_is_about_this_moment_passes_although_it_is_answered_with_400(code):
    with pytest.raises(Throttled, match=f"AWS: {code}: AWS's message"), translated():
        raise answered(code, 400)


@pytest.mark.parametrize("status", [408, 429])
def test_so_is_what_says_it_by_its_status_alone(status):
    with pytest.raises(Throttled), translated():
        raise answered(str(status), status)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_whatever_is_answered_with_500_and_more_passes(status):
    with pytest.raises(Unavailable), translated():
        raise answered("Anything", status)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDenied", 403),
        ("AWS.SimpleQueueService.NonExistentQueue", 400),
        ("InvalidClientTokenId", 403),
        ("InvalidMessageContents", 400),
    ],
)
def test_what_is_about_the_request_is_refused_with_its_code(code, status):
    with pytest.raises(AwsRefused, match=f"AWS: {code}: AWS's message") as caught, translated():
        raise answered(code, status)
    refused = caught.value
    assert (refused.code, refused.text) == (code, "AWS's message")
    assert (refused.status, refused.operation) == (status, "ReceiveMessage")


def test_without_credentials_aws_is_not_called_and_the_error_names_where_they_come_from():
    output = "Unable to locate credentials: .*ses-worker.aws_credentials in /etc/credstore$"
    with pytest.raises(AwsRefused, match=output) as caught, translated():
        raise NoCredentialsError
    assert caught.value.code == "NoCredentials"


def test_half_of_a_pair_of_keys_is_none():
    with pytest.raises(AwsRefused, match="aws_secret_access_key") as caught, translated():
        raise PartialCredentialsError(provider="env", cred_var="aws_secret_access_key")
    assert (caught.value.code, caught.value.status) == ("NoCredentials", 0)


@pytest.mark.parametrize(
    "error",
    [
        CredentialRetrievalError(provider="iam-role", error_msg="unreachable"),
        FileNotFoundError("unreachable"),
        PermissionError("unreachable"),
        ValueError("unreachable"),
        KeyError("unreachable"),
        RuntimeError("unreachable"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_temporarily_missing_credential_source_is_retried(error):
    with pytest.raises(NoIdentity, match="unreachable"), translated():
        raise error


def test_a_region_is_a_single_word():
    for output in ("eu west", "eu-west-1\n", "eu-west-1/..", "x" * 64):
        with pytest.raises(Misconfigured, match=r"is no AWS region: fix aws\.region"):
            region_for(output, "https://sqs.example/1/q", {})


def test_a_service_is_looked_for_in_every_partition():
    assert is_region_of("sesv2", "eu-west-1")
    assert is_region_of("sesv2", "us-gov-west-1")
    assert not is_region_of("sesv2", "eu-nowhere-1")


@pytest.mark.parametrize("error", [EndpointConnectionError, ConnectTimeoutError, ReadTimeoutError])
def test_no_answer_at_all_passes(error):
    with pytest.raises(Unavailable), translated():
        raise error(endpoint_url="https://sqs.example")


class TestClient:
    @pytest.fixture(autouse=True)
    def nobodys_environment(self, monkeypatch):
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE"):
            monkeypatch.delenv(name, raising=False)

    def test_a_call_is_made_once_and_a_long_poll_is_waited_for_to_its_end(self):
        config = make_client("sqs", REGION, wait_seconds=20).meta.config
        assert config.retries["total_max_attempts"] == 1
        assert config.read_timeout > 20
        assert config.connect_timeout <= 10

    def test_there_are_as_many_connections_as_pollers_need(self):
        config = make_client("sqs", REGION, connections=33).meta.config
        assert config.max_pool_connections == 33

    def test_who_is_to_be_quick_waits_no_longer_than_that(self):
        assert make_client("sesv2", REGION, read_seconds=3).meta.config.read_timeout == 3
        assert make_client("sqs", REGION, wait_seconds=20).meta.config.read_timeout == 30

    def test_aws_gets_our_user_agent_and_the_kernel_probes_the_connection(self):
        config = make_client("sqs", REGION).meta.config
        assert config.user_agent.startswith(f"ses-feedback-worker/{__version__}")
        assert config.tcp_keepalive

    def test_clients_share_what_botocore_knows_of_aws_which_is_read_once(self, monkeypatch):
        make_client("sesv2", REGION)
        monkeypatch.setattr(JSONFileLoader, "_load_file", lambda *_: pytest.fail("read again"))
        assert make_client("sesv2", "eu-central-1").meta.region_name == "eu-central-1"

    def test_a_profile_that_is_not_there_is_an_outage_of_whatever_writes_it(self, monkeypatch):
        monkeypatch.setenv("AWS_PROFILE", "nobodys")
        with pytest.raises(NoIdentity, match="nobodys"):
            make_client("sqs", REGION)

    def test_botocore_logs_no_trace_of_credentials_that_cannot_be_refreshed(self):
        log = logging.getLogger("botocore.credentials")
        log.setLevel(logging.NOTSET)
        make_client("sqs", REGION)
        assert not log.isEnabledFor(logging.WARNING)
