"""Our signatures are botocore's, byte for byte."""

import time
from datetime import UTC, datetime

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from worker.sqs.client.signing import CONTENT_TYPE, Signer, timestamp

VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)
ACCESS_KEYS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=16, max_size=20)
HOSTS = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,40}(:[1-9][0-9]{3})?", fullmatch=True)
PATHS = st.from_regex(r"(/[A-Za-z0-9_-]{1,12}){0,3}/", fullmatch=True)
MOMENTS = st.datetimes(datetime(2015, 8, 30), datetime(2099, 12, 31))  # noqa: DTZ001 UTC by its strategy


def theirs(monkeypatch, keys, host, path, region, target, body, moment):
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moment)
    request = AWSRequest("POST", f"http://{host}{path}", data=body)
    request.headers["Content-Type"] = CONTENT_TYPE
    request.headers["X-Amz-Target"] = target
    request.headers["x-amzn-query-mode"] = "true"
    request.headers["User-Agent"] = "not signed"
    SigV4Auth(keys, "sqs", region).add_auth(request)
    return request.headers["Authorization"]


@given(
    access_key=ACCESS_KEYS,
    secret=st.text(min_size=1, max_size=60).filter(lambda text: text.isprintable()),
    token=st.none() | VISIBLE,
    host=HOSTS,
    path=PATHS,
    region=st.sampled_from(["eu-west-1", "us-gov-west-1", "cn-north-1"]),
    target=st.sampled_from(["AmazonSQS.ReceiveMessage", "AmazonSQS.DeleteMessageBatch"]),
    body=st.binary(min_size=1),
    moments=st.lists(MOMENTS, min_size=1, max_size=3),
)
def test_a_signature_is_botocores(
    access_key, secret, token, host, path, region, target, body, moments
):
    keys = ReadOnlyCredentials(access_key, secret, token)
    signer = Signer(host, path, region)
    with pytest.MonkeyPatch.context() as monkeypatch:
        for moment in moments:
            at = timestamp(moment.replace(tzinfo=UTC).timestamp())
            expected = theirs(monkeypatch, keys, host, path, region, target, body, moment)
            assert signer.authorization(keys, target, body, at) == expected


def test_a_moment_is_written_in_utc_wherever_the_machine_stands(monkeypatch):
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "JST-9")
        time.tzset()
        there = timestamp(0)
    time.tzset()
    assert there == "19700101T000000Z"


def test_keys_that_are_rotated_within_a_day_sign_at_once():
    signer, at = Signer("sqs.example", "/", "eu-west-1"), "20261122T000000Z"
    old, new = (ReadOnlyCredentials("AKIA", secret, None) for secret in ("old", "new"))
    first = signer.authorization(old, "t", b"", at)
    assert signer.authorization(new, "t", b"", at) != first
    assert signer.authorization(old, "t", b"", at) == first


def test_the_head_has_what_is_signed_and_where_its_body_ends():
    keys = ReadOnlyCredentials("AKIA", "secret", "token+/=")
    signer = Signer("sqs.example:8443", "/", "eu-west-1")
    head = signer.head(keys, "AmazonSQS.X", b"{}", at="20261122T000000Z", user_agent="ours/1")
    assert head.decode().split("\r\n") == [
        "POST / HTTP/1.1",
        "Host: sqs.example:8443",
        "Accept-Encoding: identity",
        "Content-Type: application/x-amz-json-1.0",
        "Content-Length: 2",
        "User-Agent: ours/1",
        "X-Amz-Date: 20261122T000000Z",
        "X-Amz-Security-Token: token+/=",
        "X-Amz-Target: AmazonSQS.X",
        "x-amzn-query-mode: true",
        f"Authorization: {signer.authorization(keys, 'AmazonSQS.X', b'{}', '20261122T000000Z')}",
        "",
        "",
    ]


@pytest.mark.parametrize("bad", ["line\r\nX-Evil: 1", "spa ce", "nul\0", "é"])
def test_keys_that_would_break_a_header_are_never_sent(bad):
    signer = Signer("sqs.example", "/", "eu-west-1")
    for keys in (ReadOnlyCredentials(bad, "s", None), ReadOnlyCredentials("AKIA", "s", bad)):
        with pytest.raises(ValueError, match="header"):
            signer.authorization(keys, "t", b"", "20261122T000000Z")
