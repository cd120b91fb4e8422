"""Commands that only read the database start without AWS's library, which takes 0.2 s to load."""

import subprocess
import sys

import pytest

from worker.store import ensure_schema, open_store


@pytest.mark.parametrize(
    "words",
    [
        "may-send jane@example.com",
        "why jane@example.com",
        "report",
        "users check jane@example.com",
        "users list",
        "events export --since 1d",
        "db status",
    ],
)
def test_a_command_that_only_reads_the_database_does_not_load_boto3(tmp_path, words):
    store = open_store(f"sqlite:///{tmp_path / 'worker.db'}")
    ensure_schema(store, migrate=True)
    store.close()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "worker", *words.split()],
        env={"SES_WORKER_STORE__URL": f"sqlite:///{tmp_path / 'worker.db'}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "Traceback" not in done.stderr
    assert "worker.store.sqlite" in loaded, "it opened the database"
    assert not loaded & {"boto3", "botocore"}
