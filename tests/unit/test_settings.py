"""Settings: where they come from, which wins, and what is reported when a setting is wrong."""

import os
from datetime import timedelta

import pytest
from msgspec.structs import replace

from worker.core.acceptance import EventBridge
from worker.core.backtesting import deciding_fields
from worker.core.errors import Misconfigured, Unavailable
from worker.core.model import Action
from worker.core.policy import Policy, UnknownRecipients
from worker.settings import Settings, inputs
from worker.settings.loading import NOT_BUILT, all_keys, load_settings
from worker.store import open_store
from worker.store.in_force import as_kept

URL = "https://sqs.eu-west-1.amazonaws.com/111122223333/feedback"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "worker.toml"
    path.write_text(f'[queue]\nurl = "{URL}"\nwait_seconds = 5\n', encoding="utf-8")
    return path


def complaints(environment, file=None):
    with pytest.raises(Misconfigured) as caught:
        load_settings(environment, file)
    return str(caught.value).splitlines()


def test_without_anything_the_defaults_hold():
    settings = load_settings({})
    assert settings.queue.model_dump() == {
        "url": None,
        "dead_letter_url": None,
        "wait_seconds": 20,
        "visibility_seconds": 60,
        "pollers": 8,
        "client": "lean",
    }
    assert settings.as_policy() == Policy(
        hard_bounce_pause=timedelta(days=30),
        soft_bounce_pause=timedelta(days=1),
        notices_with_json=0,  # no channel shows any
    )


def test_the_file_is_read_and_the_environment_wins(file):
    settings = load_settings({"SES_WORKER_QUEUE__WAIT_SECONDS": "7"}, file)
    assert (settings.queue.url, settings.queue.wait_seconds) == (URL, 7)


def test_the_file_can_be_named_by_the_environment_and_the_option_wins(file, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text("[queue]\nwait_seconds = 6\n", encoding="utf-8")
    assert load_settings({"SES_WORKER_CONFIG": str(file)}).queue.wait_seconds == 5
    assert load_settings({"SES_WORKER_CONFIG": str(file)}, other).queue.wait_seconds == 6


def test_a_credential_wins_over_the_file_and_the_environment_over_both(tmp_path):
    (tmp_path / "store_url").write_text("postgresql://u:s3cret@db/app\n", encoding="utf-8")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert load_settings(environment).store.url.get_secret_value() == "postgresql://u:s3cret@db/app"
    environment["SES_WORKER_STORE__URL"] = "sqlite:////tmp/x.db"
    assert load_settings(environment).store.url.get_secret_value() == "sqlite:////tmp/x.db"


def test_lists_and_tables_stand_in_the_environment_as_json():
    settings = load_settings(
        {
            "SES_WORKER_SNS__TOPIC_ARNS": '["arn:aws:sns:eu-west-1:1:a"]',
            "SES_WORKER_POLICY__BOUNCE_ACTIONS": '{"Transient/MessageTooLarge": "no_action"}',
            "SES_WORKER_POLICY__UNKNOWN_RECIPIENTS": "create",
        }
    )
    policy = settings.as_policy()
    assert policy.acceptance.topics == {"arn:aws:sns:eu-west-1:1:a"}
    assert policy.bounce_actions == {"Transient/MessageTooLarge": Action.NO_ACTION}
    assert policy.unknown_recipients is UnknownRecipients.CREATE


def test_a_relative_store_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_settings({}).store.url.get_secret_value() == f"sqlite:///{tmp_path}/ses-worker.db"


def test_no_secret_is_shown():
    settings = load_settings({"SES_WORKER_STORE__URL": "postgresql://u:s3cret@db/app"})
    assert "s3cret" not in repr(settings)


class TestPolicies:
    def policy(self, **keys):
        names = {f"SES_WORKER_POLICY__{name.upper()}": value for name, value in keys.items()}
        return replace(load_settings(names).as_policy(), notices_with_json=10)

    def wrong(self, **keys):
        (line,) = complaints(
            {f"SES_WORKER_POLICY__{name.upper()}": value for name, value in keys.items()}
        )
        return line

    def test_all_are_off_by_default(self):
        policy = Policy()
        assert self.policy() == policy
        assert (policy.needs_past, policy.forgives) == (False, False)
        assert {rule.setting for rule in policy.rules} == {""}

    def test_each_setting_becomes_a_field_of_the_policy(self):
        assert self.policy(
            soft_bounces_to_pause="3",
            soft_bounce_window_days="7",
            track_deliveries="true",
            repeat_pause_days="60",
            ignore_out_of_office="true",
            trust_status="true",
            complaint_block_days="0.5",
        ) == Policy(
            soft_bounces_to_pause=3,
            soft_bounce_window=timedelta(days=7),
            track_deliveries=True,
            repeat_pause=timedelta(days=60),
            ignore_out_of_office=True,
            trust_status=True,
            complaint_block=timedelta(hours=12),
        )

    def test_several_soft_bounces_need_deliveries_which_forgive_them(self):
        assert self.wrong(soft_bounces_to_pause="2") == (
            "policy.soft_bounces_to_pause = 2 needs policy.track_deliveries = true: a later "
            "delivery forgives soft bounces"
        )
        assert self.policy(soft_bounces_to_pause="2", track_deliveries="true").forgives

    def test_a_window_alone_has_no_effect(self):
        assert "policy.soft_bounce_window_days has no effect" in self.wrong(
            soft_bounce_window_days="7"
        )

    @pytest.mark.parametrize("days", ["0.5", "1"])
    def test_a_longer_pause_is_longer_than_the_ordinary_pause(self, days):
        assert "lengthens no pause" in self.wrong(repeat_pause_days=days)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("soft_bounces_to_pause", "0"),
            ("soft_bounces_to_pause", "101"),
            ("soft_bounces_to_pause", "1.5"),
            ("soft_bounce_window_days", "0"),
            ("soft_bounce_window_days", "91"),
            ("repeat_pause_days", "-1"),
            ("complaint_block_days", "-1"),
            ("complaint_block_days", "36501"),
            ("ignore_out_of_office", "perhaps"),
        ],
    )
    def test_a_value_out_of_range_is_named(self, key, value):
        assert self.wrong(**{key: value}).startswith(f"policy.{key}: ")


class TestEventBridge:
    TOPICS = '["arn:aws:sns:eu-west-1:1:a"]'

    @pytest.mark.parametrize(
        ("written", "topics", "resolved"),
        [
            ("auto", "[]", EventBridge.ACCEPTED),
            ("auto", TOPICS, EventBridge.BY_TOPIC),
            ("true", TOPICS, EventBridge.ACCEPTED),
            ("True", "[]", EventBridge.ACCEPTED),
            ("false", "[]", EventBridge.REFUSED),
            ("FALSE", TOPICS, EventBridge.REFUSED),
        ],
    )
    def test_auto_asks_for_proof_where_topics_are_named(self, written, topics, resolved):
        environment = {
            "SES_WORKER_EVENTBRIDGE__ACCEPT": written,
            "SES_WORKER_SNS__TOPIC_ARNS": topics,
        }
        assert load_settings(environment).as_policy().acceptance.eventbridge is resolved

    @pytest.mark.parametrize(
        ("written", "resolved"),
        [
            ("true", EventBridge.ACCEPTED),
            ("false", EventBridge.REFUSED),
            ('"true"', EventBridge.ACCEPTED),
            ('"auto"', EventBridge.ACCEPTED),
        ],
    )
    def test_toml_may_have_true_or_a_word(self, file, written, resolved):
        file.write_text(f"[eventbridge]\naccept = {written}\n", encoding="utf-8")
        assert load_settings({}, file).as_policy().acceptance.eventbridge is resolved

    def test_accounts_are_listed(self):
        settings = load_settings({"SES_WORKER_EVENTBRIDGE__ACCOUNTS": '["111122223333"]'})
        assert settings.as_policy().acceptance.accounts == {"111122223333"}


class TestWhatIsWrong:
    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            (
                "QUEUE__WAIT_SECONDS",
                "21",
                "queue.wait_seconds: input should be less than or equal to 20",
            ),
            (
                "QUEUE__WAIT_SECONDS",
                "0",
                "queue.wait_seconds: input should be greater than or equal to 1",
            ),
            ("QUEUE__WAIT_SECONDS", "soon", "queue.wait_seconds: input should be a valid integer"),
            ("QUEUE__URL", "feedback", "queue.url: must be a queue's URL"),
            ("QUEUE__URL", URL + ".fifo", "queue.url: must be a standard queue"),
            ("STORE__URL", "mysql://db", "store.url: must be sqlite:///PATH or postgresql://"),
            ("STORE__URL", "sqlite://", "store.url: must be sqlite:///PATH or postgresql://"),
            ("STORE__MIGRATE", "maybe", "store.migrate: input should be 'auto' or 'manual'"),
            (
                "POLICY__UNKNOWN_RECIPIENTS",
                "x",
                "policy.unknown_recipients: input should be 'record', 'create'",
            ),
            (
                "POLICY__BOUNCE_ACTIONS",
                '{"Transient": "no_action"}',
                "policy.bounce_actions: 'Transient' must be",
            ),
            (
                "POLICY__BOUNCE_ACTIONS",
                '{"Transient/*": "x"}',
                "policy.bounce_actions.Transient/*: input should",
            ),
            ("SNS__TOPIC_ARNS", '["feedback"]', "sns.topic_arns: must be ARNs of topics"),
            (
                "EVENTBRIDGE__ACCEPT",
                "yes",
                "eventbridge.accept: input should be 'auto', 'true' or 'false'",
            ),
            (
                "EVENTBRIDGE__ACCOUNTS",
                '["11112222333"]',
                "eventbridge.accounts: '11112222333' must be the id of an AWS account",
            ),
            ("EVENTBRIDGE__ACCOUNTS", "[111122223333]", "eventbridge.accounts"),
            ("LOG__LEVEL", "loud", "log.level: input should be 'debug'"),
            ("SNS__TOPIC_ARNS", '{"a": 1}', "sns.topic_arns: must be a list"),
            ("POLICY__BOUNCE_ACTIONS", "[]", "policy.bounce_actions: must be a table"),
            ("STORE__URL", "sqlite:///:memory:", "store.url: must be a file"),
            ("SLACK__API_URL", "http://slack.com/api/", "slack.api_url: must begin with https://"),
        ],
    )
    def test_a_bad_value_is_named_with_its_place_and_not_repeated(self, name, value, expected):
        (line,) = complaints({f"SES_WORKER_{name}": value})
        assert line.startswith(expected)
        assert line.endswith(f"(in SES_WORKER_{name})")

    def test_a_list_that_is_no_json(self):
        assert complaints({"SES_WORKER_SNS__TOPIC_ARNS": "a,b"}) == [
            "SES_WORKER_SNS__TOPIC_ARNS must be JSON, such as [] or {}"
        ]

    def test_an_unknown_key_in_the_file_is_named_with_what_may_be_meant(self, file):
        file.write_text("[queue]\nwait_second = 5\n[quack]\nx = 1\n", encoding="utf-8")
        assert complaints({}, file) == [
            f"queue.wait_second is not a setting; did you mean queue.wait_seconds? (in {file})",
            f"quack is not a setting (in {file})",
        ]

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            (
                "[polcy]\nhard_bounce_pause_days = 3",
                "polcy is not a setting; did you mean [policy]?",
            ),
            ("[slak]", "slak is not a setting; did you mean [slack]?"),
            ("[queues]\nurl = 'x'", "queues is not a setting; did you mean [queue]?"),
            ("[queue]\nregion = 'x'", "queue.region is not a setting; did you mean aws.region?"),
            ("[http]\ncarrots = 1", "http.carrots is not a setting"),
        ],
    )
    def test_a_misspelt_section_and_a_key_of_another_section_are_answered(
        self, file, line, expected
    ):
        file.write_text(f"{line}\n", encoding="utf-8")
        assert complaints({}, file) == [f"{expected} (in {file})"]

    def test_the_error_of_a_key_above_all_sections_names_the_section(self, file):
        file.write_text("region = 'eu-west-1'\n", encoding="utf-8")
        assert complaints({}, file) == [
            f"region is not in any [section] of {file}; it belongs below [aws]"
        ]
        file.write_text("carrots = 1\n", encoding="utf-8")
        assert complaints({}, file) == [f"carrots is not in any [section] of {file}"]

    @pytest.mark.parametrize("name", ["SES_WORKER_TYPO", "SES_WORKER_QUEUE__URLS", "SES_WORKER_"])
    def test_an_unknown_variable_is_named(self, name):
        (line,) = complaints({name: "x"})
        assert "is not a setting" in line
        assert line.endswith(f"(in {name})")

    @pytest.mark.parametrize("key", sorted(NOT_BUILT))
    def test_a_setting_whose_feature_is_not_built_is_refused(self, key):
        section, _, name = key.partition(".")
        (line,) = complaints({f"SES_WORKER_{section.upper()}__{(name or 'x').upper()}": "1"})
        assert "belongs to a feature that this version does not have" in line

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("SES_WORKER_", "an empty name is not a setting"),
            (
                "SES_WORKER_QUEUE_URL",
                "queue_url is not a setting; did you mean SES_WORKER_QUEUE__URL?",
            ),
            (
                "SES_WORKER_QUEUE__URLS",
                "queue.urls is not a setting; did you mean SES_WORKER_QUEUE__URL?",
            ),
            (
                "SES_WORKER_POLCY__UNKNOWN_RECIPIENTS",
                "polcy is not a setting; did you mean SES_WORKER_POLICY__UNKNOWN_RECIPIENTS?",
            ),
            ("SES_WORKER_QUEUE", "queue is not a setting; did you mean SES_WORKER_QUEUE__URL?"),
        ],
    )
    def test_a_variable_is_answered_with_the_variable_that_may_be_meant(self, name, expected):
        assert complaints({name: "x"}) == [f"{expected} (in {name})"]

    def test_a_section_without_keys_is_named_like_any_other(self, file):
        file.write_text("[foo]\n[webhook]\n[queue]\n[policy.bounce_actions]\n", encoding="utf-8")
        assert complaints({}, file) == [
            f"foo is not a setting (in {file})",
            f"webhook belongs to a feature that this version does not have (in {file})",
        ]

    @pytest.mark.parametrize(
        "key",
        [
            "queue.wait_seconds", "queue.visibility_seconds", "queue.pollers",
            "policy.hard_bounce_pause_days", "policy.soft_bounce_pause_days",
        ],
    )  # fmt: skip
    def test_true_is_no_number(self, file, key):
        section, _, name = key.partition(".")
        file.write_text(f"[{section}]\n{name} = true\n", encoding="utf-8")
        assert complaints({}, file) == [f"{key}: must be a number, not true or false (in {file})"]

    @pytest.mark.parametrize("value", ["nan", "inf", "-1"])
    def test_a_pause_is_a_finite_number_of_days(self, file, value):
        file.write_text(f"[policy]\nsoft_bounce_pause_days = {value}\n", encoding="utf-8")
        assert complaints({}, file)[0].startswith("policy.soft_bounce_pause_days: input should be")

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "https:///a/b",
            "https://h/a/",
            "https://h//a",
            "https://h:99999/a/b",
            "https://h:x/a/b",
            "https://[::1/a/b",
            "https://h/a/b c",
            "https://h/a/b?x=1",
            "https://h/a/b#x",
            "https://me:s3cret@h/a/b",
            "ftp://h/a/b",
            "https://h/a/bü",
        ],
    )
    def test_what_is_no_queue_is_refused(self, url):
        (line,) = complaints({"SES_WORKER_QUEUE__URL": url})
        assert line.startswith("queue.url: must be a queue's URL")
        (line,) = complaints({"SES_WORKER_QUEUE__DEAD_LETTER_URL": url})
        assert line.startswith("queue.dead_letter_url: must be a queue's URL")

    def test_a_slash_behind_it_makes_a_fifo_queue_no_standard_queue(self):
        (line,) = complaints({"SES_WORKER_QUEUE__URL": f"{URL}.fifo/"})
        assert line.startswith("queue.url: must be a standard queue")

    def test_a_queue_is_not_its_own_dead_letter_queue(self, file):
        file.write_text(f'[queue]\nurl = "{URL}"\ndead_letter_url = "{URL}/"\n', encoding="utf-8")
        assert complaints({}, file) == ["queue.dead_letter_url and queue.url are the same queue"]

    def test_every_error_is_reported_at_once(self):
        lines = complaints(
            {"SES_WORKER_QUEUE__POLLERS": "0", "SES_WORKER_LOG__FORMAT": "x", "SES_WORKER_A": "1"}
        )
        assert len(lines) == 3

    @pytest.mark.parametrize(("folder", "whose"), [("", ""), ("-eu", ".eu")])
    def test_a_credential_is_named_by_where_an_operator_finds_it(self, tmp_path, folder, whose):
        (tmp_path / "slack_webhook_url").write_text("nonsense", encoding="utf-8")
        environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
        (line,) = complaints(environment | {"RUNTIME_DIRECTORY": f"/run/ses-worker{folder}"})
        name = "slack_webhook_url"
        assert f"(in the credential {name}: /etc/credstore/ses-worker{whose}.{name})" in line
        (line,) = complaints(environment | {"RUNTIME_DIRECTORY": "/run/another"})
        assert f"(in {tmp_path / name})" in line

    def test_a_missing_queue_setting_is_reported_with_the_file_that_was_read(self, tmp_path):
        file = tmp_path / "mine.toml"
        file.write_text("", encoding="utf-8")
        assert f"set it in {file}, or" in load_settings({}, file).lack_of_queue
        assert "set it in a settings file" in Settings().lack_of_queue

    def test_a_file_that_is_missing_broken_or_without_sections(self, tmp_path):
        assert complaints({}, tmp_path / "none.toml") == [
            f"cannot read the settings in {tmp_path / 'none.toml'}: No such file or directory"
        ]
        broken = tmp_path / "broken.toml"
        broken.write_text("queue = \n", encoding="utf-8")
        assert complaints({}, broken)[0].startswith(f"{broken} is not TOML: ")
        broken.write_text("# [aws]\n[aws]\n[queue]\n[aws] # mine\nregion = 'x'\n", encoding="utf-8")
        (line,) = complaints({}, broken)
        assert "[aws] is in it twice; move its keys below the [aws] at line 2 (at line 4" in line
        broken.write_text('url = "x"\n', encoding="utf-8")
        assert complaints({}, broken) == [
            f"url is not in any [section] of {broken}; it belongs below [queue] or [store]"
        ]

    @pytest.mark.parametrize(
        ("content", "place", "hint"),
        [
            (b"[queue]\nurl = https://s3cret\n", "(at line 2", 'a text is in quotes: url = "'),
            (b"[queue]\r\nurl\t=\ts3cret\r\n", "(at line 2", 'a text is in quotes: url = "'),
            (b"[http]\nlisten = 127.0.0.1:9109\n", "(at line 2", "a text is in quotes: listen"),
            (b"\xef\xbb\xbf[queue]\n", "byte order mark", "sed -i '1s/^\\xef\\xbb\\xbf//' "),
            ("[log]\n".encode("utf-16"), "is UTF-16 text", "iconv -f UTF-16 -t UTF-8"),
            (
                b'[slack]\nusername = "Bj\xf6rn"\n',
                "byte 0xF6, in Windows-1252 \u00f6 at line 2",
                "iconv -f WINDOWS-1252 -t UTF-8",
            ),
            ("[queue]\nurl = \u201cs3cret\u201d\n".encode(), "(at line 2", 'write " instead'),
            ("[queue]\n\u00a0pollers = 3\n".encode(), "(at line 2", "character (U+00A0)"),
            (b"[suppression]\nremove_complaints = True\n", "(at line 2", "write true, without"),
            (b"[suppression]\nremove_complaints = no\n", "(at line 2", "write false, without"),
            (b"[queue]\nwait_seconds = 20s\n", "(at line 2", "no unit: wait_seconds = 20"),
            (
                b"[queue]\nurl = 's3cret'\nurl = ''\n",
                "(at line 3",
                "url is there already, at line 2",
            ),
            (b"[queue]\nurl: 's3cret'\n", "(at line 2", "url = \u2026"),
            (b"[queue]\nurl =\n", "(at line 2", 'an empty text is url = ""'),
            (b"[notify]\nignore = [s3cret]\n", "(at line 2", 'ignore = ["\u2026", "\u2026"]'),
            (b'[queue]\nurl = "s3cret\n', "(at line 2", "the quotes end where the value ends"),
            (b'[store]\nurl = "C:\\s3cret"\n', "(at line 2", "a backslash is doubled"),
            (b"; s3cret\n", "(at line 1", "a comment begins with #"),
        ],
    )
    def test_a_file_that_is_no_toml_is_reported_with_what_to_change_and_no_value(
        self, tmp_path, content, place, hint
    ):
        file = tmp_path / "worker.toml"
        file.write_bytes(content)
        (line,) = complaints({}, file)
        assert line.startswith(f"{file} ")
        assert place in line
        assert hint in line
        assert "s3cret" not in line

    @pytest.mark.parametrize(
        "content", [b"[log]\r\nlevel = 'debug'\r\n", b"[log]\n\tlevel\t= 'debug'"]
    )
    def test_tabs_and_windows_ends_of_lines_are_toml(self, tmp_path, content):
        file = tmp_path / "worker.toml"
        file.write_bytes(content)
        assert load_settings({}, file).log.level == "debug"

    @pytest.mark.parametrize(
        ("name", "content", "expected"),
        [
            ("slack_webhook_url", b"", "is empty: write the secret into it, or remove it"),
            ("store_url", b" \n", "is empty: write the secret into it, or remove it"),
            ("slack_webhok_url", b"x", "is not read; did you mean slack_webhook_url?"),
            ("aws_credential", b"x", "is not read; did you mean aws_credentials?"),
            ("slack_token", b"\xef\xbb\xbfx", "begins with a byte order mark (BOM)"),
        ],
    )
    def test_a_credential_that_is_empty_or_misspelt_is_named(
        self, tmp_path, name, content, expected
    ):
        (tmp_path / name).write_bytes(content)
        (tmp_path / "aws_credentials").touch()
        (tmp_path / "of_something_else").touch()
        (line,) = complaints({"CREDENTIALS_DIRECTORY": str(tmp_path)})
        assert name in line
        assert expected in line


@pytest.mark.parametrize("written", [f" {URL}\n", f"{URL}/", f"{URL}//"])
def test_what_surrounds_a_queues_url_is_trimmed(written):
    assert load_settings({"SES_WORKER_QUEUE__URL": written}).queue.url == URL


@pytest.mark.parametrize(
    "url", ["http://localhost:4566/000000000000/q", "http://[::1]:4566/queue/us-east-1/0/q"]
)
def test_a_local_queue_is_a_queue(url):
    assert load_settings({"SES_WORKER_QUEUE__URL": url}).queue.url == url


class TestWhatCannotBeEntered:
    @pytest.fixture
    def locked(self, tmp_path):
        """A folder that is not ours to enter; root is somebody else for the test."""
        folder = tmp_path / "locked"
        folder.mkdir()
        (folder / "worker.toml").touch()
        (folder / "store_url").touch()
        folder.chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65_534)
        yield folder
        if root:
            os.seteuid(0)
        folder.chmod(0o700)

    def test_the_settings_file(self, locked):
        output = [f"cannot read the settings in {locked / 'worker.toml'}: Permission denied"]
        assert complaints({}, locked / "worker.toml") == output
        assert complaints({"SES_WORKER_CONFIG": str(locked / "worker.toml")}) == output

    def test_the_default_file(self, locked, monkeypatch):
        monkeypatch.setattr(inputs, "DEFAULT_FILE", locked / "worker.toml")
        assert complaints({}) == [
            f"cannot read the settings in {locked / 'worker.toml'}: Permission denied"
        ]

    def test_the_credentials(self, locked):
        assert complaints({"CREDENTIALS_DIRECTORY": str(locked)}) == [
            f"cannot read the credential in {locked / 'store_url'}: Permission denied"
        ]

    def test_the_stores_folder(self, locked):
        store = open_store(f"sqlite:///{locked}/worker.db")
        with pytest.raises(Unavailable, match=r"^store\.url: .*: Permission denied$"):
            store.revision()


def test_a_directory_is_no_settings_file(tmp_path):
    assert complaints({}, tmp_path) == [f"cannot read the settings in {tmp_path}: Is a directory"]


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Settings().queue.pollers = 5


def test_every_key_has_a_section():
    assert "queue.url" in all_keys()
    assert all(key.count(".") == 1 for key in all_keys())


class TestObservability:
    @pytest.mark.parametrize(
        ("text", "address"),
        [
            ("127.0.0.1:9109", ("127.0.0.1", 9109)),
            (" 0.0.0.0:80 ", ("0.0.0.0", 80)),
            ("localhost:0", ("localhost", 0)),
            ("[::1]:9109", ("::1", 9109)),
            ("", None),
        ],
    )
    def test_an_address_to_listen_on(self, text, address):
        assert load_settings({"SES_WORKER_HTTP__LISTEN": text}).http.address == address

    @pytest.mark.parametrize(
        "text", ["9109", ":9109", "127.0.0.1", "127.0.0.1:", "::1:9109", "h:70000", "h:-1", "a b:1"]
    )
    def test_what_is_none(self, text):
        (line,) = complaints({"SES_WORKER_HTTP__LISTEN": text})
        assert line.startswith("http.listen: must be HOST:PORT")

    def test_systemd_gives_the_health_file_its_place_unless_somebody_says_otherwise(self, tmp_path):
        given = {"RUNTIME_DIRECTORY": "/run/ses-worker:/run/other"}
        assert str(load_settings(given).health.file) == "/run/ses-worker/health.json"
        file = tmp_path / "worker.toml"
        file.write_text('[health]\nfile = "/srv/health.json"\n', encoding="utf-8")
        assert str(load_settings(given, file).health.file) == "/srv/health.json"
        assert load_settings(given | {"SES_WORKER_HEALTH__FILE": ""}, file).health.file is None
        assert load_settings({}).health.file is None

    def test_a_health_file_is_named_whole(self):
        (line,) = complaints({"SES_WORKER_HEALTH__FILE": "health.json"})
        assert line.startswith("health.file: must be an absolute path")


class TestThePrivacyKey:
    KEY = "3f1c0b7d9e2a4c5b8d6f7e8091a2b3c4"

    def test_none_is_set_by_default(self):
        assert load_settings({}).as_policy().privacy_key is None
        assert load_settings({"SES_WORKER_PRIVACY__KEY": " "}).as_policy().privacy_key is None

    def test_it_comes_from_the_file_a_credential_or_the_environment(self, tmp_path):
        file = tmp_path / "worker.toml"
        file.write_text(f'[privacy]\nkey = "{self.KEY}"\n', encoding="utf-8")
        (tmp_path / "privacy_key").write_text(f"{self.KEY}\n", encoding="utf-8")
        expected = load_settings({}, file).as_policy().privacy_key
        for environment in (
            {"CREDENTIALS_DIRECTORY": str(tmp_path)},
            {"SES_WORKER_PRIVACY__KEY": self.KEY},
        ):
            assert load_settings(environment).as_policy().privacy_key == expected

    @pytest.mark.parametrize(
        ("key", "expected"),
        [
            ("3f1c0b7d9e2a4c5b8d6f7e8091a2b3c", "must have 32 to 1,000 characters"),
            ("abcdefghij" * 101, "must have 32 to 1,000 characters"),
            ("correct horse battery staple, and so on", "must be visible ASCII characters"),
            ("abcdefghi" * 4, "must have at least 10 different characters, or it can be guessed"),
        ],
    )
    def test_a_key_that_can_be_guessed_is_refused_and_not_repeated(self, key, expected):
        (line,) = complaints({"SES_WORKER_PRIVACY__KEY": key})
        assert line.startswith(f"privacy.key: {expected}")
        assert line.endswith("make a key with: openssl rand -hex 32 (in SES_WORKER_PRIVACY__KEY)")
        assert key not in line

    def test_nothing_that_is_made_of_it_prints_it(self):
        settings = load_settings({"SES_WORKER_PRIVACY__KEY": self.KEY})
        key = settings.as_policy().privacy_key
        shown = f"{settings!r} {settings} {settings.as_policy()!r} {settings.model_dump_json()}"
        assert self.KEY not in shown
        assert key.key_id in repr(key)

    def test_each_purpose_has_a_key_of_its_own(self):
        key = load_settings({"SES_WORKER_PRIVACY__KEY": self.KEY}).as_policy().privacy_key
        other = load_settings({"SES_WORKER_PRIVACY__KEY": self.KEY[::-1]}).as_policy().privacy_key
        assert key.digest("jane@example.com") != other.digest("jane@example.com")
        assert key.key_id != other.key_id
        made = {key.for_purpose(name) for name in ("tombstones", "key id", "log")}
        assert len({*made, key.digest("tombstones")}) == 4

    def test_no_policy_that_is_compared_or_kept_has_it(self):
        policy = load_settings({"SES_WORKER_PRIVACY__KEY": self.KEY}).as_policy()
        assert deciding_fields(policy) == deciding_fields(load_settings({}).as_policy())
        assert as_kept(policy) == as_kept(load_settings({}).as_policy())
