"""Sorts Slack's answers by what to do next. Pure.

Sources: https://docs.slack.dev/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks,
https://docs.slack.dev/reference/methods/chat.postMessage#errors, and public code that handles them.
"""

import re
from contextlib import suppress

import msgspec

from worker.core.effects import Blocked, Later, NotYet, Sent, Unfit

LONGEST_WAIT_SECONDS = 3_600
"""Limit of Retry-After: a single answer must not cause a longer outage."""
UNKNOWN_SECONDS = 300
"""Seconds to wait after an unknown answer."""
_WORD = re.compile(r"[a-z][a-z0-9_]{1,60}")

Answer = Sent | Later | NotYet | Unfit | Blocked


class Stumble(Later, frozen=True, kw_only=True):
    """A `Later` that is tried again at once."""


class TooLong(Unfit, frozen=True, kw_only=True):
    """An `Unfit` that may fit if it is shorter."""


_BAD_MESSAGE = frozenset({
    "attachment_payload_limit_exceeded", "invalid_attachments", "invalid_blocks",
    "invalid_blocks_format", "invalid_payload", "json_not_object", "invalid_json",
    "invalid_arguments", "invalid_array_arg", "invalid_charset", "metadata_too_large",
    "missing_text_or_fallback_or_attachments", "no_text", "too_many_attachments",
})  # fmt: skip
_TOO_LONG = "_too_long"
"""How codes for long messages end: `msg_blocks_too_long`, `msg_too_long`."""
_BUSY = frozenset({
    "accesslimited", "external_channel_migrating", "fatal_error", "internal_error",
    "message_limit_exceeded", "rate_limited", "ratelimited", "request_timeout", "rollup_error",
    "service_unavailable", "team_added_to_org",
})  # fmt: skip
_MAKE_A_WEBHOOK = "make a new webhook and set slack.webhook_url"
_MAKE_A_TOKEN = "make a new token and set slack.token"  # noqa: S105 advice
_CHOOSE_A_CHANNEL = "see that the channel exists, or choose another"
_CHECK = "check slack.webhook_url, or slack.token and slack.channel"
_ASK_AN_ADMIN = "an administrator of the workspace must allow it"
_OPERATOR = {
    "access_denied": _ASK_AN_ADMIN,
    "account_inactive": _MAKE_A_TOKEN,
    "action_prohibited": _ASK_AN_ADMIN,
    "channel_is_archived": _CHOOSE_A_CHANNEL,
    "channel_not_found": _CHOOSE_A_CHANNEL,
    "ekm_access_denied": _ASK_AN_ADMIN,
    "enterprise_is_restricted": _ASK_AN_ADMIN,
    "invalid_auth": _MAKE_A_TOKEN,
    "invalid_token": _MAKE_A_WEBHOOK,
    "is_archived": _CHOOSE_A_CHANNEL,
    "is_inactive": _CHOOSE_A_CHANNEL,
    "messages_tab_disabled": _CHOOSE_A_CHANNEL,
    "missing_scope": "give the app the scope chat:write and install it again",
    "no_active_hooks": _MAKE_A_WEBHOOK,
    "no_permission": _ASK_AN_ADMIN,
    "no_service": _MAKE_A_WEBHOOK,
    "no_service_id": _MAKE_A_WEBHOOK,
    "no_team": _MAKE_A_WEBHOOK,
    "not_allowed_token_type": "slack.token must be a bot's token, xoxb-…",
    "not_authed": _MAKE_A_TOKEN,
    "not_in_channel": "invite the app to the channel",
    "org_login_required": _ASK_AN_ADMIN,
    "posting_to_general_channel_denied": _CHOOSE_A_CHANNEL,
    "restricted_action": _ASK_AN_ADMIN,
    "team_access_not_granted": _ASK_AN_ADMIN,
    "team_disabled": _ASK_AN_ADMIN,
    "token_expired": _MAKE_A_TOKEN,
    "token_revoked": _MAKE_A_TOKEN,
    "two_factor_setup_required": _ASK_AN_ADMIN,
    "user_not_found": _CHOOSE_A_CHANNEL,
}


def classify_webhook(status: int, body: str, retry_after: str | None) -> Answer:
    """Sort a webhook's answer: a status, and a word as the body, or the Web API's JSON."""
    if status == 200 and body.strip() == "ok":
        return Sent(result="ok")
    return classify_refusal(status, _code(body), retry_after)


def classify_refusal(status: int, text: str, retry_after: str | None) -> Answer:
    """Sort a refusal by its error code, from a webhook's body or from chat.postMessage."""
    seconds = wait_seconds(retry_after)
    if status == 429:
        return Later(error="Slack is busy with us (429)", seconds=seconds, busy=True)
    if status >= 500 and seconds is None:
        return Stumble(error=f"Slack has a problem ({status})")
    if status >= 500:
        return Later(error=f"Slack has a problem ({status})", seconds=seconds)
    if not _WORD.fullmatch(text):
        return _sort_unknown(status)
    return _sort_code(status, text, seconds)


def _sort_code(  # noqa: PLR0911 a return for each kind of code
    status: int, text: str, seconds: float | None
) -> Answer:
    if text in _BUSY:
        busy = text in {"rate_limited", "ratelimited"}
        return Later(error=f"Slack: {text}", seconds=seconds, busy=busy)
    if text.endswith(_TOO_LONG):
        return TooLong(error=f"Slack: {text}")
    if text in _BAD_MESSAGE:
        return Unfit(error=f"Slack: {text}")
    if text.startswith("restricted_action"):
        return Blocked(error=f"Slack: {text}: {_ASK_AN_ADMIN}")
    if text in _OPERATOR:
        return Blocked(error=f"Slack: {text}: {_OPERATOR[text]}")
    if status in {404, 410}:
        return Blocked(error=f"Slack: {text} ({status}): {_CHECK}")
    # An unknown code neither blocks the lane nor parks the message: other messages may pass, and
    # this message is tried again slowly, until the relay's last try.
    return NotYet(error=f"Slack: {text} ({status}), unknown to us", seconds=UNKNOWN_SECONDS)


def wait_seconds(retry_after: str | None) -> float | None:
    """Whole seconds, as Slack writes them; None for anything else, a date included."""
    text = (retry_after or "").strip()
    if not (text.isascii() and text.isdigit()):
        return None
    return float(min(int(text[:9]), LONGEST_WAIT_SECONDS))


def _code(body: str) -> str:
    """Return the error code of a webhook's body; the body, if it is no JSON with a code."""
    with suppress(ValueError):
        parsed = msgspec.json.decode(body)
        if isinstance(parsed, dict) and isinstance(code := parsed.get("error"), str):
            return code
    return body.strip()


def _sort_unknown(status: int) -> Answer:
    """Sort an answer without an error code: a proxy's HTML, a login page, a redirect, a 404."""
    if 300 <= status < 400:
        return Blocked(error=f"a redirect ({status}), which is not followed: {_CHECK}")
    if status in {404, 410}:
        return Blocked(error=f"there is nothing at Slack's URL ({status}): {_CHECK}")
    return Later(error=f"an answer ({status}) that is not Slack's", seconds=UNKNOWN_SECONDS)
