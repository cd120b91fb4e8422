"""`config show`: each setting with its value and where it is from, and no secret."""

import json

import pytest

from worker.settings.inputs import Source
from worker.settings.lines import lines_of
from worker.settings.loading import all_keys, load_settings
from worker.settings.origins import NOT_SET, SET, Origin, shown_settings, without_passwords

URL = "https://sqs.eu-west-1.amazonaws.com/111122223333/feedback"


def shown(environment, file=None):
    settings = load_settings(environment, file)
    return {setting.name: setting for setting in shown_settings(settings, environment, file)}


def test_every_setting_is_shown_once_in_the_order_of_the_file():
    assert list(shown({})) == all_keys()
    assert {str(setting.origin) for setting in shown({}).values()} == {"default"}


def test_a_value_of_the_file_has_its_line(tmp_path):
    file = tmp_path / "worker.toml"
    file.write_text(f'# mine\n\n[queue]\nurl = "{URL}"\n\nwait_seconds = 5\n', encoding="utf-8")
    found = shown({}, file)
    assert (found["queue.url"].value, found["queue.url"].origin.line) == (URL, 4)
    assert str(found["queue.wait_seconds"].origin) == f"{file}, line 6"
    assert found["queue.pollers"].origin == Origin("default")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("queue.url = 'x'\n", {("queue", "url"): 1}),
        ("queue = { url = 'x', pollers = 1 }\n", {("queue", "pollers"): 1}),
        ("[ queue ] # mine\n'url' = 'x'\n", {("queue", "url"): 2}),
        (
            "[sns]\ntopic_arns = [\n  'a', # one\n  'b',\n]\nverify = 'off'\n",
            {("sns", "verify"): 6},
        ),
        ("[a]\nx = '''\n[b]\ny = 1\n'''\n[b]\ny = 2\n", {("b", "y"): 7, ("a", "x"): 2}),
        ("[policy]\n[policy.bounce_actions]\n'a/b' = 'c'\n", {("policy", "bounce_actions"): 2}),
        ("[a.b]\nc.d = 1\n", {("a", "b", "c", "d"): 2}),
        ("[[a]]\nb = 1\n", {("a", "b"): 2}),
        ('x = "a # b"\r\n\r\ny = 1', {("x",): 1, ("y",): 3}),
        ("", {}),
    ],
)
def test_a_key_is_found_however_it_is_written(text, expected):
    found = lines_of(text)
    assert {path: found[path] for path in expected} == expected


def test_what_is_overridden_is_named_with_what_overrides_it(tmp_path):
    file = tmp_path / "worker.toml"
    file.write_text("[store]\nurl = 'postgresql://file/app'\n", encoding="utf-8")
    (tmp_path / "store_url").write_text("postgresql://u:s3cret@credential/app\n", encoding="utf-8")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    setting = shown(environment, file)["store.url"]
    assert (setting.value, setting.origin.origin) == (
        "postgresql://u:***@credential/app",
        "credential",
    )
    assert [origin.line for origin in setting.overridden] == [2]
    environment["SES_WORKER_STORE__URL"] = "postgresql://environment/app"
    setting = shown(environment, file)["store.url"]
    assert setting.origin == Origin(Source.ENVIRONMENT, "SES_WORKER_STORE__URL")
    assert [origin.origin for origin in setting.overridden] == ["file", "credential"]


def test_a_secret_is_set_or_not_set(tmp_path):
    (tmp_path / "slack_token").write_text("xoxb-s3cret\n", encoding="utf-8")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path), "SES_WORKER_SLACK__CHANNEL": "#x"}
    found = shown(environment)
    assert (found["slack.token"].value, found["slack.token"].is_secret) == (SET, True)
    assert found["slack.webhook_url"].value == NOT_SET
    assert "s3cret" not in repr(list(found.values()))


def test_every_setting_that_pydantic_hides_is_a_secret_here():
    dumped = load_settings(
        {
            "SES_WORKER_SLACK__WEBHOOK_URL": "https://hooks.example.com/s3cret",
            "SES_WORKER_STORE__URL": "postgresql://u:s3cret@db/app",
        }
    ).model_dump(mode="json")
    hidden = {
        f"{section}.{key}"
        for section, values in dumped.items()
        for key, value in values.items()
        if value == "**********"
    }
    assert hidden == {"store.url", "slack.webhook_url"}
    assert hidden <= {name for name, setting in shown({}).items() if setting.is_secret}


def test_the_region_in_use_is_shown_with_where_it_is_from():
    def region(**environment):
        setting = shown(environment)["aws.region"]
        return setting.value, str(setting.origin)

    queue = {"SES_WORKER_QUEUE__URL": URL}
    assert region() == (None, "default")
    assert region(**queue) == ("eu-west-1", "queue.url")
    assert region(**queue, AWS_DEFAULT_REGION="eu-west-2") == ("eu-west-2", "AWS_DEFAULT_REGION")
    assert region(AWS_REGION="eu-west-3", AWS_DEFAULT_REGION="x") == ("eu-west-3", "AWS_REGION")
    assert region(SES_WORKER_AWS__REGION="eu-north-1", AWS_REGION="eu-west-3") == (
        "eu-north-1",
        "SES_WORKER_AWS__REGION",
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:s3cret@db/app",
        "postgresql://u:s3cret@db:5432,other:5433/app?sslmode=require",
        "postgresql://u:@s3cret@db/app",
        "postgresql://u:/s3cret@db/app",
        "postgresql://u:a/s3cret/b@db/app",
        "postgresql://u:a?s3cret@db/app",
        "postgresql://u:s3cret@/app",
        "postgresql:///app?user=u&password=s3cret",
        "postgresql:///app?pass%77ord=s3cret&sslmode=require",
        "postgresql:///app?PASSWORD=s3cret",
        "postgresql://db/app?sslpassword=s3cret",
        "postgresql://u:s3cret/app",
        "postgresql://u:s3cret",
        "postgresql://u:s3cret@db/app?password=s3cret@x",
        "postgresql://[::1]:5432/app?password=s3cret",
        "postgresql://u:s3cret@[::1]:5432/app",
        "postgresql://db/app?user=u&password=s3cret@x",
        "postgresql://db/app?user=u&password=x@s3cret",
        "postgresql://db:5432/app?password=x@s3cret",
        "postgresql://u@db/app?password=x@s3cret",
        "postgresql:///app?host=/run&password=a/b@s3cret",
        "postgresql://db/app?application_name=x;password=s3cret",
        "postgresql://u@db:s3cret/app",
    ],
)
def test_no_password_in_a_url_is_shown(url):
    assert "s3cret" not in without_passwords(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@db:5432/app?sslmode=require",
        "postgresql://db:5432,other:5433/app",
        "postgresql:///app",
        "postgresql://[::1]:5432/app",
        "sqlite:////srv/a:b@c/x.db",
    ],
)
def test_a_url_without_a_password_is_shown_whole(url):
    assert without_passwords(url) == url


def test_the_command_shows_values_origins_and_no_secret(run, environment, tmp_path):
    file = tmp_path / "worker.toml"
    file.write_text(
        f"[queue]\nurl = '{URL}'\n[slack]\ntoken = 'xoxb-s3cret'\nchannel = '\\u001b[31m'\n".replace(
            "'\\u001b[31m'", '"\\u001b[31m"'
        ),
        encoding="utf-8",
    )
    done = run("config", "show", "--config", file)
    assert (done.status, done.err) == (0, "")
    assert f'queue.url = "{URL}"' in done.out
    assert f"# {file}, line 2\n" in done.out
    assert "slack.token = set " in done.out
    assert "store.url = " in done.out
    assert "# SES_WORKER_STORE__URL" in done.out
    assert "policy.hard_bounce_pause_days = 30 " in done.out
    as_json = run("config", "show", "--json", "--config", file)
    found = json.loads(as_json.out)
    assert found["file"] == str(file)
    assert list(found["settings"]) == all_keys()
    assert found["settings"]["queue.url"] == {
        "value": URL, "secret": False, "origin": "file", "where": str(file), "line": 2,
        "overridden": [],
    }  # fmt: skip
    assert found["settings"]["slack.token"]["value"] == "set"
    for text in (done.out, as_json.out):
        assert "s3cret" not in text
        assert "\x1b" not in text


def test_wrong_settings_are_78_and_name_the_reason(run):
    done = run("config", "show", SES_WORKER_QUEUE__POLLERS="none")
    assert (done.status, done.out) == (78, "")
    assert "queue.pollers" in done.err
