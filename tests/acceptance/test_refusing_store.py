"""A store that breaks off at one message and at no other: that message is dead-lettered, and no
other."""

import sqlite3
from contextlib import closing

import psycopg
from support import mail
from support.running import QUICK, patched

from simulators.sqs import RECEIVE
from worker.store import ensure_schema, open_store

GUILTY = "guilty@example.com"
SQLITE = f"""
    CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.recipient = '{GUILTY}'
    BEGIN SELECT json('{{'); END
"""
POSTGRESQL = f"""
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.recipient = '{GUILTY}' THEN
            PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(5);
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse();
"""


def break_off_at_the_guilty_message(url):
    store = open_store(url)
    ensure_schema(store, migrate=True)
    store.close()
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.execute(SQLITE)
    else:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(POSTGRESQL)


def test_the_guilty_message_is_set_aside_and_the_daemon_goes_on(
    daemon, emulator, queue, environment, either_store, database
):
    break_off_at_the_guilty_message(environment["SES_WORKER_STORE__URL"])
    people = mail.addresses(25)
    for address in (*people[:11], GUILTY, *people[11:]):
        emulator.send(queue, mail.bounce(address))
    worker = daemon(program=patched(QUICK))
    assert emulator.wait_for(lambda: database.count("events") == 25, seconds=30)
    for address in ["late1@example.com", "late2@example.com"]:  # if it was the last that was tried
        emulator.send(queue, mail.bounce(address))
    assert emulator.wait_for(lambda: not emulator.messages(queue), seconds=30)
    (dead_letter,) = emulator.messages("feedback-dlq")
    assert GUILTY in dead_letter.body
    assert dead_letter.attributes["ses_worker_reason"]["StringValue"] == "store_refuses"
    assert database.count("events") == 27
    assert len(emulator.journal.requests(RECEIVE)) < 100
    assert worker.stop()[0] == 0
