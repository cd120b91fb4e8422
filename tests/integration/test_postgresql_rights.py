"""A role of PostgreSQL's that lacks rights gets the statements that grant them, and they suffice."""

from contextlib import closing

import psycopg
import pytest
from psycopg import conninfo
from support import mail

from worker.core.errors import Unavailable
from worker.store import ensure_schema, open_store

ROLE = "mail_worker"


@pytest.fixture
def admin(postgresql_url):
    with psycopg.connect(postgresql_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {ROLE} LOGIN")
        yield admin
        admin.execute(f"DROP OWNED BY {ROLE}")
        admin.execute(f"DROP ROLE {ROLE}")


@pytest.fixture
def url(admin, postgresql_url):
    """The database as the role reaches it."""
    parts = conninfo.conninfo_to_dict(postgresql_url)
    return f"postgresql://{ROLE}@/{parts['dbname']}?host={parts['host']}"


@pytest.fixture
def made(postgresql_url):
    """The tables are there, and are the administrator's."""
    store = open_store(postgresql_url)
    ensure_schema(store, migrate=True)
    store.close()


def grants_of(url):
    problem = open_store(url).access_problem()
    return problem.fix if problem else ""


def do(admin, statements):
    """As an operator who pastes them into psql."""
    for statement in filter(None, statements.split("; ")):
        admin.execute(statement)


def works(url):
    with closing(open_store(url)) as store:
        ensure_schema(store, migrate=True)
        store.probe()


def test_without_create_on_the_schema_of_postgresql_15_the_upgrade_names_it(admin, url):
    do(admin, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    expected = f"GRANT CREATE ON SCHEMA public TO {ROLE};"
    with closing(open_store(url)) as store, pytest.raises(Unavailable) as caught:
        ensure_schema(store, migrate=True)
    assert str(caught.value).endswith(f". {expected}")
    assert grants_of(url) == expected
    do(admin, expected)
    works(url)
    assert grants_of(url) == ""


def test_without_usage_of_the_schema_both_rights_are_named(admin, url):
    do(admin, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    expected = f"GRANT USAGE, CREATE ON SCHEMA public TO {ROLE};"
    with closing(open_store(url)) as store, pytest.raises(Unavailable, match=f"{expected}$"):
        ensure_schema(store, migrate=True)
    do(admin, grants_of(url))
    works(url)


def test_without_any_right_on_the_tables_all_are_named_and_suffice(admin, url, made):
    store = open_store(url)
    with pytest.raises(Unavailable) as caught:
        store.revision()
    granting = grants_of(url)
    assert str(caught.value).endswith(granting)
    assert "GRANT SELECT, INSERT, UPDATE, DELETE ON public.account_events, " in granting
    assert (
        "GRANT SELECT ON public.do_not_mail, public.events_by_recipient, public.ses_worker_schema"
        in granting
    )
    assert "ON SCHEMA" not in granting
    do(admin, granting)
    works(url)
    assert grants_of(url) == ""


@pytest.mark.parametrize(
    ("right", "table"), [("INSERT", "events"), ("SELECT", "users"), ("UPDATE", "outbox")]
)
def test_a_single_right_that_is_missing_is_named_alone(admin, url, made, right, table):
    do(admin, grants_of(url))
    do(admin, f"REVOKE {right} ON {table} FROM {ROLE}")
    expected = f"GRANT {right} ON public.{table} TO {ROLE};"
    assert grants_of(url) == expected
    if table != "outbox":
        with closing(open_store(url)) as store, pytest.raises(Unavailable) as caught:
            store.probe()
        assert str(caught.value).endswith(f". {expected}")
    do(admin, expected)
    works(url)


def test_an_upgrade_of_tables_of_another_owner_names_the_owner(admin, url, made):
    do(admin, grants_of(url))
    admin.execute("CREATE ROLE app_owner")
    try:
        for table in ("users", "ses_worker_schema"):
            admin.execute(f"ALTER TABLE {table} OWNER TO app_owner")
        admin.execute("UPDATE ses_worker_schema SET version_num = '0001'")
        do(admin, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        granting = grants_of(url)
        assert f"GRANT CREATE ON SCHEMA public TO {ROLE}; GRANT app_owner TO {ROLE}" in granting
    finally:
        admin.execute("REASSIGN OWNED BY app_owner TO CURRENT_USER")
        admin.execute("DROP ROLE app_owner")


def test_without_connect_the_error_and_the_check_name_it(admin, url):
    name = admin.info.dbname
    do(admin, f"GRANT CREATE ON SCHEMA public TO {ROLE}")
    do(admin, f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
    expected = f"GRANT CONNECT ON DATABASE {name} TO {ROLE};"
    store = open_store(url)
    with pytest.raises(Unavailable) as caught:
        store.revision()
    assert str(caught.value).endswith(expected)
    assert store.access_problem().fix == expected
    do(admin, expected)
    works(url)


def test_names_that_need_quotes_get_them(admin, postgresql_url, url, made):
    admin.execute('CREATE ROLE "Mail Worker" LOGIN')
    try:
        granting = grants_of(url.replace(ROLE, "Mail%20Worker"))
        assert granting.count('TO "Mail Worker"') == granting.count("GRANT ")
        do(admin, granting)
        assert grants_of(url.replace(ROLE, "Mail%20Worker")) == ""
    finally:
        admin.execute('DROP OWNED BY "Mail Worker"')
        admin.execute('DROP ROLE "Mail Worker"')


def test_a_schema_of_ones_own_is_named_and_not_public(admin, url):
    admin.execute("CREATE SCHEMA mail")
    admin.execute(f"ALTER ROLE {ROLE} SET search_path = mail")
    assert grants_of(url) == f"GRANT USAGE, CREATE ON SCHEMA mail TO {ROLE};"
    do(admin, grants_of(url))
    works(url)
    assert admin.execute("SELECT count(*) FROM mail.users").fetchone() == (0,)


def test_an_owner_of_the_database_lacks_nothing(postgresql_url, made):
    assert open_store(postgresql_url).access_problem() is None


def test_a_server_that_does_not_answer_is_not_asked_for_rights(monkeypatch):
    store = open_store("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable):
        store.revision()
    monkeypatch.setattr(psycopg.Connection, "connect", None)
    assert store.access_problem() is None


class TestCommands:
    @pytest.fixture
    def role(self, admin, url, environment):
        environment["SES_WORKER_STORE__URL"] = url
        return admin

    def test_check_and_db_upgrade_and_the_daemon_name_the_grant(
        self, role, run, daemon, emulator, queue
    ):
        do(role, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        expected = f"GRANT CREATE ON SCHEMA public TO {ROLE};"
        done = run("db", "upgrade")
        assert (done.status, done.err.rstrip().endswith(expected)) == (1, True)
        found = run("check", "--json").json["checks"]
        (line,) = [item for item in found if item["check"] == "database"]
        assert (line["status"], line["fix"]) == ("wrong", expected)
        worker = daemon()
        worker.wait_for("store.unavailable")
        assert expected in "".join(worker.lines)
        do(role, expected)
        emulator.send(queue, mail.bounce("jane@example.com"))
        assert emulator.wait_for(lambda: not emulator.messages(queue))
        assert worker.stop()[0] == 0
        assert role.execute("SELECT count(*) FROM events").fetchone() == (1,)
