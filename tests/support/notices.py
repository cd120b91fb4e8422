"""Effects to be shown in Slack, hostile ones too, and what a post must never contain."""

import html
import json
import re
import unicodedata
from datetime import UTC, datetime
from types import MappingProxyType

import msgspec
from hypothesis import strategies as st

from simulators.slack.rules import refusal
from worker.core.account_events import AccountEventKind, AccountStatus, Scope, Verification
from worker.core.effects import Effect, Summary
from worker.core.faults import Fault
from worker.core.model import Action, Kind, UserMatch
from worker.core.payloads import (
    AccountNotice,
    DeadLetterNotice,
    EffectKind,
    Notice,
    NoticeRecipient,
    OwnFaultsNotice,
    ParkedNotice,
    RemovalNotice,
    RemovalOutcome,
)
from worker.notifiers.slack.blocks import BUDGET, texts, total

AT = datetime(2026, 11, 20, 8, 15, 33, tzinfo=UTC)
CANARY = "\u01c2"
"""Part of every hostile text; it may be shown as code only."""


def recipient(address="jane@example.com", **more):
    fields = {
        "match": UserMatch.FOUND,
        "action": Action.HARD_BOUNCE,
        "reason": "permanent",
        "domain": address.rpartition("@")[2],
    }
    return NoticeRecipient(reported=address, **(fields | more))


def bounced(*recipients, message='{"notificationType": "Bounce"}', kind=Kind.BOUNCE, **more):
    fields = {
        "type": "Permanent",
        "subtype": "General",
        "occurred_at": AT,
        "feedback_id": "0100-feedback",
        "ses_message_id": "0100-mail",
    }
    return Notice(kind=kind, recipients=recipients, message=message, **(fields | more))


def removed(outcome=RemovalOutcome.REMOVED, address="jane@example.com", **more):
    fields = {
        "domain": address.rpartition("@")[2],
        "response": "NotFoundException",
        "entry": {"EmailAddress": address, "Reason": "BOUNCE"},
        "occurred_at": AT,
    }
    return RemovalNotice(address=address, outcome=outcome, **(fields | more))


_KINDS = {
    RemovalNotice: EffectKind.REMOVAL_NOTICE,
    DeadLetterNotice: EffectKind.DEAD_LETTER_NOTICE,
    ParkedNotice: EffectKind.PARKED_NOTICE,
    AccountNotice: EffectKind.ACCOUNT_NOTICE,
    OwnFaultsNotice: EffectKind.OWN_FAULTS_NOTICE,
}


def effect(payload, id=123):
    """A claimed row of the outbox."""
    if isinstance(payload, Notice):
        kind = EffectKind(f"{payload.kind}_notice")
    else:
        kind = _KINDS[type(payload)]
    return Effect(
        id=id,
        kind=kind,
        attempts=1,
        created_at=AT,
        summary=Summary(label="Permanent/General", domains={"example.com": 1}, occurred_at=AT),
        payload=msgspec.json.encode(payload).decode(),
    )


def summarised(
    id=1,
    kind=EffectKind.BOUNCE_NOTICE,
    label="Permanent/General",
    at=AT,
    sample="",
    by_fault=MappingProxyType({}),
    **domains,
):
    """A row claimed for a digest."""
    named = {domain.replace("_", "."): count for domain, count in domains.items()}
    summary = Summary(label=label, domains=named, faults=by_fault, sample=sample, occurred_at=at)
    return Effect(id=id, kind=kind, attempts=1, created_at=AT, summary=summary)


_SNIPPETS = st.sampled_from([
    "<!channel>", "<!here>", "<@U1>", "<#C1>", "<!subteam^S1>", "<http://x.example|click>",
    "`", "```", "``", "&amp;", "&", "&lt", "<", ">", "*", "_", "~", "\n", "\r\n", "\t", "\x00",
    "\u202e", "\u2066", "\u200b", "\ufeff", "\u2028", "\U000e0041", "\U0001f4a9", "\u00ad", "\x1b[31m",
    "@channel", "#general", ":boom:", "mailto:a@b.example", "http://x.example", "\\", '"', CANARY,
])  # fmt: skip
_CHARACTERS = st.characters(exclude_categories=("Cs",))
_WORDS = st.one_of(_SNIPPETS, st.text(_CHARACTERS, max_size=12))
_LONG = st.builds(
    lambda piece, times, shift: "x" * shift + piece * times,
    _SNIPPETS,
    st.sampled_from([50, 1_500, 20_000]),
    st.integers(0, 7),
)
hostile = st.one_of(st.lists(_WORDS, max_size=8).map("".join), _LONG).map(lambda t: CANARY + t)
"""Untrusted texts, long and short, without lone surrogates: no payload can hold those."""
surrogates = st.lists(st.one_of(_WORDS, st.characters(categories=("Cs",))), max_size=8).map("".join)
addresses = st.from_regex(
    r"[a-z]{3,8}(\.[a-z]{1,5})?(\+[a-z]{1,4})?@[a-z]{3,8}\.example", fullmatch=True
)
_instants = st.datetimes(timezones=st.just(UTC))

_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), surrogates, addresses
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(surrogates, addresses), inner, max_size=4),
    ),
    max_leaves=12,
)
messages = st.one_of(_values.map(json.dumps), hostile)
"""The JSON of SES, and what is no JSON."""

_recipients = st.builds(
    NoticeRecipient,
    reported=st.one_of(addresses, hostile),
    domain=hostile,
    dsn_action=hostile,
    status=hostile,
    diagnostic=hostile,
    fault=hostile | st.sampled_from(Fault),
    match=st.sampled_from(UserMatch),
    action=st.sampled_from(Action),
    reason=hostile,
    paused_until=st.none() | _instants,
    blocked=st.booleans(),
)
_notices = st.builds(
    Notice,
    kind=st.sampled_from(Kind),
    type=st.none() | hostile,
    subtype=st.none() | hostile,
    occurred_at=_instants,
    feedback_id=hostile,
    ses_message_id=hostile,
    recipients=st.one_of(
        st.lists(_recipients, max_size=7),
        st.tuples(_recipients, st.sampled_from([50, 1_000])).map(lambda p: [p[0]] * p[1]),
    ).map(tuple),
    message=messages,
)
_removals = st.builds(
    RemovalNotice,
    address=st.one_of(addresses, hostile),
    domain=hostile,
    outcome=st.sampled_from(RemovalOutcome),
    response=hostile,
    entry=st.none() | st.dictionaries(hostile, hostile, max_size=3),
    occurred_at=_instants,
)
_dead = st.builds(
    DeadLetterNotice,
    reason=hostile,
    count=st.integers(1, 10**9),
    where=hostile,
    detail=hostile,
    message_id=hostile,
    occurred_at=_instants,
)
_parked = st.builds(
    ParkedNotice,
    what=st.sampled_from(EffectKind),
    effect_id=st.integers(1, 2**62),
    count=st.integers(1, 10**9),
    error=hostile,
    attempts=st.integers(1, 10**6),
    occurred_at=_instants,
)
_account = st.builds(
    AccountNotice,
    kind=st.sampled_from(AccountEventKind),
    status=st.sampled_from(AccountStatus),
    scope=st.sampled_from(Scope),
    resource=st.one_of(hostile, st.just("arn:aws:ses:eu-west-1:1:tenant/acme/tn-0"), st.just("")),
    tenant=st.one_of(hostile, st.just("acme"), st.just("")),
    cause=hostile,
    finding=st.one_of(hostile, st.just("")),
    impact=hostile,
    account_id=hostile,
    region=st.one_of(hostile, st.just("eu-west-1"), st.just("")),
    occurred_at=_instants,
    dedupe_key=hostile,
    verification=st.sampled_from(Verification),
    answer=hostile,
    superseded_by=st.none() | st.sampled_from(AccountStatus),
    superseded_at=st.none() | _instants,
)
_names = st.lists(hostile, max_size=6).map(tuple)
_ours = st.builds(
    OwnFaultsNotice,
    count=st.integers(1, 10**9),
    since=_instants,
    occurred_at=_instants,
    configuration_sets=_names,
    tenants=_names,
    senders=_names,
    providers=_names,
    diagnostic=hostile,
)
effects = st.one_of(_notices, _removals, _dead, _parked, _ours, _account).map(effect)
summaries = st.builds(
    Effect,
    id=st.integers(1, 2**62),
    kind=st.sampled_from(EffectKind),
    attempts=st.just(1),
    created_at=st.just(AT),
    summary=st.builds(
        Summary,
        label=hostile,
        domains=st.dictionaries(hostile, st.integers(1, 10**6), max_size=3),
        sample=hostile | addresses,
        occurred_at=_instants,
    ),
)

_FENCE = re.compile(r"```[^`]+```")
_CODE = re.compile(r"`[^`\n]+`")


def faults(post):
    """Everything that is wrong with a message, whatever went into it."""
    payload = json.loads(json.dumps({"text": post.text, "blocks": post.blocks}).encode("utf-8"))
    if word := refusal(payload):
        yield f"Slack says {word}"
    if total(post.blocks) > BUDGET:
        yield f"{total(post.blocks)} characters in all"
    if not 1 <= len(post.text) <= 4_000:
        yield f"a text of {len(post.text)}"
    for text in [post.text, *texts(post.blocks)]:
        yield from _of_any(text)
    if "`" in post.text:
        yield "a backtick in the text"
    for text in marked(post.blocks):
        bare = _CODE.sub("", _FENCE.sub("", text))
        if "`" in bare:
            yield f"a fence is open: {text[:100]!r}"
        if CANARY in bare:
            yield f"an untrusted text that is not shown as code: {bare[:100]!r}"


def _of_any(text):
    if "<" in text or ">" in text:
        yield f"not escaped: {text[:100]!r}"
    if re.search(r"&(?!(?:amp|lt|gt);)", text):
        yield f"a broken entity: {text[:100]!r}"
    bad = {c for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs"}}
    if bad:
        yield f"invisible: {bad!r}"


def marked(blocks):
    """The texts in which mrkdwn is read."""
    for block in blocks:
        for holder in [block.get("text"), *block.get("fields", ()), *block.get("elements", ())]:
            if holder and holder["type"] == "mrkdwn":
                assert holder["verbatim"] is True
                yield holder["text"]


def shown(post):
    """All that people read, as they read it."""
    return html.unescape("\n".join([post.text, *texts(post.blocks)]))
