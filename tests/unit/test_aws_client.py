"""AWS's errors sorted by what to do next, and a client that waits for long polls and never retries."""

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from worker.aws import AwsRefused, make_client, translated
from worker.errors import Unavailable

REGION = "eu-west-1"


def answered(code, status):
    """What boto3 raises for such an answer."""
    said = {"Error": {"Code": code, "Message": "said AWS"}}
    return ClientError(said | {"ResponseMetadata": {"HTTPStatusCode": status}}, "ReceiveMessage")


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
    with pytest.raises(Unavailable, match=f"AWS: {code}: said AWS"), translated():
        raise answered(code, 400)


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
    with pytest.raises(AwsRefused, match=f"AWS: {code}: said AWS") as caught, translated():
        raise answered(code, status)
    assert caught.value.code == code


def test_without_credentials_aws_need_not_be_asked_and_it_is_said_where_they_come_from():
    said = "Unable to locate credentials: .*ses-worker.aws_credentials in /etc/credstore$"
    with pytest.raises(AwsRefused, match=said) as caught, translated():
        raise NoCredentialsError
    assert caught.value.code == "NoCredentials"


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
