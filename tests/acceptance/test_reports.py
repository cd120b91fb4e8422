"""What users of SES and of other programs have reported, through the daemon and the commands.

`tests/reports` has a file for each report. Beside each stand others of its kind: what is fixed is
the kind.
"""

import json
import re
import unicodedata
from pathlib import Path

import pytest
from support import mail
from support.waiting import wait_until

REPORTS = Path(__file__).parents[1] / "reports"
FILES = {path.name[:2]: path for path in sorted(REPORTS.glob("[0-9]*.json"))}

RIGHT = {
    "01": ("ana@example.com", "hard_bounce", "permanent"),
    "02": ("ben@example.com", "hard_bounce", "permanent"),
    "07": ("dan@example.com", "hard_bounce", "permanent"),
    "08": ("eva@example.com", "hard_bounce", "permanent"),
    "24": ("quy@example.net", "auto_block_spam", "spam_diagnostic"),
    "25": ("rex@example.net", "auto_block_spam", "spam_diagnostic"),
    "26": ("sam@example.com", "auto_block_spam", "spam_diagnostic"),
    "27": ("no-spam.tom@example.com", "hard_bounce", "permanent"),
    "28": ("uma@example.com", "hard_bounce", "permanent"),
    "29": ("vic@example.com", "hard_bounce", "permanent"),
    "30": ("wen@example.com", "no_action", "unsubscribed"),
    "31": ("xia@example.com", "hard_bounce", "refused_by_ses"),
    "42": ("gil@example.com", "hard_bounce", "permanent"),
    "51": ("raj@example.com", "hard_bounce", "permanent"),
    "57": ("a\xf1a.mu\xf1oz@example.com", "hard_bounce", "permanent"),
    "58": ("wes@example.com", "hard_bounce", "permanent"),
}
"""Recipient, action and rule, by the number of the report; each recipient is a user."""
FAULTS = {"24": "sender", "25": "receiver", "26": "message", "28": "sender"}
COMPLAINTS = {"03", "04"}
"""One complaint of cem@example.net, by two routes."""
ACCOUNT_EVENTS = {"05", "06"}
DEAD = {"11": "s3_pointer", "12": "cloudwatch_alarm"}
PEOPLE = [*(row[0] for row in RIGHT.values()), "cem@example.net"]
REMOVE, IGNORE = "SES_WORKER_SUPPRESSION__REMOVE", "SES_WORKER_NOTIFY__IGNORE"


def imported(*addresses):
    return "email\n" + "".join(f"{address}\n" for address in addresses)


def read(text):
    """Letters and digits of a text, of any width, as a person reads them."""
    text = re.sub(
        r"%([2-7][0-9a-f])", lambda found: chr(int(found[1], 16)), text, flags=re.IGNORECASE
    )
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).lower()))


def sent_to(emulator, queue, bodies):
    for body in bodies:
        emulator.send(queue, body)
    assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)


def test_every_report_has_a_right_outcome():
    assert set(FILES) == {*RIGHT, *COMPLAINTS, *ACCOUNT_EVENTS, *DEAD}


@pytest.mark.parametrize("wrap", [str, mail.enveloped], ids=["raw", "enveloped"])
def test_each_report_has_its_right_outcome(
    run, daemon, emulator, queue, database, slack, ses, environment, either_store, wrap
):
    environment["SES_WORKER_SLACK__ADDRESSES"] = "masked"
    run("users", "import", "-", input=imported(*PEOPLE))
    worker = daemon()
    texts = {number: path.read_text(encoding="utf-8") for number, path in FILES.items()}
    for number, text in texts.items():
        sent_to(emulator, queue, [text if ".body." in FILES[number].name else wrap(text)])
    if ACCOUNT_EVENTS & FILES.keys():  # posted at once, after SES was asked
        wait_until(lambda: [post for post in slack.posts if "acme" in json.dumps(post)], 30)
    assert worker.stop()[0] == 0

    events = {event["recipient"]: event for event in database.rows("SELECT * FROM events")}
    assert {
        number: (row[0], events[row[0]]["action"], events[row[0]]["reason"])
        for number, row in RIGHT.items()
        if row[0] in events
    } == RIGHT
    assert {number: events[RIGHT[number][0]]["fault"] for number in FAULTS} == FAULTS
    matches = {event["user_match"] for event in events.values()}
    assert matches == {"found"}

    lasting = [row for row in RIGHT.values() if row[2] != "unsubscribed"]
    for key, action, _ in lasting:
        user = database.user(key)
        assert user["auto_block_spam"] == (action == "auto_block_spam"), key
        assert user["hard_bounce_count"] == (action == "hard_bounce"), key
    assert run("may-send", "wen@example.com").status == 0

    assert database.count("events") == len(RIGHT) + 1
    assert database.user("cem@example.net")["complaint_count"] == 1
    assert json.loads(worker.lines[-1])["duplicate"] == 1
    tenants = database.rows("SELECT tenant FROM account_events")
    assert tenants == [{"tenant": "acme"}] * len(ACCOUNT_EVENTS)
    assert [post for post in slack.posts if "acme" in json.dumps(post)]
    reasons = [
        dead_letter.attributes["ses_worker_reason"]["StringValue"]
        for dead_letter in emulator.messages("feedback-dlq")
    ]
    assert sorted(reasons) == sorted(DEAD.values())


def test_who_bounced_by_a_fault_that_is_spared_keeps_the_record(
    run, emulator, queue, database, environment, either_store
):
    environment["SES_WORKER_POLICY__SPARE_FAULTS"] = '["sender", "receiver", "message"]'
    run("users", "import", "-", input=imported(*PEOPLE))
    for number in (*FAULTS, "27"):
        emulator.send(queue, FILES[number].read_text(encoding="utf-8"))
    run("drain")
    found = {
        event["recipient"]: (event["action"], event["reason"])
        for event in database.rows("SELECT * FROM events")
    }
    spared = {
        RIGHT[number][0]: ("no_action", f"spared:{fault}") for number, fault in FAULTS.items()
    }
    assert found == spared | {RIGHT["27"][0]: RIGHT["27"][1:]}
    assert not any(database.user(key)["auto_block_spam"] for key in found)


SPELLINGS = {
    "gil@example.com": [
        "rfc822; gil@example.com", "RFC822;Gil@Example.com", "rfc822 ; <gil@example.com>",
        "<rfc822;gil@example.com>", "utf-8; gil@example.com", r"utf-8;gi\x{6C}@example.com",
        "smtp;gil@example.com", "SMTP:gil@example.com", "mailto:gil@example.com",
        "rfc822;\u00a0gil@example.com.", "'gil@example.com'", '"gil"@example.com',
    ],
    "a\xf1a.mu\xf1oz@example.com": [
        "=?utf-8?q?a=C3=B1a.mu=C3=B1oz?=@example.com", "=?UTF-8?Q?A=c3=b1a.Mu=C3=B1oz?=@EXAMPLE.com",
        "=?UTF-8?B?YcOxYS5tdcOxb3o=?=@example.com", "=?utf-8?b?YcOxYS5tdcOxb3o?=@example.com",
        "=?iso-8859-1?q?a=F1a.mu=F1oz?=@example.com", "=?windows-1252?B?YfFhLm118W96?=@example.com",
        "=?utf-8?q?a=C3=B1a.?= =?utf-8?q?mu=C3=B1oz?=@example.com",
        "=?utf-8?q?a=C3?==?utf-8?q?=B1a.mu=C3=B1oz?=@example.com",
        "a\xf1a.=?utf-8?q?mu=C3=B1oz?=@example.com", "an\u0303a.mun\u0303oz@example.com",
        "=?utf-8*es?q?an=CC=83a.mu=C3=B1oz?=@example.com", "<=?utf-8?q?a=C3=B1a.mu=C3=B1oz?=@example.com>",
        "Ana <=?utf-8?q?a=C3=B1a.mu=C3=B1oz?=@example.com>", "=?utf-8?q?a=C3=B1a.mu=C3=B1oz=40example.com?=",
        "rfc822; =?utf-8?q?a=C3=B1a.mu=C3=B1oz?=@example.com",
    ],
    "wes@example.com": [
        "\u200bwes@example.com\u00a0", "\ufeffwes@example.com", "wes@example.com\u200b\u200d",
        "\u2060wes@example.com\u00ad", "\u202fWes@example.com\u3000", "\u202awes@example.com\u202c",
        "\u200e<wes@example.com>\u200f", "<\u200bwes@example.com\u200b>", "Wes <\u00a0wes@example.com>",
        "\t\u00a0 wes@example.com\u2028", "wes@example.com\ufe0f", "\u2066wes@example.com\u2069",
    ],
}  # fmt: skip
"""By the address that is meant: how it is reported, imported and typed."""
NOBODY = [
    "we\u200bs@example.com", "wes\u200b@example.com", "wes@\u2060example.com", "wes@exam\u00adple.com",
    "we\u00a0s@example.com", "wes@example\u200d.com", "wes@example.com\u200bgil@example.com",
    "x400;gil@example.com", "rfc822;", "\u200b",
]  # fmt: skip
OTHERS = [
    "=?utf-8?q?wes=40example.com?=@attacker.example", "=?utf-8?q?we=E2=80=8Bs?=@example.com",
    "=?utf-8?q?w=C3s?=@example.com", "=?utf-8?b?!!!?=@example.com", "=?x?q?wes?=@example.com",
    "wes+x@example.com", "\uff57es@example.com", "'wes@example.com",
]  # fmt: skip
"""Addresses of others, or broken ones, that are kept as they are written."""


def test_each_spelling_of_an_address_finds_its_user_and_no_other(
    run, emulator, queue, database, either_store
):
    run("users", "import", "-", input=imported(*SPELLINGS))
    spellings = {spelling: key for key, some in SPELLINGS.items() for spelling in some}
    for spelling in [*spellings, *NOBODY, *OTHERS]:
        emulator.send(queue, mail.bounce(spelling))
    assert run("drain").status == 0
    found = {
        event["recipient_as_reported"]: (event["recipient"], event["user_match"])
        for event in database.rows("SELECT * FROM events")
    }
    assert found.items() >= {text: (key, "found") for text, key in spellings.items()}.items()
    assert {text: found[text] for text in NOBODY} == dict.fromkeys(NOBODY, ("", "no_address"))
    for text in OTHERS:
        key, match = found[text]
        assert (key.lower(), match) in {(text.lower(), "missing"), ("", "no_address")}
    assert [database.user(key)["hard_bounce_count"] for key in SPELLINGS] == [
        len(some) for some in SPELLINGS.values()
    ]


def quoted(text):
    """A field of a CSV file."""
    return '"' + text.replace('"', '""') + '"'


@pytest.mark.parametrize("key", SPELLINGS)
def test_an_address_is_the_same_at_import_in_feedback_in_patterns_and_in_every_command(
    run, emulator, queue, database, slack, ses, environment, key
):
    spellings = SPELLINGS[key]
    done = run("users", "import", "-", input=imported(*map(quoted, spellings)))
    assert (done.status, database.count("users")) == (0, 1), done.err
    for spelling in spellings:
        emulator.send(queue, mail.complaint(spelling))
    assert run("drain").status == 0
    assert database.user(key)["complaint_count"] == len(spellings)
    assert len(slack.posts) > 0
    for spelling in spellings[:6]:
        assert run("may-send", spelling).status == 3
    for command in (["why"], ["users", "show"]):
        done = run(*command, spellings[0], "--json")
        assert key in json.dumps(done.json, ensure_ascii=False), done.err

    posted = len(slack.posts)
    environment[IGNORE] = json.dumps(
        [spelling for spelling in spellings if " " not in spelling][1:2]
    )
    emulator.send(queue, mail.complaint(spellings[0]))
    run("drain")
    assert len(slack.posts) == posted
    environment[IGNORE] = "[]"
    environment[REMOVE] = json.dumps([f"\u200b{key}\u00a0"])
    ses.list_address(key)
    emulator.send(queue, mail.bounce(spellings[1]))
    run("drain")
    assert ses.listed == []
    assert run("suppression", "restore", spellings[1]).status == 0
    assert ses.listed == [key]
    assert run("users", "remove", spellings[2]).status == 0
    assert database.count("users") == 0


def disguised(sender):
    """Diagnostics after report 51, with the person's name and domain to be hidden."""
    return [
        rf"smtp; 550 no such user raj\u0040{sender} raj(at){sender} raj [at] {sender} rfc822;raj@{sender}",
        rf"550 raj%40{sender}: unknown, raj%2540{sender}, raj=40{sender}",
        f"550 raj{{at}}{sender} RAJ (AT) {sender.upper()} raj <at> {sender}",
        f"550 raj at {sender} is unknown at this host",
        f"550 Raj AT {sender.replace('.', ' DOT ')}",
        f"550 r a j @ {' '.join(sender)}",
        f"550 {' '.join('raj')} at {sender}",
        f"550 raj@{sender.replace('.', '[.]')} and raj (at) {sender.replace('.', ' (dot) ')}",
        f"550 raj\uff20{sender}",
        f"550 {''.join(chr(ord(c) + 0xFEE0) for c in f'raj@{sender}')}",
        f"550 raj&#64;{sender} raj&#x40;{sender} raj&commat;{sender}",
        rf"550 raj\\u0040{sender} raj\x40{sender}",
        f"550 r\u200baj at {sender}, raj\u00a0at\u00a0{sender}",
        f"550 raj_at_{sender} raj *at* {sender}",
    ]


@pytest.mark.parametrize("orderly", [True, False], ids=["one by one", "in a digest"])
def test_no_line_and_no_masked_notice_shows_an_address_in_disguise(
    run, daemon, emulator, queue, database, slack, environment, orderly
):
    environment["SES_WORKER_SLACK__ADDRESSES"] = "masked"
    report = json.loads(FILES["51"].read_text(encoding="utf-8"))
    bodies = [json.dumps(report)]
    for number, diagnostic in enumerate(disguised("example.com")):
        (entry,) = report["bounce"]["bouncedRecipients"]
        entry |= {"diagnosticCode": diagnostic, "originalRecipient": diagnostic}
        report["bounce"]["feedbackId"] = f"feedback-{number}"
        report["mail"] |= {"messageId": f"mail-{number}", "destination": [diagnostic]}
        bodies.append(json.dumps(report))
    if not orderly:
        for body in bodies * 2:
            emulator.send(queue, body)
    worker = daemon()
    sent_to(emulator, queue, bodies)
    assert emulator.wait_for(
        lambda: not database.rows("SELECT 1 FROM outbox WHERE state <> 'delivered'"), seconds=60
    )
    assert worker.stop()[0] == 0
    assert database.count("events") == len(bodies)
    shown = [line for line in worker.lines if "bounce_notification" in line]
    assert len(shown) == len(bodies)
    for text in [*worker.lines, *(json.dumps(post, ensure_ascii=False) for post in slack.posts)]:
        assert "raj" not in read(text.replace("\\\\", "\\")), text


class TestTenants:
    @pytest.fixture
    def report(self, environment, ses):
        environment[REMOVE] = '["@example.com"]'
        ses.list_address("xia@example.com")
        ses.list_address("xia@example.com", tenant="acme")
        return json.loads(FILES["31"].read_text(encoding="utf-8"))

    @pytest.mark.parametrize(
        "subtype", ["OnTenantSuppressionList", "ONTENANTSUPPRESSIONLIST", "ontenantsuppressionlist"]
    )
    def test_a_removal_is_requested_from_the_tenants_list_and_never_from_the_accounts(
        self, run, daemon, emulator, queue, database, slack, ses, report, either_store, subtype
    ):
        report["bounce"]["bounceSubType"] = subtype
        worker = daemon()
        sent_to(emulator, queue, [json.dumps(report)])
        assert emulator.wait_for(lambda: len(slack.posts) == 2, seconds=20)
        assert worker.stop()[0] == 0
        assert {call.tenant for call in ses.calls} == {"acme"}
        assert (ses.listed, ses.listed_for("acme")) == (["xia@example.com"], [])
        (deleted,) = (post for post in slack.posts if post["text"].startswith("DELETE"))
        assert "acme" in json.dumps(deleted["blocks"])
        assert "the suppression list of tenant acme" in run("why", "xia@example.com").out
        assert database.rows("SELECT tenant FROM removals") == [{"tenant": "acme"}]

        assert run("suppression", "restore", "xia@example.com", "--account").status == 1
        restored = run("suppression", "restore", "xia@example.com")
        assert restored.status == 0
        assert restored.out.startswith("it is on the list of tenant acme again: xia@example.com")
        assert ses.listed_for("acme") == ["xia@example.com"]
        assert {call.tenant for call in ses.calls} == {"acme"}

    @pytest.mark.parametrize("tags", [None, {}, {"ses:tenant-name": []}, {"ses:tenant-name": [""]}])
    def test_without_the_tenants_name_nothing_is_called_and_people_are_notified(
        self, run, emulator, queue, slack, ses, report, tags
    ):
        report["mail"]["tags"] = tags
        emulator.send(queue, json.dumps(report))
        run("drain")
        assert ses.calls == []
        (kept,) = (post for post in slack.posts if post["text"].startswith("NOT DELETED"))
        assert "does not name the tenant" in json.dumps(kept)

    @pytest.mark.parametrize("subtype", ["General", "Suppressed", "OnAccountSuppressionList"])
    def test_any_other_bounce_of_a_tenants_mail_asks_the_accounts_list(
        self, run, emulator, queue, slack, ses, report, subtype
    ):
        report["bounce"]["bounceSubType"] = subtype
        emulator.send(queue, json.dumps(report))
        run("drain")
        assert {call.tenant for call in ses.calls} == {""}
        assert (ses.listed, ses.listed_for("acme")) == ([], ["xia@example.com"])


@pytest.mark.parametrize(
    ("type", "subtype", "action"),
    [
        ("PERMANENT", "GENERAL", "hard_bounce"),
        ("permanent", "noemail", "hard_bounce"),
        ("TRANSIENT", "MAILBOXFULL", "soft_bounce"),
        ("tRaNsIeNt", "General", "soft_bounce"),
        ("UNDETERMINED", "UNDETERMINED", "no_action"),
        ("PERMANENT", "UNSUBSCRIBEDRECIPIENT", "no_action"),
        ("Permanent", "unsubscribedRecipient", "no_action"),
        ("Transient", "UnsubscribedRecipient", "no_action"),
    ],
)
def test_types_count_in_any_case_and_an_opt_out_is_no_bounce(
    run, emulator, queue, database, type, subtype, action
):
    run("users", "import", "-", input=imported("vic@example.com"))
    emulator.send(queue, mail.bounce("vic@example.com", type=type, subtype=subtype))
    run("drain")
    (event,) = database.rows("SELECT * FROM events")
    assert (event["type"], event["subtype"], event["action"]) == (type, subtype, action)
    assert (event["reason"] == "unsubscribed") == ("unsubscribed" in subtype.lower())
    assert database.user("vic@example.com")["hard_bounce_count"] == (action == "hard_bounce")
