"""What an operator does before the first start: write settings, import users."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from demo import people, script
from demo.daemon import START_SECONDS, command
from worker.core.errors import Refused

POSTS_A_SECOND = 20
"""A real worker posts once a second: too slow to watch."""
NOTICES_A_MINUTE = 20
"""Enough for the first chapter, too few for a month of mail: the rest goes into a digest."""
SETTINGS = """\
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
    """Write the settings file as an operator would; return its path and the database's."""
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
    text = SETTINGS.format(**{name: json.dumps(value) for name, value in given.items()})
    settings.write_text(text, encoding="utf-8")
    settings.chmod(0o600)  # the webhook's URL is a secret
    return settings, database


def import_users(folder: Path, environment: Mapping[str, str], settings: Path) -> str:
    """Import the users; return the command's output.

    Raises:
        Refused: the command failed.

    """
    file = folder / "users.csv"
    file.write_text("".join(people.as_csv()), encoding="utf-8")
    done = subprocess.run(  # noqa: S603 our own command
        command("users", "import", str(file), "--config", str(settings)),
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=START_SECONDS,
    )
    if done.returncode:
        raise Refused(f"ses-worker users import failed:\n{done.stderr}")
    return done.stdout.strip()
