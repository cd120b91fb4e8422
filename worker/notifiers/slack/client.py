"""The client of a Slack channel, by an incoming webhook or by token and channel.

`username` and `icon_emoji` are honoured by webhooks of the old kind (custom integrations) and by
chat.postMessage if the app has the scope chat:write.customize. An app's webhook ignores them, and
so does chat.postMessage without the scope: the app's own name and icon are shown.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote

from msgspec import structs
from slack_sdk.errors import SlackApiError

from worker.core.effects import Later, Sent, Unfit
from worker.core.masking import sanitized
from worker.notifiers.slack.answers import Answer, Stumble, classify_refusal, classify_webhook
from worker.notifiers.slack.blocks import Post
from worker.notifiers.slack.wire import (
    API_URL,
    TIMEOUT_SECONDS,
    QuietApi,
    QuietWebhook,
    sort_failure,
)
from worker.timing.retries import AT_ONCE_LONGEST_PAUSE_SECONDS, AT_ONCE_TRIES, Sleep, at_once

LONGEST_POST_SECONDS = AT_ONCE_TRIES * (TIMEOUT_SECONDS + AT_ONCE_LONGEST_PAUSE_SECONDS)
"""Time limit of a post with all its tries."""

_SHORTEST_SECRET = 4
"""Characters. A shorter piece of a URL is no secret; redacting it would spoil the text."""
_IN_ITS_PLACE = "[secret]"


class SlackClient:
    """Posts to one Slack channel. Thread-safe: each post is a request of its own."""

    def __init__(
        self,
        send: Callable[[Post], Answer],
        ask: Callable[[], Answer],
        *secrets: str,
        sleep: Sleep,
    ) -> None:
        self._send = send
        self._ask = ask
        self._secrets = sorted(secrets, key=len, reverse=True)
        self._retrying = at_once(sleep, again=lambda answer: isinstance(answer, Stumble))

    @classmethod
    def by_webhook(
        cls,
        url: str,
        *,
        username: str = "",
        icon_emoji: str = "",
        timeout: float = TIMEOUT_SECONDS,
        sleep: Sleep = time.sleep,
    ) -> "SlackClient":
        """The channel that an incoming webhook belongs to; the URL is the secret."""
        client = QuietWebhook(url, timeout=timeout)
        author = _author(username, icon_emoji)

        def send(post: Post) -> Answer:
            answer = client.send_dict(_body(post) | author)
            return classify_webhook(answer.status_code, answer.body, _retry_after(answer.headers))

        def ask() -> Answer:
            answer = client.send_dict({})
            answer_ = classify_webhook(
                answer.status_code, answer.body, _retry_after(answer.headers)
            )
            # Slack looks for the webhook first: if it rejects the message, the webhook is known.
            return Sent(result="Slack knows it") if isinstance(answer_, Unfit) else answer_

        return cls(send, ask, *_secrets_of(url), sleep=sleep)

    @classmethod
    def by_token(
        cls,
        token: str,
        channel: str,
        *,
        username: str = "",
        icon_emoji: str = "",
        base_url: str = API_URL,
        timeout: float = TIMEOUT_SECONDS,
        sleep: Sleep = time.sleep,
    ) -> "SlackClient":
        """A channel that the app of this token is in."""
        client = QuietApi(token, base_url=base_url, timeout=timeout)
        author, room = _author(username, icon_emoji), {"channel": channel}

        def send(post: Post) -> Answer:
            try:
                answer = client.api_call("chat.postMessage", json=_body(post) | author | room)
            except SlackApiError as error:
                return _refusal(error)
            return Sent(result=f"{answer.get('channel', '')} {answer.get('ts', '')}".strip())

        def ask() -> Answer:
            try:
                answer = client.api_call("auth.test")
            except SlackApiError as error:
                return _refusal(error)
            return Sent(result=f"Slack knows it as {answer.get('user', '')}".strip())

        return cls(send, ask, token, sleep=sleep)

    def post(self, post: Post) -> Answer:
        """Post a message and return the outcome. It raises nothing and shows no secret.

        Broken or refused connections and errors of the server are tried twice more at once. A
        timeout is not, since the message may have arrived; nor a 429, since Slack requests a delay.
        """
        return self._result_of(partial(self._send, post))

    def ask(self) -> Answer:
        """Ask whether Slack knows the webhook or the token, and post nothing.

        A webhook gets a message without text, which Slack refuses with `no_text` once it has found
        the webhook; a token is checked by auth.test. Only a real message shows whether the channel
        accepts it. It raises nothing and shows no secret.
        """
        return self._result_of(self._ask)

    def _result_of(self, call: Callable[[], Answer]) -> Answer:
        answer: Answer = self._retrying(_caught, call)
        if isinstance(answer, Sent):
            return Sent(result=sanitized(self._redacted(answer.result)))
        error = sanitized(self._redacted(answer.error))
        if isinstance(answer, Stumble):
            return Later(error=error)
        return structs.replace(answer, error=error)

    def _redacted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _IN_ITS_PLACE)
        return text


def _caught(call: Callable[[], Answer]) -> Answer:
    try:
        return call()
    except Exception as error:  # noqa: BLE001 no error may stop the relay
        return sort_failure(error)


def _refusal(error: SlackApiError) -> Answer:
    response: Any = error.response
    word = str(response.get("error", "")) if isinstance(response.data, dict) else ""
    return classify_refusal(response.status_code, word, _retry_after(response.headers))


def _body(post: Post) -> dict[str, Any]:
    return {
        "text": post.text,
        "blocks": list(post.blocks),
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _author(username: str, icon_emoji: str) -> dict[str, str]:
    author = {"username": username, "icon_emoji": icon_emoji}
    return {key: value for key, value in author.items() if value}


def _retry_after(headers: Mapping[str, Any]) -> str | None:
    found = [str(value) for key, value in headers.items() if key.lower() == "retry-after"]
    return found[0] if found else None


def _secrets_of(url: str) -> list[str]:
    """The secret parts of a webhook's URL: all of it, its path, the path's end, the query."""
    before, _, query = url.partition("?")
    path = before.partition("://")[2].partition("/")[2]
    end = path.rstrip("/").rpartition("/")[2]
    pieces = {url, before, path, end, unquote(end), query}
    return [piece for piece in pieces if len(piece) >= _SHORTEST_SECRET]
