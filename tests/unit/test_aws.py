"""The region: what the queue's URL says, and which setting takes precedence."""

import json

import pytest
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import ClientError
from botocore.parsers import create_parser
from structlog.testing import capture_logs

from worker.app import queue_url
from worker.aws import AwsRefused, NoIdentity, region_for, region_in, translated
from worker.core.errors import Misconfigured, Unavailable
from worker.settings import Settings
from worker.sqs.queue import Queue


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("sqs.eu-west-1.amazonaws.com", "eu-west-1"),
        ("sqs.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("sqs.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
        ("sqs-fips.us-east-2.amazonaws.com", "us-east-2"),
        ("sqs.us-east-1.api.aws", "us-east-1"),
        ("sqs-fips.us-east-1.api.aws", "us-east-1"),
        ("vpce-0a1b-2c3d.sqs.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
        ("vpce-0a1b-2c3d-eu-west-1a.sqs.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
        ("us-west-2.queue.amazonaws.com", "us-west-2"),
        ("cn-north-1.queue.amazonaws.com.cn", "cn-north-1"),
        ("queue.amazonaws.com", "us-east-1"),
        ("sqs.amazonaws.com", "us-east-1"),
        ("SQS.EU-West-1.amazonaws.com", "eu-west-1"),
        ("sqs.us-east-1.localhost.localstack.cloud:4566", "us-east-1"),
        ("localhost:4566", None),
        ("127.0.0.1:9324", None),
        ("sqs.example.com", None),
        ("vpce-0a1b.amazonaws.com", None),
    ],
)
def test_a_queues_url_names_its_region(host, region):
    assert region_in(f"https://{host}/111122223333/feedback") == region


URL = "https://sqs.eu-west-1.amazonaws.com/111122223333/feedback"
BOTH = {"AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "eu-west-3"}


def test_the_setting_goes_before_awss_variables_and_they_before_the_url():
    assert region_for("eu-north-1", URL, BOTH) == "eu-north-1"
    assert region_for(None, URL, BOTH) == "eu-west-2"
    assert region_for(None, URL, {"AWS_DEFAULT_REGION": "eu-west-3"}) == "eu-west-3"
    assert region_for(None, URL, {}) == "eu-west-1"
    with pytest.raises(Misconfigured, match="no AWS region"):
        region_for(None, "http://localhost:4566/0/q", {})


@pytest.mark.parametrize(
    ("setting", "variable", "named"),
    [
        (None, "eu-west-2", ["AWS_REGION"]),
        (None, "eu-west-1", []),
        ("eu-west-2", "eu-west-1", ["aws.region"]),
        ("eu-west-1", "eu-west-2", []),
    ],
)
def test_what_contradicts_the_urls_region_is_warned_about_by_its_name(
    monkeypatch, setting, variable, named
):
    monkeypatch.setenv("AWS_REGION", variable)
    settings = Settings.model_validate({"queue": {"url": URL}, "aws": {"region": setting}})
    with capture_logs() as lines:
        queue_url(settings)
    assert {line["event"] for line in lines} <= {"region.mismatched"}
    assert [line["hint"].split()[0] for line in lines] == named


def test_a_queue_whose_redrive_policy_names_itself_has_no_dead_letter_queue(monkeypatch):
    """A dead letter sent there would come back, and be sent there, for ever."""
    queue = Queue(URL, region="eu-west-1")
    target = {"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:111122223333:feedback"}
    monkeypatch.setattr(queue, "_attributes", lambda _: {"RedrivePolicy": json.dumps(target)})
    assert queue.find_dead_letter_queue() is None


def test_new_credentials_that_are_over_already_are_an_outage_and_not_the_end():
    """A clock that is ahead, or an instance's metadata that is late; botocore's RuntimeError."""
    over = {
        "access_key": "a",
        "secret_key": "s",
        "token": "t",
        "expiry_time": "2020-01-01T00:00:00Z",
    }
    keys = RefreshableCredentials.create_from_metadata(over, lambda: over, "test")
    with pytest.raises(NoIdentity, match="still expired"), translated():
        keys.get_frozen_credentials()


HTML = (
    """<!DOCTYPE html>
<html><head><title>502 Bad Gateway</title><style>p { color: red }</style></head>
<body bgcolor="white"><script>if (1 < 2) { go() }</script>
<h1>502 Bad Gateway</h1><!-- a <b>padding</b> --><p>nginx &amp; more"""
    + "<br>padding" * 500
)


@pytest.mark.parametrize(("status", "error"), [(502, Unavailable), (403, AwsRefused)])
def test_of_an_html_answer_the_title_is_reported_in_a_line(status, error):
    output = {"Code": str(status), "Message": HTML}
    answer = {"Error": output, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(error) as caught, translated():
        raise ClientError(answer, "GetSuppressedDestination")
    reported = str(caught.value)
    assert reported == f"AWS: {status}: an HTML page: 502 Bad Gateway"


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<html><body><h1>Zscaler</h1>" + "<p>padding" * 500, "an HTML page: Zscaler"),
        ("<html><title> \n</title><p>Please sign in", "an HTML page: Please sign in"),
        ("<HTML>" + "word " * 500, "an HTML page: " + ("word " * 16)[:80] + "…"),
        ("<html></html>", "an HTML page"),
        ("<!doctype html>" + "<title" * 4_000, "an HTML page: " + ("<title" * 14)[:80] + "…"),
    ],
)
def test_html_is_shown_by_its_title_or_its_first_words(html, shown):
    answer = {"Error": {"Code": "503", "Message": html}}
    answer["ResponseMetadata"] = {"HTTPStatusCode": 503}
    with pytest.raises(Unavailable) as caught, translated():
        raise ClientError(answer, "GetQueueAttributes")
    assert str(caught.value) == f"AWS: 503: {shown}"


@pytest.mark.parametrize("text", [None, {}, {"why": 1}, 7])
def test_an_error_whose_message_is_no_text_is_refused_all_the_same(text):
    error = ClientError({"Error": {"Code": "403", "Message": text}}, "GetQueueAttributes")
    with pytest.raises(AwsRefused, match="AWS: 403"), translated():
        raise error


@pytest.mark.parametrize("body", [b"null", b"[]", b'"no"', b"1"])
def test_json_that_is_no_object_is_an_outage_and_not_the_end(body):
    raw = {"status_code": 400, "headers": {}, "body": body}
    with pytest.raises(Unavailable, match="not AWS"), translated():
        create_parser("json").parse(raw, None)


@pytest.mark.parametrize("rest", ["<!--", "<!-- <b>", "<script>a<", "<style"])
def test_unclosed_html_is_not_quoted(rest):
    output = {"Code": "400", "Message": f"<p>No</p>{rest * 5_000}"}
    with pytest.raises(AwsRefused, match=r"^AWS: 400: No$"), translated():
        raise ClientError({"Error": output}, "SendMessage")


def test_a_lone_angle_is_no_tag():
    output = {"Code": "ValidationError", "Message": "1 < 2 is\n  no <name> and a<5 fails"}
    with pytest.raises(AwsRefused, match="1 < 2 is no and a<5 fails"), translated():
        raise ClientError({"Error": output}, "SendMessage")


def test_an_answer_that_boto3_cannot_parse_is_an_outage_and_is_not_repeated_whole():
    from botocore.parsers import ResponseParserError

    with pytest.raises(Unavailable, match="the answer is not AWS's") as raised, translated():
        raise ResponseParserError("Unable to parse response: " + "x" * 1_000)
    assert len(str(raised.value)) < 200
