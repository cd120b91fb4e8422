"""What an operator does before the first start: settings, and users."""

import json
from collections.abc import Mapping
from pathlib import Path

from demo import people, script
from demo.daemon import run_once

POSTS_A_SECOND = 20
"""Slack takes one of a real worker; people who watch have no time for that."""
NOTICES_A_MINUTE = 20
"""Enough for the first chapter, too few for a month of mail."""
_SETTINGS = """\
[queue]
url = {queue}
wait_seconds = 1

[store]
url = {store}

[notify]
ignore = {ignore}

[slack]
webhook_url = {webhook}
messages_per_minute = {notices_a_minute}
messages_per_second = {posts_a_second}

[suppression]
remove = {remove}
requests_per_second = 50

[http]
listen = ""

[log]
format = "json"
"""


def write_settings(folder: Path, queue_url: str, webhook_url: str) -> tuple[Path, Path]:
    """Write the worker's settings as an operator would; return them and the database."""
    settings, database = folder / "worker.toml", folder / "ses-worker.db"
    given = {
        "queue": queue_url,
        "store": f"sqlite:///{database}",
        "ignore": [script.IGNORED],
        "webhook": webhook_url,
        "notices_a_minute": NOTICES_A_MINUTE,
        "posts_a_second": POSTS_A_SECOND,
        "remove": list(script.LISTED),
    }
    # TOML writes such strings, lists and numbers as JSON does.
    text = _SETTINGS.format(**{name: json.dumps(value) for name, value in given.items()})
    settings.write_text(text, encoding="utf-8")
    settings.chmod(0o600)  # the webhook's URL is a secret
    return settings, database


def import_users(folder: Path, surroundings: Mapping[str, str], settings: Path) -> str:
    """Bring the users in; return what the command says."""
    file = folder / "users.csv"
    file.write_text("".join(people.as_csv()), encoding="utf-8")
    arguments = ("users", "import", str(file), "--config", str(settings))
    return run_once(folder, surroundings, *arguments)
