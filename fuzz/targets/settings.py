"""Any settings are accepted or refused by a sentence, which reveals no secret."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fuzz.texts import ROOT, joined, parts_of
from worker.core.errors import Misconfigured
from worker.settings.loading import all_keys, load_settings
from worker.settings.origins import shown_settings

CODE = ("worker.settings",)
SECRET = "xoxb-CANARY-5e0f"
"""Stands in every secret."""
_FILE = Path(tempfile.gettempdir()) / f"fuzz-{os.getpid()}.toml"
_SECRETS = {
    "SES_WORKER_SLACK__TOKEN": SECRET,
    "SES_WORKER_STORE__URL": f"postgresql://worker:{SECRET}@db.example/feedback",
}


def seeds() -> Iterator[bytes]:
    """Yield the example file, and each key with values of several types."""
    yield joined((ROOT / "config/worker.toml").read_text(), "", "", "")
    for key in all_keys():
        section, _, name = key.partition(".")
        for value in ("7", '"x"', "[]", "true"):
            yield joined(f"[{section}]\n{name} = {value}\n", "", "", "")
        yield joined("", section.upper(), name.upper(), "7")


def check(data: bytes) -> None:
    """Load settings of a file and the environment."""
    toml, section, key, value = parts_of(data, 4)
    _FILE.write_bytes(toml.encode("utf-8", "surrogateescape" if toml.isascii() else "replace"))
    environment = {**_SECRETS, "AWS_REGION": "eu-west-1"}
    if len(data) % 2:
        environment["SES_WORKER_PRIVACY__KEY"] = SECRET  # too short, and not to be repeated
    if section and "\0" not in section + key + value:
        environment[f"SES_WORKER_{section}__{key}"] = value
    try:
        settings = load_settings(environment, _FILE)
    except Misconfigured as error:
        message = str(error)
        assert message.strip()
        assert SECRET not in message, message
    else:
        assert SECRET not in repr(settings)
        assert SECRET not in repr(shown_settings(settings, environment, _FILE))
        settings.as_policy()
    finally:
        _FILE.unlink()
