"""Posting over real HTTP: each of Slack's answers means what to do next, and no secret gets out."""

import json
import logging
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.error import URLError
from urllib.request import OpenerDirector

import pytest
from msgspec.structs import replace
from support import mail, notices
from support.notices import bounced, effect, recipient, summarised

from simulators import slack as simulator
from simulators.slack import SlackSimulator, faults
from simulators.slack.faults import Fault
from worker.core.effects import Blocked, Later, NotYet, Sent, Unfit
from worker.core.payloads import EffectKind
from worker.notifiers.slack.answers import TooLong
from worker.notifiers.slack.blocks import BUDGET, Post, plain_section, total
from worker.notifiers.slack.client import SlackClient
from worker.notifiers.slack.sender import SlackSender
from worker.notifiers.slack.wire import sort_failure

POST = Post("BOUNCE: jane@example.com", [plain_section("R&amp;D +1 %41 ünï 件名 \U0001f4a9")])
SECRET = simulator.WEBHOOK.rpartition("/")[2]
BOUNCE = effect(bounced(recipient()))


@pytest.fixture
def slack():
    with SlackSimulator() as slack:
        yield slack


@pytest.fixture
def naps():
    return []


@pytest.fixture
def webhook(slack, naps):
    return SlackClient.by_webhook(slack.webhook_url, timeout=10, sleep=naps.append)


@pytest.fixture
def api(slack, naps):
    return SlackClient.by_token(
        simulator.TOKEN, simulator.CHANNEL, base_url=slack.api_url, timeout=10, sleep=naps.append
    )


@pytest.fixture(autouse=True)
def output(caplog):
    """Everything that is logged at all, by anybody."""
    caplog.set_level(logging.DEBUG)
    yield caplog
    assert SECRET not in caplog.text
    assert simulator.TOKEN not in caplog.text


class TestWhatIsPosted:
    @pytest.mark.parametrize("way", ["webhook", "api"])
    def test_the_message_arrives_byte_for_byte_and_unfurls_nothing(self, way, slack, request):
        """The body is JSON in UTF-8, and nobody decodes + & % in it."""
        assert isinstance(request.getfixturevalue(way).post(POST), Sent)
        (payload,) = slack.posts
        assert payload["text"] == POST.text
        assert payload["blocks"] == POST.blocks
        for option in ("unfurl_links", "unfurl_media", "link_names"):
            assert payload[option] is False

    def test_name_and_icon_are_sent_where_there_are_some(self, slack, webhook):
        """Slack honours them or not; that is in the documents."""
        webhook.post(POST)
        named = SlackClient.by_webhook(
            slack.webhook_url, username="SES Notice", icon_emoji=":mailbox_with_no_mail:"
        )
        named.post(POST)
        plain, full = slack.posts
        assert {"username", "icon_emoji"}.isdisjoint(plain)
        assert (full["username"], full["icon_emoji"]) == ("SES Notice", ":mailbox_with_no_mail:")

    def test_what_was_posted_can_be_found_again(self, slack, api):
        assert api.post(POST) == Sent(result=f"{simulator.CHANNEL} 1795000000.000001")
        assert slack.posts[0]["channel"] == simulator.CHANNEL


class TestWebhookAnswers:
    @pytest.mark.parametrize(
        ("status", "word"),
        [
            (400, "invalid_payload"),
            (400, "no_text"),
            (400, "invalid_blocks"),
            (400, "too_many_attachments"),
        ],
    )
    def test_a_bad_message_is_unfit(self, status, word, slack, webhook):
        slack.fail(faults.refused(status, word))
        assert webhook.post(POST) == Unfit(error=f"Slack: {word}")

    @pytest.mark.parametrize("word", ["msg_blocks_too_long", "msg_too_long"])
    @pytest.mark.parametrize(
        "shape", ["{}", '{{"ok": false, "error": "{}"}}'], ids=["word", "json"]
    )
    def test_a_message_that_is_too_long_is_known_as_such(self, word, shape, slack, webhook):
        slack.fail(faults.refused(400, shape.format(word)))
        assert webhook.post(POST) == TooLong(error=f"Slack: {word}")

    @pytest.mark.parametrize(
        ("status", "word"),
        [
            (403, "action_prohibited"),
            (403, "team_disabled"),
            (404, "no_service"),
            (404, "no_team"),
            (404, "channel_not_found"),
            (404, "brand_new"),
            (410, "channel_is_archived"),
            (400, "invalid_token"),
            (400, "user_not_found"),
            (403, "restricted_action_thread_only"),
        ],
    )
    def test_a_configuration_error_blocks(self, status, word, slack, webhook):
        slack.fail(faults.refused(status, word))
        answer = webhook.post(POST)
        assert isinstance(answer, Blocked)
        assert word in answer.error
        assert len(slack.requests) == 1

    @pytest.mark.parametrize("status", [400, 402, 403, 418])
    def test_an_unknown_no_condemns_neither_the_lane_nor_the_message(self, status, slack, webhook):
        slack.fail(faults.refused(status, "brand_new"))
        answer = webhook.post(POST)
        assert isinstance(answer, NotYet)
        assert answer.seconds >= 60
        assert "brand_new" in answer.error

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("7", 7),
            (" 30 ", 30),
            ("0", 0),
            (None, None),
            ("soon", None),
            ("", None),
            ("-5", None),
            ("1.5", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
            ("\u00b2", None),
            ("86400", 3600),
            ("9" * 400, 3600),
        ],
    )
    def test_as_long_as_slack_asks_for_and_never_longer_than_an_hour(
        self, header, seconds, slack, webhook, naps
    ):
        """Neither a retry nor an answer to 429."""
        slack.fail(faults.rate_limited(header))
        assert webhook.post(POST) == Later(
            error="Slack is busy with us (429)", seconds=seconds, busy=True
        )
        assert len(slack.requests) == 1
        assert naps == []

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_an_error_of_slack_is_retried_three_times_a_second_apart(
        self, status, slack, webhook, naps
    ):
        slack.fail(*[faults.broken(status)] * 3)
        assert webhook.post(POST) == Later(error=f"Slack has a problem ({status})")
        assert len(slack.requests) == 3
        assert len(naps) == 2
        assert all(1 <= nap < 2 for nap in naps)

    def test_a_temporary_error_is_no_problem(self, slack, webhook):
        slack.fail(faults.broken(), faults.broken(502))
        assert webhook.post(POST) == Sent(result="ok")
        assert len(slack.posts) == 1

    def test_an_error_with_a_delay_is_not_retried_at_once(self, slack, webhook):
        slack.fail(faults.broken(503, "60"))
        assert webhook.post(POST) == Later(error="Slack has a problem (503)", seconds=60)
        assert len(slack.requests) == 1

    @pytest.mark.parametrize("status", [200, 400, 403, 407])
    def test_html_from_a_proxy_is_not_an_answer_of_slack(self, status, slack, webhook):
        slack.fail(faults.html_page(status))
        answer = webhook.post(POST)
        assert isinstance(answer, Later)
        assert "not Slack's" in answer.error
        assert len(slack.requests) == 1

    @pytest.mark.parametrize("body", ["", "okay", "OK!", '{"ok": true}'])
    def test_a_200_without_ok_is_no_delivery(self, body, slack, webhook):
        slack.fail(Fault(body=body or "\n"))
        assert not isinstance(webhook.post(POST), Sent)

    def test_nothing_at_that_url_is_for_the_operator(self, slack, webhook):
        slack.fail(faults.html_page(404))
        assert isinstance(webhook.post(POST), Blocked)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("way", ["webhook", "api"])
    def test_no_redirect_is_followed(self, status, way, slack, request):
        """A redirect would send the token to the server that it names."""
        with SlackSimulator() as other:
            moved = {"Location": other.webhook_url}
            slack.fail(Fault(status=status, body="moved elsewhere", headers=moved))
            assert isinstance(request.getfixturevalue(way).post(POST), Blocked)
            assert other.requests == []


class TestApiAnswers:
    @pytest.mark.parametrize(
        ("error", "answer"),
        [
            ("invalid_blocks", Unfit), ("msg_blocks_too_long", Unfit), ("no_text", Unfit),
            ("channel_not_found", Blocked), ("not_in_channel", Blocked), ("is_archived", Blocked),
            ("invalid_auth", Blocked), ("token_revoked", Blocked), ("account_inactive", Blocked),
            ("missing_scope", Blocked), ("restricted_action_read_only_channel", Blocked),
            ("ratelimited", Later), ("fatal_error", Later), ("internal_error", Later),
            ("service_unavailable", Later), ("request_timeout", Later), ("brand_new", NotYet),
        ],
    )  # fmt: skip
    def test_each_error_is_sorted(self, error, answer, slack, api):
        slack.fail(faults.not_ok(error))
        got = api.post(POST)
        assert isinstance(got, answer)
        assert error in got.error
        assert len(slack.requests) == 1

    def test_a_429_is_waited_for_as_long_as_slack_asks(self, slack, api):
        slack.fail(faults.rate_limited("7"), faults.rate_limited())
        assert api.post(POST) == Later(error="Slack is busy with us (429)", seconds=7, busy=True)
        assert api.post(POST) == Later(error="Slack is busy with us (429)", busy=True)

    def test_slacks_message_id_is_stored_sanitized(self, slack, api):
        """PostgreSQL takes no NUL, and what it refuses would end the lane."""
        slack.fail(Fault(body='{"ok": true, "channel": "C\\u0000", "ts": "1\\ud800"}'))
        assert api.post(POST) == Sent(result="C\\x00 1\\ud800")

    @pytest.mark.parametrize("body", ["<html>", "[]", "null", '"ok"', '{"ok": false}', "{", "\n"])
    def test_what_is_not_slacks_json_is_no_delivery(self, body, slack, api):
        slack.fail(Fault(body=body))
        assert isinstance(api.post(POST), Later | NotYet)

    def test_a_wrong_token_or_channel_is_for_the_operator(self, slack):
        for token, channel in (("xoxb-other", simulator.CHANNEL), (simulator.TOKEN, "C0OTHER")):
            wrong = SlackClient.by_token(token, channel, base_url=slack.api_url)
            assert isinstance(wrong.post(POST), Blocked)


class TestNoAnswer:
    def test_a_timeout_is_never_tried_again_at_once_for_it_may_be_posted(self, slack, naps):
        """No timeout at all."""
        slack.fail(faults.hanging(30))
        hasty = SlackClient.by_webhook(slack.webhook_url, timeout=0.5, sleep=naps.append)
        answer = hasty.post(POST)
        assert isinstance(answer, Later)
        assert "may be there" in answer.error
        assert len(slack.requests) == len(slack.posts) == 1

    @pytest.mark.parametrize("way", ["webhook", "api"])
    def test_a_connection_that_breaks_is_not_tried_at_once_for_it_may_be_posted(
        self, way, slack, request
    ):
        slack.fail(faults.reset(accepts=True))
        answer = request.getfixturevalue(way).post(POST)
        assert isinstance(answer, Later)
        assert "may be there" in answer.error
        assert len(slack.requests) == len(slack.posts) == 1

    def test_nobody_listens(self, naps):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            url = f"http://127.0.0.1:{taken.getsockname()[1]}{simulator.WEBHOOK}"
        assert SlackClient.by_webhook(url, sleep=naps.append).post(POST) == Later(
            error="no connection to Slack: Connection refused"
        )

    def test_no_such_host(self, naps):
        unreachable = SlackClient.by_webhook(
            f"https://nowhere.invalid{simulator.WEBHOOK}", sleep=naps.append
        )
        answer = unreachable.post(POST)
        assert isinstance(answer, Later)
        assert "no connection to Slack" in answer.error

    def test_no_tls_where_tls_should_be(self, slack, naps):
        url = slack.webhook_url.replace("http:", "https:")
        assert isinstance(
            SlackClient.by_webhook(url, timeout=2, sleep=naps.append).post(POST), Later
        )

    @pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"])
    def test_no_http_is_no_delivery(self, answer, naps):
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"http://127.0.0.1:{server.getsockname()[1]}{simulator.WEBHOOK}"
            threading.Thread(target=_answer, args=(server, answer), daemon=True).start()
            got = SlackClient.by_webhook(url, timeout=2, sleep=naps.append).post(POST)
        assert isinstance(got, Later)

    @pytest.mark.parametrize(
        "headers",
        [{"Content-Type": "text/plain; charset=nonsense"}, {"Content-Type": "a/b; charset=utf-7"}],
    )
    def test_an_unknown_charset_is_accepted(self, headers, slack, webhook):
        slack.fail(Fault(status=400, body="invalid_blocks", headers=headers))
        assert not isinstance(webhook.post(POST), Sent)


class TestSecrets:
    """Everything was printed; here the URL and the token stay where they are."""

    @pytest.mark.parametrize(
        "error",
        [
            lambda secret: URLError(f"unknown url type: https://hooks.example{secret}"),
            lambda secret: URLError(OSError(0, f"cannot open {secret}")),
            lambda secret: URLError(ssl.SSLCertVerificationError(1, secret)),
            lambda secret: ValueError(f"Invalid header value b'Bearer {secret}'"),
            lambda secret: OSError(5, secret),
            ConnectionResetError,
            TimeoutError,
            RuntimeError,
        ],
    )
    def test_no_exception_text_contains_them(self, error, monkeypatch, webhook, api):
        for channel, secret in ((webhook, simulator.WEBHOOK), (api, simulator.TOKEN)):
            monkeypatch.setattr(OpenerDirector, "open", _raising(error(secret)))
            answer = channel.post(POST)
            assert not isinstance(answer, Sent)
            assert secret.rpartition("/")[2] not in answer.error

    def test_an_echo_of_the_secret_is_taken_out(self, slack):
        url = f"{slack.origin}/services/T0/B0/averysecretword"
        slack.fail(*[faults.refused(400, "echo_averysecretword")] * 2)
        answer = SlackClient.by_webhook(url).post(POST)
        assert answer.error == "Slack: echo_[secret] (400), unknown to us"
        token = SlackClient.by_token("xoxbsecret", "C1", base_url=slack.api_url)
        slack.fail(faults.not_ok("token_xoxbsecret"))
        assert "xoxbsecret" not in token.post(POST).error

    def test_a_url_that_makes_no_request_is_for_the_operator_and_not_repeated(self):
        for url in (
            "hooks.slack.com/services/a/bcde",
            "http://a b/services/bcde",
            "http://[x/bcde",
            "file:///bcde",
        ):
            answer = SlackClient.by_webhook(url).post(POST)
            assert isinstance(answer, Blocked | Later)
            assert "bcde" not in answer.error

    def test_a_token_that_makes_no_header_is_for_the_operator(self, slack):
        for token in ("xoxb-a\nb", "xoxb-ü件"):
            answer = SlackClient.by_token(token, "C1", base_url=slack.api_url).post(POST)
            assert isinstance(answer, Blocked)

    def test_slack_sdk_logs_nothing_at_any_level(self, slack, webhook, api, output):
        slack.fail(faults.broken(), faults.reset(), faults.html_page(), faults.rate_limited("x"))
        for channel in (webhook, api):
            for _ in range(3):
                channel.post(POST)
        assert [r for r in output.records if "slack" in r.name] == []

    def test_plain_http_takes_no_proxy(self, slack, monkeypatch):
        with SlackSimulator() as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy.origin)
            monkeypatch.delenv("no_proxy", raising=False)
            assert isinstance(SlackClient.by_webhook(slack.webhook_url).post(POST), Sent)
            assert proxy.requests == []


class TestSender:
    def test_a_single_effect_is_a_notice_and_several_are_a_digest(self, slack, webhook):
        sender = SlackSender(webhook)
        assert sender.deliver([BOUNCE]) == Sent(result="ok")
        assert sender.deliver([summarised(1), summarised(2)]) == Sent(result="in a digest of 2; ok")
        assert sender.deliver([summarised(3)]) == Sent(result="in a digest of 1; ok")
        assert [post["text"] for post in slack.posts] == [
            "BOUNCE: jane@example.com",
            "DIGEST: 2 bounces",
            "DIGEST: 1 bounce",
        ]

    def test_addresses_are_masked_if_so_wished(self, slack, webhook):
        SlackSender(webhook, masked=True).deliver([BOUNCE])
        assert "jane" not in json.dumps(slack.posts)

    @pytest.mark.parametrize("effects", [[BOUNCE], [summarised(1), summarised(2)]])
    def test_what_slack_finds_wrong_is_tried_once_more_and_simpler(self, effects, slack, webhook):
        """A message that Slack refused was lost."""
        slack.fail(faults.refused(400, "invalid_blocks"))
        naps = []
        answer = SlackSender(webhook, sleep=naps.append).deliver(effects)
        assert isinstance(answer, Sent)
        assert naps == [1.0], "a channel takes one message a second"
        (post,) = slack.posts
        assert [block["text"]["type"] for block in post["blocks"]] == ["plain_text"]

    def test_what_is_wrong_even_then_is_unfit(self, slack, webhook):
        slack.fail(*[faults.refused(400, "invalid_blocks")] * 2)
        assert SlackSender(webhook).deliver([BOUNCE]) == Unfit(error="Slack: invalid_blocks")
        assert len(slack.requests) == 2

    @pytest.mark.parametrize("word", ["msg_blocks_too_long", "msg_too_long"])
    def test_what_is_too_long_is_shortened_before_it_is_simplified(self, word, slack, webhook):
        """Else SES's message would be left out for a limit that Slack does not document."""
        text = mail.bounce("jane@example.com", headers=["x" * 100] * 500)
        row = effect(bounced(recipient(), message=text))
        for refusals in (1, 2):
            slack.fail(*[faults.refused(400, word)] * refusals)
            assert isinstance(SlackSender(webhook, sleep=lambda _: None).deliver([row]), Sent)
        full, shortened, _, _, simple = map(_size, slack.requests)
        assert BUDGET - 500 < full <= BUDGET
        assert BUDGET // 2 - 500 < shortened <= BUDGET // 2
        assert simple < shortened

    def test_a_digest_that_is_too_long_is_shortened_too(self, slack, webhook):
        effects = [summarised(n, **{f"provider{n}_example": 1}) for n in range(1, 400)]
        slack.fail(faults.refused(400, "msg_blocks_too_long"))
        assert isinstance(SlackSender(webhook, sleep=lambda _: None).deliver(effects), Sent)
        full, shortened = map(_size, slack.requests)
        assert shortened < full

    @pytest.mark.parametrize("fault", [faults.rate_limited("3"), faults.refused(404, "no_service")])
    def test_nothing_is_simplified_that_was_not_the_messages_fault(self, fault, slack, webhook):
        slack.fail(fault)
        assert isinstance(SlackSender(webhook).deliver([BOUNCE]), Later | Blocked)
        assert len(slack.requests) == 1

    @pytest.mark.parametrize("payload", ["{", "null", '{"kind": "new"}', "[1]"])
    def test_a_payload_that_cannot_be_read_is_unfit_and_asks_nobody(self, payload, slack, webhook):
        answer = SlackSender(webhook).deliver([replace(BOUNCE, payload=payload)])
        assert isinstance(answer, Unfit)
        assert slack.requests == []

    def test_what_is_nobodys_news_is_unfit(self, slack, webhook):
        row = replace(BOUNCE, kind=EffectKind.REMOVAL, payload=json.dumps({
            "reported": "a@b", "mailed": "a@b", "key": "a@b", "type": None, "subtype": None,
            "occurred_at": notices.AT.isoformat(),
        }))  # fmt: skip
        assert isinstance(SlackSender(webhook).deliver([row]), Unfit)

    def test_any_number_of_recipients_is_a_single_request(self, slack, webhook):
        people = mail.addresses(60)
        text = mail.bounce(*people, headers=["x" * 100] * 500)
        row = effect(bounced(*map(recipient, people), message=text))
        assert SlackSender(webhook).deliver([row]) == Sent(result="ok")
        assert len(slack.requests) == 1


class TestTheSimulator:
    @pytest.mark.parametrize(
        ("payload", "word"),
        [
            ([], "invalid_payload"),
            ({}, "no_text"),
            ({"text": ""}, "no_text"),
            ({"text": "\ud800"}, "invalid_payload"),
            ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
            ({"blocks": ["x"]}, "invalid_blocks"),
            ({"blocks": [{"type": "poem"}]}, "invalid_blocks"),
            ({"blocks": [{"type": "section"}]}, "invalid_blocks"),
            ({"blocks": [plain_section("")]}, "invalid_blocks"),
            ({"blocks": [plain_section("x" * 3_001)]}, "invalid_blocks"),
            ({"blocks": [plain_section("\U0001f4a9" * 1_501)]}, "invalid_blocks"),
            ({"blocks": [plain_section("x" * 2_836)] * 4}, "msg_blocks_too_long"),
            ({"blocks": [plain_section("件" * 2_700)] * 2}, "msg_blocks_too_long"),
            ({"blocks": [{"type": "section", "fields": []}]}, "invalid_blocks"),
            ({"blocks": [plain_section("x" * 3_000)] * 3}, None),
            ({"text": "x"}, None),
        ],
    )
    def test_it_refuses_what_slack_refuses(self, payload, word):
        from simulators.slack.rules import refusal

        assert refusal(payload) == word


class TestHolding:
    """The simulator can be slow for a while."""

    def test_a_message_is_taken_and_answered_when_the_hold_ends(self, slack):
        channel = SlackClient.by_webhook(slack.webhook_url, timeout=5)
        with ThreadPoolExecutor() as others:
            with slack.held():
                answer = others.submit(channel.post, POST)
                while not slack.posts:
                    time.sleep(0.01)
                time.sleep(0.1)
                assert not answer.done()
            assert isinstance(answer.result(2), Sent)
        assert len(slack.posts) == 1


def test_an_error_of_our_own_condemns_nobody():
    assert isinstance(sort_failure(RuntimeError("x")), NotYet)


def _size(request):
    return total(request.payload["blocks"])


def _raising(error):
    def fail(*_, **__):
        raise error

    return fail


def _answer(server, answer):
    connection, _ = server.accept()
    connection.recv(65_536)
    connection.sendall(answer)
    connection.close()


class TestExplaining:
    """The first notice of a day that can explain `policy.spare_faults` does so."""

    OURS = effect(bounced(recipient(fault="sender")))

    def explained(self, slack):
        return ["policy.spare_faults" in json.dumps(post) for post in slack.posts]

    def test_a_setting_is_explained_once_a_day(self, slack, webhook):
        sender = SlackSender(webhook)
        tomorrow = replace(self.OURS, created_at=self.OURS.created_at + timedelta(days=1))
        for each in (BOUNCE, self.OURS, self.OURS, BOUNCE, tomorrow, tomorrow):
            assert isinstance(sender.deliver([each]), Sent)
        assert self.explained(slack) == [False, True, False, False, True, False]

    def test_a_notice_that_was_not_delivered_has_explained_nothing(self, slack, webhook):
        slack.fail(*[faults.broken()] * 3)
        sender = SlackSender(webhook)
        assert isinstance(sender.deliver([self.OURS]), Later)
        assert isinstance(sender.deliver([self.OURS]), Sent)
        assert self.explained(slack)[-1]
