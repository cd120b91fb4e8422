"""Settings: where they come from, which wins, and what is said when one is wrong."""

from datetime import timedelta

import pytest

from worker.errors import Misconfigured
from worker.model import Action
from worker.policy import Policy, UnknownRecipients
from worker.settings import Settings
from worker.sources import NOT_BUILT, all_keys, load_settings

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
    }
    assert settings.as_policy() == Policy(
        hard_bounce_pause=timedelta(days=30), soft_bounce_pause=timedelta(days=1)
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
    assert policy.topics == {"arn:aws:sns:eu-west-1:1:a"}
    assert policy.bounce_actions == {"Transient/MessageTooLarge": Action.NO_ACTION}
    assert policy.unknown_recipients is UnknownRecipients.CREATE


def test_a_relative_store_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_settings({}).store.url.get_secret_value() == f"sqlite:///{tmp_path}/ses-worker.db"


def test_no_secret_is_shown():
    settings = load_settings({"SES_WORKER_STORE__URL": "postgresql://u:s3cret@db/app"})
    assert "s3cret" not in repr(settings)


class TestWhatIsWrong:
    @pytest.mark.parametrize(
        ("name", "value", "said"),
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
            ("LOG__LEVEL", "loud", "log.level: input should be 'debug'"),
        ],
    )
    def test_a_bad_value_is_named_with_its_place_and_not_repeated(self, name, value, said):
        (line,) = complaints({f"SES_WORKER_{name}": value})
        assert line.startswith(said)
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

    def test_everything_that_is_wrong_is_said_at_once(self):
        lines = complaints(
            {"SES_WORKER_QUEUE__POLLERS": "0", "SES_WORKER_LOG__FORMAT": "x", "SES_WORKER_A": "1"}
        )
        assert len(lines) == 3

    def test_a_file_that_is_missing_broken_or_without_sections(self, tmp_path):
        assert complaints({}, tmp_path / "none.toml") == [
            f"cannot read the settings in {tmp_path / 'none.toml'}: No such file or directory"
        ]
        broken = tmp_path / "broken.toml"
        broken.write_text("queue = \n", encoding="utf-8")
        assert complaints({}, broken)[0].startswith(f"{broken} is not TOML: ")
        broken.write_bytes(b"\xff\xfe")
        assert complaints({}, broken)[0].startswith(f"{broken} is not TOML: ")
        broken.write_text('url = "x"\n', encoding="utf-8")
        assert complaints({}, broken) == [f"url stands outside of any [section] in {broken}"]


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Settings().queue.pollers = 5


def test_every_key_has_a_section():
    assert "queue.url" in all_keys()
    assert all(key.count(".") == 1 for key in all_keys())
