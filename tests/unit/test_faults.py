"""Whose fault a bounce was: by replies of mail servers, and never by what a sender put into a reply."""

import re
import time
from collections import Counter

import pytest
from support import mail, worst
from support.documents import text_of

from bench.faults import precision, recall, replies
from worker.core.decode import decode
from worker.core.faults import Fault, fault_of
from worker.core.limits import LONGEST_REPLY, LONGEST_TEXT
from worker.core.model import Address
from worker.core.policy import REFUSED_BY_SES
from worker.core.says_spam import says_spam

REPORTED = {
    "our IP is on a blocklist": (
        "5.7.1",
        (
            "smtp; 554 5.7.1 Service unavailable; Client host [192.0.2.14] blocked using "
            "zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.14"
        ),
        Fault.SENDER,
    ),
    "the receiver's resolver is broken": (
        "5.7.1",
        (
            "smtp; 554 5.7.1 Service unavailable; Client host [192.0.2.14] blocked using "
            "zen.spamhaus.org; Error: open resolver; https://check.spamhaus.org/returnc/pub/192.0.2.53"
        ),
        Fault.RECEIVER,
    ),
    "a filter of contents": (
        "5.7.1",
        "smtp; 550 5.7.1 This message was classified as SPAM and may not be delivered",
        Fault.MESSAGE,
    ),
    "the word stands in the address": (
        "5.1.1",
        "smtp; 550 5.1.1 <no-spam.tom@example.com>: Recipient address rejected: User unknown",
        Fault.RECIPIENT,
    ),
    "our DMARC is broken": (
        "5.7.1",
        (
            "smtp; 550 5.7.1 Unauthenticated email from sender.example.org is not accepted due to "
            "domain's DMARC policy"
        ),
        Fault.SENDER,
    ),
}


JANE = Address(key="jane@example.com", mailed="Jane@example.com")


@pytest.mark.parametrize(
    "text",
    [
        "spam<jane@example.com>", "jane@example.com:spam", "550 spam:jane@example.com",
        "(spam)JANE@example.com rejected", "reason:spam,jane@example.com", "[spam]<jane@example.com>",
        "spam;jane@example.com.",
    ],
)  # fmt: skip
def test_spam_that_touches_the_recipient_s_own_address_counts(text):
    assert says_spam(text, JANE)


@pytest.mark.parametrize(
    "text",
    [
        "spam.jane@example.com", "spam+jane@example.com", "spam=jane@example.com",
        "<spam@example.com> unknown", "jane@example.com.spam.example", "'spam'@example.com",
        "jane@spam.example.com", "spam-jane@example.com: no such user", 'a"spam"jane@example.com',
    ],
)  # fmt: skip
def test_spam_inside_another_address_is_not(text):
    assert not says_spam(text, JANE)


@pytest.mark.parametrize(("status", "diagnostic", "fault"), REPORTED.values(), ids=REPORTED)
def test_whose_fault_reported_bounces_were(status, diagnostic, fault):
    assert fault_of("General", status, diagnostic) is fault
    assert fault_of("GENERAL", status, diagnostic.upper()) is fault
    assert fault_of("General", "", diagnostic) is fault


class TestHowOften:
    """Figures: `python -m bench.faults`."""

    def test_at_least_two_hundred_replies_and_thirty_of_each_sort(self):
        counts = Counter(reply.fault for reply in replies())
        assert counts.total() >= 200
        assert all(counts[fault] >= 30 for fault in set(Fault) - {Fault.UNKNOWN})

    @pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.UNKNOWN])
    def test_nearly_all_replies_that_were_held_out_are_right(self, fault):
        held_out = [reply for reply in replies() if reply.is_held_out]
        for share in (precision(fault, held_out), recall(fault, held_out)):
            assert share.right / share.of >= 0.9

    @pytest.mark.parametrize("name", ["second", "third", "fourth"])
    def test_nor_did_replies_collected_later_become_worse(self, name):
        of = replies(f"replies_{name}")
        assert sum(reply.found is reply.fault for reply in of) / len(of) >= 0.9

    def test_no_reply_is_in_two_sets(self):
        names = ["replies", "replies_second", "replies_third", "replies_fourth"]
        counts = Counter(reply.text.lower() for name in names for reply in replies(name))
        assert [text for text, count in counts.items() if count > 1] == []

    def test_the_hardest_replies_are_as_documented(self):
        rows = re.findall(r"^\| `(.+?)` \| `(\w+)` \|", text_of("docs/faults.md"), re.MULTILINE)
        assert len(rows) == 10
        for reply, fault in rows:
            assert fault_of("General", "", f"smtp; 550 {reply}") == fault


class TestWhatDecides:
    @pytest.mark.parametrize(
        "subtype", [*sorted(REFUSED_BY_SES), "UnsubscribedRecipient", "SUPPRESSED"]
    )
    def test_what_ses_itself_refused_is_the_recipients(self, subtype):
        diagnostic = "Amazon SES did not send the message: previous emails were marked as spam"
        assert fault_of(subtype, "5.1.1", diagnostic) is Fault.RECIPIENT

    @pytest.mark.parametrize(
        ("subtype", "fault"),
        [
            ("MailboxFull", Fault.RECIPIENT),
            ("NoEmail", Fault.RECIPIENT),
            ("MessageTooLarge", Fault.MESSAGE),
            ("ContentRejected", Fault.MESSAGE),
            ("AttachmentRejected", Fault.MESSAGE),
            ("General", Fault.UNKNOWN),
            (None, Fault.UNKNOWN),
        ],
    )
    def test_without_a_reply_the_subtype_does(self, subtype, fault):
        assert fault_of(subtype, "", "") is fault

    @pytest.mark.parametrize(
        ("status", "fault"),
        [
            ("5.1.1", Fault.RECIPIENT),
            ("4.2.2", Fault.RECIPIENT),
            ("5.3.4", Fault.MESSAGE),
            ("4.4.2", Fault.RECEIVER),
            ("5.7.26", Fault.SENDER),
            ("5.7.1", Fault.UNKNOWN),
            ("5.7.599", Fault.UNKNOWN),
            ("5.7.600", Fault.SENDER),
            ("5.7.649", Fault.SENDER),
            ("five", Fault.UNKNOWN),
        ],
    )
    def test_where_the_words_decide_nothing_the_status_decides(self, status, fault):
        assert fault_of("General", status, "smtp; 550 sorry") is fault

    def test_a_status_in_the_reply_counts_where_ses_gives_none(self):
        assert fault_of("General", "", "smtp; 550 5.1.1 sorry") is Fault.RECIPIENT

    def test_of_unspecific_codes_the_first_counts(self):
        assert fault_of("General", "5.1.0", "smtp; 554 4.4.7 sorry") is Fault.RECIPIENT
        assert fault_of("General", "4.4.7", "smtp; 554 5.1.0 sorry") is Fault.RECEIVER

    def test_a_subtype_comes_before_the_name_of_a_blocklist(self):
        link = "smtp; 550 sorry https://www.spamhaus.org/query"
        assert fault_of("General", "", link) is Fault.SENDER
        assert fault_of("MessageTooLarge", "", link) is Fault.MESSAGE

    def test_an_unknown_sender_is_no_unknown_recipient(self):
        reply = "smtp; 550 5.1.1 sender verify failed: user unknown"
        assert fault_of("General", "5.1.1", reply) is Fault.SENDER

    @pytest.mark.parametrize(
        "echo",
        [
            "<spam.detected@example.com>",
            "<jane@spam-content.example>",
            '"message contains a virus"@example.com',
            "greylisted%40example.com",
            "mailbox-full@example.com",
            "https://example.com/spf-check-failed/dmarc",
            "mx.rate-limited.example.com",
        ],
    )
    def test_an_address_a_host_and_a_link_do_not_decide(self, echo):
        assert fault_of("General", "", f"smtp; 550 sorry {echo}") is Fault.UNKNOWN


class TestTime:
    def test_only_the_beginning_of_a_reply_is_read(self):
        late = "x " * (LONGEST_REPLY // 2) + "550 5.1.1 user unknown"
        assert fault_of("General", "", late) is Fault.UNKNOWN

    @pytest.mark.parametrize("unit", worst.CHARACTERS.values(), ids=worst.CHARACTERS)
    def test_no_reply_takes_long(self, unit):
        for text in (unit * LONGEST_TEXT, f"{unit} mailbox spam rejected " * 400):
            assert min(_seconds(fault_of, "General", "", text) for _ in range(3)) < 0.005
            assert (
                min(_seconds(says_spam, f"spam{text}"[:LONGEST_TEXT], None) for _ in "123") < 0.05
            )

    def test_the_recipient_s_address_again_and_again_takes_no_longer(self):
        for text in (JANE.key * 900, f":{JANE.key}" * 900, f"{JANE.key}." * 900):
            reply = f"spam@{text}"[:LONGEST_TEXT]
            assert min(_seconds(says_spam, reply, JANE) for _ in "123") < 0.05


def _seconds(function, *arguments):
    began = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - began


class TestTheWordSpam:
    @pytest.mark.parametrize(
        "echo",
        [
            "<no-spam.tom@example.com>",
            "no-spam.tom@example.com",
            '"no spam.tom"@example.com',
            "NO-SPAM.TOM@EXAMPLE.COM",
            "<tom@spam.example>",
            "<@spam.example:tom@example.com>",
            "no-spam.tom%40example.com",
            "no-spam.tom=40example.com",
            "no-spam.tom&#64;example.com",
            r"no-spam.tom\u0040example.com",
            "no-spam.tom(at)example.com",
            "no-spam.tom [at] example.com",
            "no-spam.tom @ example.com",
            "no-spam.tom\uff20example.com",
        ],
    )
    def test_does_not_count_in_an_address(self, echo):
        entry = mail.recipient("jane@example.com", diagnosticCode=f"550 {echo}: User unknown")
        (feedback,) = decode(mail.bounce(entry))
        assert not feedback.recipient.mentions_spam

    @pytest.mark.parametrize(
        ("reported", "diagnostic"),
        [
            ("no-spam.tom@example.com", "550 <no-spam.tom>: User unknown"),
            ("tom@spam.example", "550 relaying to spam.example denied"),
            ("Tom@Spam.Example", "550 No such domain: SPAM.EXAMPLE"),
        ],
    )
    def test_does_not_count_in_a_part_of_the_recipients_own_address(self, reported, diagnostic):
        entry = mail.recipient(reported, diagnosticCode=diagnostic)
        (feedback,) = decode(mail.bounce(entry))
        assert not feedback.recipient.mentions_spam

    @pytest.mark.parametrize(
        ("reported", "diagnostic"),
        [
            ("no-spam.tom@example.com", "550 <no-spam.tom@example.com>: message is SPAM"),
            ("spam@example.com", "550 <spam@example.com>: this is spam"),
            ("spam@example.com", "550 5.7.1 rejected as spam"),
            ("jane@example.com", "550 blocked using zen.spamhaus.org"),
            ("jane@example.com", "550 jane@example.com:spam"),
            ("jane@example.com", "550 spam, write to <jane@example.com>"),
        ],
    )
    def test_counts_elsewhere(self, reported, diagnostic):
        entry = mail.recipient(reported, diagnosticCode=diagnostic)
        (feedback,) = decode(mail.bounce(entry))
        assert feedback.recipient.mentions_spam


def test_a_bounce_without_recipients_has_a_fault_and_a_complaint_has_none():
    (bounce,) = decode(mail.bounce())
    (complaint,) = decode(mail.complaint("jane@example.com"))
    assert (bounce.fault, complaint.fault) == (Fault.UNKNOWN, "")
