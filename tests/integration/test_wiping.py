"""What is left of deleted rows in a SQLite file, and that it is rewritten where older copies are."""

import sqlite3

import pytest

from worker.store.sqlite import wiping

JANE = "jane.doe@example.com"


@pytest.fixture
def file(tmp_path):
    """A file with rows that were deleted without being overwritten."""
    file = tmp_path / "worker.db"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE users (email TEXT, more TEXT)")
    rows = [(f"Jane.Doe@Example.COM {number}", "x" * 900) for number in range(50)]
    connection.executemany("INSERT INTO users VALUES (?, ?)", rows)
    connection.execute("INSERT INTO users VALUES ('bob@example.com', '')")
    connection.commit()
    connection.execute("DELETE FROM users WHERE email LIKE 'jane%'")
    connection.commit()
    connection.close()
    return file


def test_a_file_with_older_copies_is_rewritten_and_a_file_without_is_not(file):
    assert b"jane.doe@example.com" in file.read_bytes().lower()
    assert wiping.wipe(file, [JANE])
    assert b"jane.doe" not in file.read_bytes().lower()
    assert b"bob@example.com" in file.read_bytes()
    assert not wiping.wipe(file, [JANE])
    assert not wiping.has_any(file, [JANE])


def test_the_wal_is_emptied(file):
    wiping.wipe(file, [JANE])
    reader = sqlite3.connect(file)
    reader.execute("INSERT INTO users VALUES (?, '')", (JANE,))
    reader.commit()
    reader.execute("DELETE FROM users WHERE email = ?", (JANE,))
    reader.commit()
    wal = file.with_name("worker.db-wal")
    assert JANE.encode() in wal.read_bytes()
    assert not wiping.has_any(file, [JANE])
    wiping.wipe(file, ["somebody@example.net"])
    assert wal.stat().st_size == 0
    reader.close()
