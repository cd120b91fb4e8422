"""What is kept of SES's `mail` object: who sent the mail, when, from where, with which tags."""

import json
from datetime import UTC, datetime

import pytest
from support import mail as mails

from worker.core import limits
from worker.core.decode import decode
from worker.core.model import Route, SentMail

SOURCE_ARN = "arn:aws:ses:eu-west-1:111122223333:identity/example.com"
WHOLE = {
    "timestamp": "2026-11-20T08:15:30.118Z",
    "source": "Example Notices <Notices@Mail.Example.com>",
    "sourceArn": SOURCE_ARN,
    "sendingAccountId": "111122223333",
    "tags": {
        "ses:configuration-set": ["transactional"],
        "ses:tenant-name": ["acme"],
        "ses:source-ip": ["192.0.2.1"],
        "campaign": ["spring", "2026"],
    },
}


def sent(**fields):
    """What is kept of a bounce whose `mail` has these fields besides its id."""
    body = json.loads(mails.bounce("jane@example.com", event=True))
    body["mail"] |= fields
    (feedback,) = decode(json.dumps(body))
    return feedback.notification.mail


def test_all_is_kept_and_ses_s_own_tags_are_left_out():
    assert sent(**WHOLE) == SentMail(
        configuration_set="transactional",
        tenant="acme",
        sender="notices@mail.example.com",
        sent_at=datetime(2026, 11, 20, 8, 15, 30, 118_000, tzinfo=UTC),
        account_id="111122223333",
        region="eu-west-1",
        tags='{"campaign":["spring","2026"]}',
    )


def test_what_is_missing_is_empty():
    assert sent(timestamp=None) == SentMail()


@pytest.mark.parametrize("name", ["timestamp", "source", "sourceArn", "sendingAccountId", "tags"])
@pytest.mark.parametrize("value", [7, None, [], {}, "", "nonsense", {"a": {"b": 1}}, [["x"]]])
def test_a_value_that_is_wrong_harms_no_other(name, value):
    found, expected = sent(**(WHOLE | {name: value})), sent(**WHOLE)
    differing = {
        field
        for field in SentMail.__struct_fields__
        if getattr(found, field) != getattr(expected, field)
    }
    assert (
        differing
        <= {
            "timestamp": {"sent_at"},
            "source": {"sender"},
            "sourceArn": {"region"},
            "sendingAccountId": {"account_id"},
            "tags": {"configuration_set", "tenant", "tags"},
        }[name]
    )


def test_of_tags_that_are_wrong_in_part_the_others_are_kept():
    tags = {"a": "text", "b": 7, "c": ["x", 1], "d": [], "ses:tenant-name": ["acme"], "e": ["y"]}
    found = sent(tags=tags)
    assert (found.tenant, json.loads(found.tags)) == ("acme", {"a": ["text"], "e": ["y"]})


def test_headers_of_a_notification_name_the_configuration_set_and_the_tags():
    headers = [
        {"name": "X-Ses-Configuration-Set", "value": " bulk "},
        {"name": "Subject", "value": 7},
        "nonsense",
        {"name": "X-SES-MESSAGE-TAGS", "value": "campaign=spring, kind = news,nonsense,ses:x=y"},
    ]
    found = sent(headers=headers)
    assert found.configuration_set == "bulk"
    assert json.loads(found.tags) == {"campaign": ["spring"], "kind": ["news"]}


def test_tags_of_an_event_win_over_headers():
    headers = [{"name": "X-SES-CONFIGURATION-SET", "value": "forged"}]
    assert sent(headers=headers, **WHOLE).configuration_set == "transactional"


def test_what_a_sender_writes_is_bounded():
    long = "n" * 5_000
    tags = {f"{number}": ["v"] * 40 for number in range(199)} | {long: [long]}
    tags = dict(reversed(tags.items()))
    found = sent(tags={"ses:configuration-set": [long], "ses:tenant-name": ["\0" * 900], **tags})
    kept = json.loads(found.tags)
    assert len(kept) == limits.MOST_TAGS
    cut = f"{long[: limits.LONGEST_TAG - 1]}…"
    assert kept.pop(cut) == [cut]
    assert {len(values) for values in kept.values()} == {limits.MOST_TAG_VALUES}
    assert found.configuration_set == f"{long[: limits.LONGEST_NAME - 1]}…"
    assert "\0" not in found.tenant
    assert len(sent(headers=[{"name": "X-SES-MESSAGE-TAGS", "value": "a=b," * 9_999}]).tags) < 99


def test_all_tags_that_ses_allows_are_kept():
    tags = {f"{number:0256}": ["v" * limits.LONGEST_TAG] for number in range(limits.MOST_TAGS)}
    assert json.loads(sent(tags=tags).tags) == tags


def test_the_tags_of_a_mail_are_bounded_together_since_each_recipients_row_has_them():
    tags = {f"{number:0256}": ["\1" * 256] * 10 for number in range(limits.MOST_TAGS)}
    written = sent(tags=tags).tags
    assert len(written) <= limits.LONGEST_TAGS
    assert json.loads(written).items() <= tags.items()


@pytest.mark.parametrize("enveloped", [True, False])
def test_the_route_is_that_of_the_wrapper(enveloped):
    body = mails.bounce("jane@example.com")
    (feedback,) = decode(mails.enveloped(body) if enveloped else body)
    assert feedback.notification.route is (Route.SNS if enveloped else Route.RAW)
