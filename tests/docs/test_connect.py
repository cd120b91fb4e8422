"""Each block of the page on connecting an application is run, on both databases where it has both."""

import json
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing

import psycopg
import pytest
from support import mail
from support.documents import blocks, text_of

from worker.core.address import parse_address
from worker.store import ensure_schema, open_store

DOCUMENT = text_of("docs/connect.md")
ASK, MAILING, SIGN_UP, GRANTS, CURSOR, HANDLED = blocks(DOCUMENT, "sql")
EMAIL_KEY, ASK_IN_PYTHON = blocks(DOCUMENT, "python")
EMAIL_KEY_IN_NODE, ASK_IN_NODE = blocks(DOCUMENT, "javascript")
(RUBY,) = blocks(DOCUMENT, "ruby")
(CREATE,) = blocks(DOCUMENT, "toml")
MAY_SEND, IMPORT = blocks(DOCUMENT, "sh")
COMMENT = re.compile(r"^--.*$", re.MULTILINE)
ADDRESSES = [
    "jane@example.com",
    " Jane@Example.COM ",
    "jane@example.com.",
    "Jane.Doe+news@example.com",
    "JÜRGEN@BÜCHER.example",
    "ju\u0308rgen@bu\u0308cher.example",
    "jane@straße.example",
    "jane@例え.テスト",
    '"a@b"@example.com',
]


def statements(text):
    return list(filter(str.strip, COMMENT.sub("", text).split(";")))


class Database:
    """An application's connection, with one way to run SQL."""

    def __init__(self, url):
        self.is_sqlite = url.startswith("sqlite")
        if self.is_sqlite:
            file = url.removeprefix("sqlite:///")
            self.connection = sqlite3.connect(file, isolation_level=None)
        else:
            self.connection = psycopg.connect(url, autocommit=True)

    def rows(self, statement):
        return self.connection.execute(COMMENT.sub("", statement)).fetchall()

    def run(self, *texts):
        for statement in statements(";".join(texts)):
            self.connection.execute(statement)


@pytest.fixture
def database(store_url):
    ensure_schema(open_store(store_url), migrate=True)
    database = Database(store_url)
    yield database
    database.connection.close()


def user(database, key, **columns):
    names = ["email", "email_key", *columns]
    values = [repr(value) for value in (key, key, *columns.values())]
    database.run(f"INSERT INTO users ({', '.join(names)}) VALUES ({', '.join(values)})")


def event(number, key="jane@example.com", kind="bounce", type="Permanent"):
    return (
        "INSERT INTO events (id, dedupe_key, route_key, kind, type, subtype, recipient,"
        " recipient_as_reported, user_match, action, reason, occurred_at, received_at, feedback_id,"
        f" ses_message_id, diagnostic, status) VALUES ({number}, 'd{number}', 'r{number}', '{kind}',"
        f" '{type}', 'General', '{key}', '{key}', 'missing', 'no_action', 'unknown_recipient',"
        " '2999-01-01 00:00:00.000000', '2999-01-01 00:00:00.000000', 'f', 'm', '', '')"
    )


class TestAsking:
    def test_there_is_a_row_for_who_must_not_be_mailed_and_none_for_others(self, database):
        user(database, "jane@example.com")
        assert database.rows(ASK) == []
        database.run("UPDATE users SET paused_until = '2999-01-01 00:00:00.000000'")
        ((_, until),) = database.rows(ASK)
        assert str(until).startswith("2999-01-01")
        database.run("UPDATE users SET paused_until = '2020-01-01 00:00:00.000000'")
        assert database.rows(ASK) == []
        database.run("UPDATE users SET auto_block_spam = true")
        ((reason, until),) = database.rows(ASK)
        assert (bool(reason), until) == (True, None)

    def test_there_is_a_row_for_somebody_who_complained_and_is_no_user(self, database):
        database.run(event(1, kind="complaint", type="abuse"))
        assert len(database.rows(ASK)) == 1

    def test_a_mailing_leaves_out_who_must_not_be_mailed(self, database):
        database.run("CREATE TABLE recipients (email_key text)")
        for key in ("jane@example.com", "joe@example.com", "unknown@example.com"):
            database.run(f"INSERT INTO recipients VALUES ('{key}')")
        user(database, "jane@example.com", paused_until="2999-01-01 00:00:00.000000")
        user(database, "joe@example.com")
        assert {key for (key,) in database.rows(MAILING)} == {
            "joe@example.com",
            "unknown@example.com",
        }

    def test_the_function_for_django_asks_as_the_query_does(self, postgresql_url):
        ensure_schema(open_store(postgresql_url), migrate=True)
        names = {}
        exec(ASK_IN_PYTHON, names)
        database = Database(postgresql_url)
        user(database, "jane@example.com", paused_until="2999-01-01 00:00:00.000000")
        assert names["do_not_mail"](database.connection, "jane@example.com") is not None
        assert names["do_not_mail"](database.connection, "joe@example.com") is None
        database.connection.close()

    def test_the_function_for_node_asks_as_the_query_does(self):
        client = "{ query: async (...given) => (asked.push(given), { rows: answers.shift() }) }"
        shown = node(
            f"const asked = [], answers = [[{{ reason: 'x' }}], []];\n{ASK_IN_NODE}\n"
            f"const client = {client};\n"
            "(async () => console.log(JSON.stringify([await doNotMail(client, 'k'),"
            " await doNotMail(client, 'k'), asked[0]])))()"
        )
        found, missing, (query, values) = json.loads(shown)
        assert (found, missing, values) == ({"reason": "x"}, None, ["k"])
        assert query.replace("$1", "'jane@example.com'") == ASK.strip().removesuffix(";")

    def test_the_class_for_rails_is_ruby_and_asks_the_same_query(self):
        (query,) = re.findall(r'\["(SELECT [^"]*)"', RUBY)
        assert query.replace("?", "'jane@example.com'") == ASK.strip().removesuffix(";")
        if ruby := shutil.which("ruby"):
            subprocess.run([ruby, "-c"], input=RUBY, text=True, check=True, capture_output=True)

    def test_the_command_says_yes_no_and_neither(self, run):
        (command,) = MAY_SEND.splitlines()
        arguments = command.removeprefix("ses-worker ").split()
        assert run(*arguments).status == 1  # no database yet: a no
        run("db", "upgrade")
        assert run(*arguments).status == 0
        assert run("may-send", "jane").status == 2


class TestNormalising:
    @pytest.mark.parametrize("address", ADDRESSES)
    def test_the_function_for_python_makes_the_key_that_the_worker_makes(self, address):
        names = {}
        exec(EMAIL_KEY, names)
        assert names["email_key"](address) == parse_address(address).key

    def test_the_function_for_node_makes_the_keys_that_the_worker_makes(self):
        shown = node(
            f"{EMAIL_KEY_IN_NODE}\nconsole.log(JSON.stringify({json.dumps(ADDRESSES)}.map(emailKey)))"
        )
        assert json.loads(shown) == [parse_address(address).key for address in ADDRESSES]

    def test_in_ascii_trimmed_and_lower_is_the_key(self, database):
        (expression,) = re.findall(r"that is `(lower\(trim\(email\)\))`", DOCUMENT)
        for address in (address for address in ADDRESSES[:4] if not address.endswith(".")):
            ((key,),) = database.rows(f"SELECT {expression.replace('email', repr(address))}")
            assert key == parse_address(address).key


class TestUsers:
    def test_an_application_adds_moves_and_deletes_a_user_with_no_more_rights_than_the_document_grants(
        self, postgresql_url
    ):
        ensure_schema(open_store(postgresql_url), migrate=True)
        owner = Database(postgresql_url)
        owner.run("DROP ROLE IF EXISTS app; CREATE ROLE app LOGIN")
        owner.run(GRANTS)
        app = Database(postgresql_url)
        app.run("SET ROLE app")
        add, move_out, move_in, leave = statements(SIGN_UP)
        app.run(add)
        owner.run("UPDATE users SET auto_block_spam = true")
        app.run(add)
        rows = "SELECT email, email_key, account_id, auto_block_spam FROM users"
        assert app.rows(rows) == [("Jane@Example.com", "jane@example.com", "42", True)]
        app.run(move_out, move_in)
        assert app.rows(rows) == [("jane@example.org", "jane@example.org", "42", False)]
        assert app.rows(ASK) == []
        assert app.rows(CURSOR) == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.run("UPDATE users SET auto_block_spam = false")
        app.run(leave)
        assert app.rows(rows) == []
        app.connection.close()
        owner.run("DROP OWNED BY app; DROP ROLE app")
        owner.connection.close()

    def test_an_import_now_and_then_keeps_users_in_step(self, run, database_url):
        printed, copied, removed = IMPORT.splitlines()
        made, _, command = printed.partition(" | ")
        csv = subprocess.run(["sh", "-c", made], capture_output=True, text=True, check=True).stdout
        for _ in range(2):
            assert run(*command.removeprefix("ses-worker ").split(), input=csv).status == 0
        assert run("users", "show", "jane@example.com").status == 0

        query, _, command = copied.partition(" | ")
        (copy,) = re.findall(r"-c '(COPY [^']*)'", query)
        with psycopg.connect(database_url, autocommit=True) as accounts:
            accounts.execute("CREATE TABLE accounts (id int, email text)")
            accounts.execute("INSERT INTO accounts VALUES (43, 'joe@example.com')")
            with accounts.cursor().copy(copy) as rows:
                csv = b"".join(rows).decode()
        done = run(*command.removeprefix("ses-worker ").split(), input=csv)
        assert (done.status, run("users", "show", "joe@example.com").status) == (0, 0)

        made, _, command = removed.partition(" | ")
        lines = subprocess.run(["sh", "-c", made], capture_output=True, text=True, check=True)
        assert run(*command.removeprefix("ses-worker ").split(), input=lines.stdout).status == 0
        assert run("users", "show", "jane@example.com").status == 1

    @pytest.mark.parametrize(
        ("created", "by_sql", "status"), [(False, False, 3), (False, True, 0), (True, True, 3)]
    )
    def test_somebody_who_complained_before_she_was_added_is_mailed_again_only_if_added_by_sql(
        self, run, emulator, queue, tmp_path, environment, created, by_sql, status
    ):
        (tmp_path / "worker.toml").write_text(CREATE if created else "")
        environment["SES_WORKER_CONFIG"] = str(tmp_path / "worker.toml")
        emulator.send(queue, mail.complaint("jane@example.com"))
        assert run("drain").status == 0
        assert run("may-send", "jane@example.com").status == 3
        if by_sql:
            with closing(sqlite3.connect(tmp_path / "worker.db")) as connection, connection:
                connection.execute(
                    "INSERT INTO users (email, email_key) VALUES ('jane@example.com',"
                    " 'jane@example.com') ON CONFLICT (email_key) DO UPDATE SET account_id = '42'"
                )
        else:
            run("users", "import", "-", input="email,account_id\njane@example.com,42\n")
        assert run("may-send", "jane@example.com").status == status


@pytest.fixture
def database_url(postgresql_url):
    """Of the application, which is not the worker's."""
    return postgresql_url


class TestEvents:
    def test_a_cursor_goes_on_behind_what_it_has_read(self, database):
        for number in (1, 2, 3):
            database.run(event(number))
        assert [row[0] for row in database.rows(CURSOR)] == [1, 2, 3]
        assert [row[0] for row in database.rows(CURSOR.replace("id > 0", "id > 2"))] == [3]

    def test_with_two_writers_a_bare_cursor_misses_an_event_and_the_other_query_does_not(
        self, postgresql_url
    ):
        ensure_schema(open_store(postgresql_url), migrate=True)
        reader, first, second = (Database(postgresql_url) for _ in range(3))
        made, read, handled = HANDLED.split("\n\n")
        reader.run(made)
        first.run("BEGIN")
        first.run(event(1))
        second.run(event(2))

        def handle():
            found = [row[:2] for row in reader.rows(read)]
            for _, key in found:
                reader.run(handled.replace("the dedupe_key of the event", key))
            return [number for number, _ in found]

        assert [row[0] for row in reader.rows(CURSOR)] == [2]
        assert handle() == [2]
        first.run("COMMIT")
        assert reader.rows(CURSOR.replace("id > 0", "id > 2")) == []  # the trap
        assert handle() == [1]
        assert handle() == []
        for database in (reader, first, second):
            database.connection.close()


def node(source):
    program = shutil.which("node")
    if not program:
        pytest.skip("node is not here")
    done = subprocess.run([program, "-"], input=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
