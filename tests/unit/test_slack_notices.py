"""Notices as people read them: every field, every limit, and no markup of untrusted senders."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support import mail, notices
from support.examples import examples
from support.notices import bounced, effect, faults, recipient, removed, shown

from worker.core.faults import IN_WORDS
from worker.core.model import Action, Kind, UserMatch
from worker.core.payloads import (
    DeadLetterNotice,
    EffectKind,
    OwnFaultsNotice,
    ParkedNotice,
    Removal,
    RemovalOutcome,
)
from worker.notifiers.slack.blocks import (
    BUDGET,
    Post,
    as_called,
    context,
    section,
    texts,
    total,
)
from worker.notifiers.slack.notices import is_explainable, notice, simplified
from worker.settings.loading import load_settings

PAYLOADS = sorted((Path(__file__).parent.parent / "payloads").glob("*.*"))
DSN = {
    "dsn_action": "failed",
    "status": "5.1.1",
    "diagnostic": "smtp; 550 5.1.1 <jane@example.com>: unknown",
}


def drawn(payload, *, masked=False, explain=False):
    post = notice(effect(payload), masked=masked, explain=explain)
    assert list(faults(post)) == []
    return post


def rows(post):
    """The blocks as (type, texts)."""
    return [(block["type"], texts([block])) for block in post.blocks]


class TestBounces:
    def test_a_bounce_notice_has_what_the_old_program_wrote_and_what_it_lacked(self):
        until = datetime(2026, 12, 20, 8, 15, 33, tzinfo=UTC)
        post = drawn(bounced(recipient(**DSN, paused_until=until)))
        assert post.text == "BOUNCE: jane@example.com"
        assert rows(post) == [
            ("header", ["Bounce notification"]),
            ("divider", []),
            (
                "section",
                [
                    "*Timestamp (UTC): *",
                    "`2026-11-20T08:15:33.000Z`",
                    "*Type: *",
                    "`Permanent/General`",
                ],
            ),
            (
                "section",
                [
                    "*Mail: *",
                    "`jane@example.com`",
                    "*Decision: *",
                    "`hard_bounce, by rule permanent`",
                    "*User: *",
                    "`found`",
                    "*Paused until (UTC): *",
                    "`2026-12-20T08:15:33.000Z`",
                ],
            ),
            (
                "section",
                [
                    (
                        "*Bounced information: *\n```action: failed\nstatus: 5.1.1\n"
                        "diagnostic_code: smtp; 550 5.1.1 &lt;jane@example.com&gt;: unknown```"
                    )
                ],
            ),
            ("section", ['*Bounced message json: *\n```{\n  "notificationType": "Bounce"\n}```']),
            ("context", ["outbox #123", "`ses-worker why jane@example.com`"]),
        ]

    def test_what_ses_did_not_report_is_left_out(self):
        """Action, status and diagnosticCode are there only with a DSN."""
        assert "Bounced information" not in shown(drawn(bounced(recipient())))
        only = shown(drawn(bounced(recipient(status="5.0.0"))))
        assert "status: 5.0.0" in only
        assert "action:" not in only
        assert "diagnostic_code:" not in only

    def test_a_message_of_either_shape_can_be_posted(self):
        """Event publishing says eventType."""
        for event in (False, True):
            text = mail.bounce("jane@example.com", event=event)
            assert ("eventType" in shown(drawn(bounced(recipient(), message=text)))) is event

    def test_a_blocked_or_unknown_user_is_named_in_the_notice(self):
        blocked = recipient(action=Action.AUTO_BLOCK_SPAM, reason="spam_diagnostic", blocked=True)
        read = shown(drawn(bounced(blocked)))
        assert "auto_block_spam, by rule spam_diagnostic" in read
        assert "*Blocked: *\n`yes`" in read
        missing = recipient(
            match=UserMatch.MISSING, action=Action.NO_ACTION, reason="unknown_recipient"
        )
        assert "`missing`" in shown(drawn(bounced(missing)))

    def test_type_and_subtype_have_a_line_of_their_own(self):
        """The type was never shown."""
        assert "`Transient/MailboxFull`" in shown(
            drawn(bounced(recipient(), type="Transient", subtype="MailboxFull"))
        )
        assert "`none`" in shown(drawn(bounced(recipient(), type=None, subtype=None)))


class TestComplaints:
    def test_a_complaint_notice_reads_as_before_with_the_typo_corrected(self):
        payload = bounced(
            recipient(reason="complaint"),
            kind=Kind.COMPLAINT,
            type="abuse",
            subtype=None,
            message="{}",
        )
        post = drawn(payload)
        assert post.text == "COMPLAINT: jane@example.com"
        assert rows(post)[0] == ("header", ["Complaint notification"])
        assert "*Complained message json: *\n```{}```" in shown(post)
        assert "`abuse`" in shown(post)


class TestRecipients:
    @pytest.mark.parametrize("kind", list(Kind))
    def test_a_message_without_recipients_is_posted(self, kind):
        """Empty recipients were an UnboundLocalError."""
        assert drawn(bounced(kind=kind)).text.endswith(": (no recipients)")
        nobody = recipient("", match=UserMatch.NO_RECIPIENTS, action=Action.NO_ACTION)
        assert drawn(bounced(nobody, kind=kind)).text.endswith(": (no address)")

    @pytest.mark.parametrize("count", [1, 2, 4, 5, 16, 50, 5_000])
    def test_any_number_of_recipients_is_a_single_message(self, count):
        """16 recipients made 51 blocks, and Slack takes 50."""
        people = [recipient(address, **DSN) for address in mail.addresses(count)]
        post = drawn(bounced(*people, message=mail.bounce(*mail.addresses(count))))
        assert len(post.blocks) <= 20
        assert "person0@example.com" in shown(post)
        if count > 4:
            assert f"And {count - 4:,} more" in shown(post)
            assert f"{count - 4:,} hard_bounce" in shown(post)

    def test_the_listed_and_the_unlisted_are_all_of_them(self):
        post = drawn(bounced(*[recipient(address) for address in mail.addresses(5_000)]))
        (listing,) = [text for text in texts(post.blocks) if text.startswith("*And ")]
        _, _, *listed, last = listing.removesuffix("```").split("\n")
        more = int(last.strip("+").removesuffix(" more").replace(",", ""))
        assert len(listed) + more == 4_996
        assert len(listed) > 20

    def test_the_fallback_text_names_as_many_as_there_is_room_for(self):
        """The last address hid the others."""
        two = drawn(bounced(recipient("a@example.com"), recipient("b@example.com")))
        assert two.text == "BOUNCE: a@example.com, b@example.com"
        many = drawn(bounced(*[recipient(address) for address in mail.addresses(100)])).text
        assert many.startswith("BOUNCE: person0@example.com, person1@example.com, ")
        assert many.count("@") + int(many.split("+")[1].removesuffix(" more")) == 100
        assert len(many) < 330

    def test_a_recipient_makes_no_line_of_its_own(self):
        forged = recipient("x@example.com\njane@example.com hard_bounce")
        post = drawn(bounced(*[recipient(a) for a in mail.addresses(4)], forged))
        assert "\njane@" not in shown(post)


class TestJson:
    def test_the_message_is_there_once_and_whole_over_several_blocks(self):
        """The JSON came once a recipient, and did not fit into a section."""
        headers = [{"name": f"X-Header-{n}", "value": "v" * 60} for n in range(50)]
        text = json.dumps({"mail": {"headers": headers, "R&D": "a+b %41"}})
        post = drawn(bounced(recipient("a@example.com"), recipient("b@example.com"), message=text))
        read = shown(post)
        assert read.count("json: *") == 1
        assert all(f'"X-Header-{n}"' in read for n in range(50))
        assert "json cut" not in read

    def test_what_does_not_fit_is_cut_with_a_pointer(self):
        text = json.dumps({"mail": {"headers": ["<h>" * 50] * 1_000}})
        post = drawn(bounced(recipient(), message=text))
        assert shown(post).endswith("json cut: `ses-worker why jane@example.com --messages`")
        assert total(post.blocks) > BUDGET - 500
        assert shown(post).count("…") == 1

    def test_where_it_was_not_kept_the_notice_says_so(self):
        read = shown(drawn(bounced(recipient(), message="")))
        assert "Bounced message json: *\nnot kept: it came with many others at once" in read

    @pytest.mark.parametrize("text", ["no json", "[" * 100_000, '{"a": ' + "9" * 5_000 + "}"])
    def test_what_is_no_json_is_shown_as_it_is(self, text):
        post = drawn(bounced(recipient(), message=text))
        assert text[:50] in shown(post)

    def test_special_characters_arrive_as_they_are(self):
        """The body was not encoded, so + & % came to harm."""
        text = json.dumps({"subject": "R&D +1 100%41 ünï 件名"}, ensure_ascii=False)
        read = shown(drawn(bounced(recipient("a+b%41&c@example.com"), message=text)))
        assert "R&D +1 100%41 ünï 件名" in read
        assert "a+b%41&c@example.com" in read


class TestRemovals:
    def test_a_removal_from_a_tenants_list_names_the_tenant(self):
        post = drawn(removed(tenant="*acme*"))
        assert (
            "section",
            ["*Mail:*", "`jane@example.com`", "*List of tenant:*", "`*acme*`"],
        ) in rows(post)

    def test_a_removal_without_a_tenant_says_what_to_do(self):
        post = drawn(removed(RemovalOutcome.UNKNOWN_TENANT, response="no tag"))
        assert "does not name the tenant" in shown(post)
        assert "aws sesv2 delete-suppressed-destination --tenant-name" in shown(post)

    def test_a_removal_notice_reads_as_before(self):
        post = drawn(removed())
        assert post.text == "DELETE: jane@example.com"
        entry = '{\n  "EmailAddress": "jane@example.com",\n  "Reason": "BOUNCE"\n}'
        assert rows(post) == [
            ("header", ["Delete notification"]),
            ("divider", []),
            ("section", ["*Mail:*", "`jane@example.com`"]),
            ("section", ["*Response:*", "*Deleted!*"]),
            ("section", [f"*Suppressed destination json: *\n```{entry}```"]),
            ("context", ["outbox #123", "`ses-worker why jane@example.com`"]),
        ]

    @pytest.mark.parametrize("outcome", [o for o in RemovalOutcome if o != "removed"])
    def test_what_was_not_removed_has_its_sentence_and_the_answer_of_ses(self, outcome):
        """Not listed, listed still, refused: each is shown, and none is a string of
        blocks."""
        post = drawn(removed(outcome, response="BadRequestException", entry=None))
        assert "Deleted!" not in shown(post)
        assert "(`BadRequestException`)" in shown(post)
        assert "Suppressed destination json" not in shown(post)


class TestUpkeep:
    def test_dead_letters_can_be_posted(self):
        dead_letter = DeadLetterNotice(
            reason="not_json",
            count=1_234,
            where="ses-feedback-dlq",
            detail="no JSON: <b>",
            message_id="m-1",
            occurred_at=notices.AT,
        )
        post = drawn(dead_letter)
        assert post.text == "DEAD LETTER: not_json (1,234)"
        assert "no JSON: <b>" in shown(post)
        assert "`ses-worker dlq list --reason not_json`" in shown(post)

    def test_parked_effects_are_posted_with_where_to_look(self):
        parked = ParkedNotice(
            what=EffectKind.BOUNCE_NOTICE,
            effect_id=7,
            count=2,
            error="Slack: invalid_blocks",
            attempts=2,
            occurred_at=notices.AT,
        )
        post = drawn(parked)
        assert post.text == "PARKED: bounce_notice (2)"
        assert "outbox #7" in shown(post)
        assert "ses-worker outbox list" in shown(post)

    def test_faults_of_our_own_are_posted_with_whose_mail_it_was_and_what_to_do(self):
        ours = OwnFaultsNotice(
            count=12,
            since=notices.AT,
            occurred_at=notices.AT,
            configuration_sets=("bulk", "<!channel>"),
            senders=("sender.example.org",),
            diagnostic="550 5.7.1 blocked using zen.spamhaus.org",
        )
        post = drawn(ours)
        read = shown(post)
        assert post.text == "OWN FAULT: 12 bounces within five minutes"
        assert "`bulk, <!channel>`" in read
        assert "sender.example.org" in read
        assert "Tenants" not in read
        assert "zen.spamhaus.org" in read
        assert "check SPF, DKIM and DMARC" in read

    def test_an_effect_without_a_notice_is_an_error(self):
        payload = Removal(
            reported="a@b", mailed="a@b", key="a@b", type=None, subtype=None, occurred_at=notices.AT
        )
        row = replace(effect(removed()), kind=EffectKind.REMOVAL)
        with pytest.raises(ValueError, match="Removal"):
            notice(replace(row, payload=msgspec.json.encode(payload).decode()))
        with pytest.raises(ValueError, match="truncated"):
            notice(replace(row, payload="{"))


class TestPointers:
    @pytest.mark.parametrize(
        "address",
        ["$(reboot)@example.com", "a;b@example.com", "-x@example.com", "a b@c", "", "a`b@c"],
    )
    def test_no_untrusted_text_becomes_a_command_that_people_paste(self, address):
        read = shown(drawn(bounced(recipient(address))))
        assert "ses-worker why" not in read
        assert "SES message `0100-mail`" in read


class TestMasked:
    def test_no_address_is_whole_in_text_json_and_diagnostic(self):
        text = mail.bounce(mail.recipient("jane@example.com", diagnosticCode="<jane@example.com>"))
        post = drawn(bounced(recipient(**DSN), message=text), masked=True)
        assert post.text == "BOUNCE: ***@example.com"
        assert "jane" not in shown(post)
        assert "***@example.com" in shown(post)
        assert "others@" not in shown(post)
        assert "ses-worker why" not in shown(post)
        assert "SES message `0100-mail`" in shown(post)

    def test_keys_and_text_that_is_no_json_are_masked_too(self):
        for text in (
            '{"jane@example.com": {"a": ["jane\\u0040example.com"]}}',
            'jane@example.com {"jane@example.com"',
        ):
            assert "jane" not in shown(drawn(bounced(recipient(), message=text), masked=True))

    def test_no_json_takes_long_to_mask(self):
        import time

        text = json.dumps(["a" * 1_900 + " @"] * 500)
        started = time.process_time()
        drawn(bounced(recipient(), message=text), masked=True)
        assert time.process_time() - started < 2

    @pytest.mark.parametrize("draw", [notice, simplified])
    @pytest.mark.parametrize(
        "spelling",
        [
            r"jane\u0040example.com",
            "jane (at) example.com",
            "jane at example.com",
            "j a n e @ example.com",
        ],
    )
    def test_it_hides_the_addresses_however_they_are_spelled(self, draw, spelling):
        text = json.dumps({"a": [f"see {spelling}"], spelling: 1})
        person = recipient(diagnostic=f"no user {spelling}")
        for message in (text, f"no JSON: {spelling}"):
            post = draw(effect(bounced(recipient("joe@b.c"), person, message=message)), masked=True)
            assert "jane" not in shown(post).replace(" ", "")

    def test_a_removal_is_masked_in_all_its_parts(self):
        assert "jane" not in shown(drawn(removed(response="no jane@example.com"), masked=True))

    @settings(max_examples=examples(60), deadline=None)
    @given(notices.addresses, notices.hostile, notices.hostile, st.booleans())
    def test_no_address_survives_wherever_it_stands(self, address, before, after, simple):
        around = f"{before} {address} {after}"
        person = recipient(
            address, diagnostic=around, status=around, dsn_action=around, reason=around
        )
        text = json.dumps({around: [around, {address: around}], "x": address})
        for payload in (
            bounced(*[person] * 7, message=text, ses_message_id=around, type=around),
            bounced(person, message=around),
            removed(address=address, response=around, entry={address: around}),
        ):
            show = simplified if simple else notice
            assert address not in shown(show(effect(payload), masked=True))


class TestSimplified:
    def test_however_long_it_is_the_outbox_id_stands_in_it(self):
        row = effect(bounced(*[recipient(diagnostic="x" * 3_000)] * 50))
        assert "outbox #123" in shown(simplified(row))

    def test_it_says_the_same_without_marks_and_without_json(self):
        post = simplified(effect(removed(RemovalOutcome.REMOVED)))
        assert texts(post.blocks) == [
            (
                "Delete notification\noutbox #123\nses-worker why jane@example.com\n"
                "Mail: jane@example.com\nResponse: Deleted!"
            )
        ]


class TestAnything:
    @settings(max_examples=examples(80), deadline=None)
    @given(notices.effects, st.booleans())
    def test_whatever_was_reported_the_message_is_within_every_limit_and_holds_no_markup(
        self, row, masked
    ):
        """Limits, and untrusted markup."""
        assert list(faults(notice(row, masked=masked))) == []
        plain = simplified(row, masked=masked)
        assert list(faults(plain)) == []
        assert {block["text"]["type"] for block in plain.blocks} == {"plain_text"}
        assert total(plain.blocks) <= 3_000

    @pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.name)
    @pytest.mark.parametrize("masked", [False, True])
    def test_every_payload_can_be_posted(self, path, masked):
        text = path.read_text()
        drawn(bounced(recipient(**DSN), message=text), masked=masked)

    def test_a_diagnostic_of_a_hundred_kilobytes_can_be_posted(self):
        for filler in ("x", "<", "`", "&amp;", "\u202e", "\U0001f4a9", "a@"):
            person = recipient(diagnostic=filler * 100_000)
            for masked in (False, True):
                drawn(bounced(*[person] * 6, message=json.dumps(filler * 100_000)), masked=masked)


class TestCommands:
    """Notices name commands as the worker that posts them was called."""

    HOW = "/srv/app/.venv/bin/ses-worker --config '/etc/a b.toml'"

    def test_in_the_small_print_alone(self):
        blocks = [
            section("`ses-worker why x` in an untrusted text"),
            context("#1", "`ses-worker why jane@example.com`", "ses-worker"),
        ]
        post = as_called(Post("t", blocks), self.HOW)
        assert post.blocks[0] == blocks[0]
        shown = [element["text"] for element in post.blocks[1]["elements"]]
        assert shown == ["#1", f"`{self.HOW} why jane@example.com`", "ses-worker"]

    @pytest.mark.parametrize("how", ["ses-worker", "x`y", "<a>", "x" * 201])
    def test_what_is_too_long_or_would_be_markup_changes_nothing(self, how):
        post = Post("t", [context("`ses-worker outbox list`")])
        assert as_called(post, how) == post

    def test_a_channel_of_the_settings_knows_how_the_program_was_called(
        self, monkeypatch, tmp_path
    ):
        file = tmp_path / "worker.toml"
        file.write_text("[slack]\nwebhook_url = 'https://hooks.slack.com/services/x'\n")
        monkeypatch.setattr(sys, "argv", [".venv/bin/ses-worker"])
        monkeypatch.setenv("PATH", "")
        assert load_settings({}, file).slack.command == f".venv/bin/ses-worker --config {file}"
        service = {"RUNTIME_DIRECTORY": "/run/ses-worker-eu"}
        assert load_settings(service, file).slack.command == "ses-worker --instance eu"


SPARED = "policy.spare_faults = "


class TestFaults:
    @pytest.mark.parametrize(("fault", "words"), IN_WORDS.items())
    def test_whose_fault_a_bounce_was_is_in_words(self, fault, words):
        assert f"Whose fault: *\n{words}" in shown(drawn(bounced(recipient(fault=fault))))

    @pytest.mark.parametrize("fault", ["", "<!channel>"])
    def test_what_is_no_fault_is_not_shown(self, fault):
        assert "fault" not in shown(drawn(bounced(recipient(fault=fault))))

    @pytest.mark.parametrize(
        ("fault", "action", "would"),
        [
            ("sender", Action.AUTO_BLOCK_SPAM, "this person would not be blocked"),
            ("message", Action.AUTO_BLOCK_SPAM, "this person would not be blocked"),
            ("receiver", Action.AUTO_BLOCK_SPAM, "this person would not be blocked"),
            ("sender", Action.HARD_BOUNCE, "mail to this person would not pause"),
            ("sender", Action.SOFT_BOUNCE, "mail to this person would not pause"),
        ],
    )
    def test_the_setting_that_would_have_spared_somebody_is_explained_on_request(
        self, fault, action, would
    ):
        about = bounced(recipient(fault="recipient"), recipient(fault=fault, action=action))
        assert SPARED not in shown(drawn(about))
        for post in (drawn(about, explain=True), simplified(effect(about), explain=True)):
            read = shown(post).replace("`", "")
            assert f'{SPARED}["{fault}"] this bounce would only be recorded: {would}' in read
        assert is_explainable(effect(about))

    @pytest.mark.parametrize(
        ("fault", "action", "reason"),
        [
            ("recipient", Action.AUTO_BLOCK_SPAM, "spam_diagnostic"),
            ("unknown", Action.AUTO_BLOCK_SPAM, "spam_diagnostic"),
            ("message", Action.SOFT_BOUNCE, "transient"),
            ("sender", Action.NO_ACTION, "spared:sender"),
            ("sender", Action.NO_ACTION, "unknown_recipient"),
            ("sender", Action.HARD_BOUNCE, "bounce_actions:Permanent/*"),
        ],
    )
    def test_a_setting_that_would_have_changed_nothing_is_not(self, fault, action, reason):
        about = bounced(recipient(fault=fault, action=action, reason=reason))
        assert SPARED not in shown(drawn(about, explain=True))
        assert not is_explainable(effect(about))
