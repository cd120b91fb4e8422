"""A role of PostgreSQL's that lacks rights gets the statements that grant them, and they suffice."""

from contextlib import closing

import psycopg
import pytest
from psycopg import conninfo
from support import mail
from support.dead import quarantined
from support.waiting import wait_until

from simulators.slack.faults import refused
from worker.core.errors import Refused, Unavailable
from worker.store import ensure_schema, open_store, require_schema
from worker.store.needs import WORKER
from worker.store.revision import OUR_TABLES

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


def do_all(admin, statements):
    for statement in filter(str.strip, statements.format(role=ROLE).split(";\n")):
        admin.execute(statement)


def counts(admin):
    names = ("users", "events", "quarantine")
    return {name: admin.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


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
    changed = ", ".join(
        f"public.{name}" for name in ("account_events", "limits", "progress", "users")
    )
    for statement in (
        f"GRANT SELECT, INSERT, UPDATE ON {changed}",
        "GRANT SELECT, INSERT ON public.quarantine",
        "GRANT SELECT, INSERT, DELETE ON public.events, public.new_counts, public.policy",
        (
            "GRANT SELECT, INSERT, UPDATE, DELETE ON public.daily_counts, public.forgotten, "
            "public.hourly_counts, public.imported_users, public.kept_keys, public.outbox, "
            "public.removals, public.shadow_users"
        ),
        "GRANT SELECT ON public.do_not_mail, public.events_by_recipient, public.ses_worker_schema",
    ):
        assert f"{statement} TO {ROLE};" in granting
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


def test_tables_in_another_schema_than_the_role_looks_into_are_found_there(admin, url):
    """With its search_path not set, or as the wrong role, it would make a second set of tables."""
    name = admin.info.dbname
    do(admin, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    admin.execute(f"CREATE SCHEMA mail AUTHORIZATION {ROLE}")
    works(f"{url}&options=-csearch_path%3Dmail")
    expected = f"ALTER ROLE {ROLE} IN DATABASE {name} SET search_path = mail;"
    problem = open_store(url).access_problem()
    assert (problem.message, problem.fix) == (
        f"the tables are in the schema mail, and {ROLE} looks into public",
        expected,
    )
    with closing(open_store(url)) as store, pytest.raises(Refused) as caught:
        require_schema(store)
    assert str(caught.value).endswith(
        f"has no tables of the worker in the schema public, but in mail. If those are meant: {expected}"
    )
    do(admin, expected)
    works(url)
    assert grants_of(url) == ""


def test_a_search_path_that_names_no_schema_is_reported(admin, url):
    admin.execute(f"ALTER ROLE {ROLE} SET search_path = mail")
    expected = f"CREATE SCHEMA mail AUTHORIZATION {ROLE};"
    assert grants_of(url) == expected
    with closing(open_store(url)) as store, pytest.raises(Unavailable, match=f"{expected}$"):
        ensure_schema(store, migrate=True)
    do(admin, expected)
    works(url)


def test_a_role_that_only_reads_is_distinguished_from_the_worker_s(admin, url, made):
    do(admin, f"GRANT SELECT ON users, events, do_not_mail, ses_worker_schema TO {ROLE}")
    problem = open_store(url).access_problem()
    assert problem.message == f"the role {ROLE} may only read; the tables belong to postgres"
    before, grants = problem.fix.split("make this the worker's role: ")
    assert before == "name the worker's role in store.url; or, to "
    do(admin, grants)
    works(url)


NARROW = """
    GRANT SELECT, INSERT, UPDATE ON users, limits, account_events, progress TO {role};
    GRANT SELECT, INSERT ON quarantine TO {role};
    GRANT SELECT, INSERT, DELETE ON events, policy, new_counts TO {role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON outbox, removals, kept_keys, hourly_counts, daily_counts
        TO {role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON shadow_users, imported_users, forgotten TO {role};
    GRANT SELECT ON events_by_recipient, do_not_mail, ses_worker_schema TO {role};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
"""


def test_the_rights_on_each_table_are_known():
    assert set(WORKER) > OUR_TABLES


def test_an_owner_of_the_database_lacks_nothing(postgresql_url, made):
    assert open_store(postgresql_url).access_problem() is None


def test_a_server_that_does_not_answer_gets_no_query_of_rights(monkeypatch):
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

    def test_the_narrowest_role_does_whatever_a_worker_does(
        self, role, made, run, daemon, emulator, queue, slack, ses, environment
    ):
        """Users, an address that is none, a removal, a notice, a quarantined message, a retry, a policy."""
        environment["SES_WORKER_SUPPRESSION__REMOVE"] = '["jane@example.com"]'
        environment["SES_WORKER_POLICY__UNKNOWN_RECIPIENTS"] = "create"
        environment["SES_WORKER_STORE__MIGRATE"] = "manual"
        do_all(role, NARROW)
        (line,) = [c for c in run("check", "--json").json["checks"] if c["check"] == "database"]
        assert line["status"] == "ok", line
        assert run("users", "import", "-", input="email\njane@example.com\n").status == 0
        ses.list_address("jane@example.com")
        slack.fail(refused(503, "service_unavailable"))
        alone = emulator.create_queue("alone")  # without a dead-letter queue
        environment["SES_WORKER_QUEUE__URL"] = alone
        worker = daemon()
        bodies = (
            mail.bounce("jane@example.com"), mail.complaint("unknown@example.com"), "nonsense",
        )  # fmt: skip
        for body in bodies:
            emulator.send("alone", body)
        wait_until(lambda: counts(role) == {"users": 2, "events": 2, "quarantine": 1})
        waiting = "SELECT count(*) FROM outbox WHERE state <> 'delivered'"
        run("outbox", "retry", "--parked", "--waiting")
        wait_until(lambda: role.execute(waiting).fetchone() == (0,))
        assert role.execute("SELECT outcome FROM removals").fetchall() == [("removed",)]
        assert worker.stop()[0] == 0
        assert "store.unavailable" not in "".join(worker.lines)
        for command in (
            ["why", "jane@example.com"], ["users", "list"], ["outbox", "list"], ["dlq", "list"],
            ["db", "status"], ["suppression", "restore", "jane@example.com"],
        ):  # fmt: skip
            assert run(*command).status == 0, command

    @pytest.mark.parametrize(
        ("command", "right"),
        [
            (["users", "remove", "jane@example.com"], "DELETE ON public.users"),
            (["dlq", "delete", "--all", "--yes"], "DELETE ON public.quarantine"),
            (["dlq", "replay"], "DELETE ON public.quarantine"),
        ],
    )
    def test_a_command_that_deletes_names_the_only_right_that_it_lacks(
        self, role, made, run, queue, environment, command, right
    ):
        do_all(role, NARROW)
        run("users", "import", "-", input="email\njane@example.com\n")
        quarantined(environment, ("processing_failed", mail.bounce("jane@example.com")))
        done = run(*command)
        assert done.status == 1
        expected = f"GRANT {right} TO {ROLE};"
        assert done.err.count("GRANT") == done.err.count(expected) == 1, done.err
        do(role, expected)
        assert run(*command).status in {0, 3}

    @pytest.mark.parametrize(
        ("command", "relations"),
        [
            (
                ["may-send", "jane@example.com"],
                ["do_not_mail", "events_by_recipient", "forgotten", "ses_worker_schema", "users"],
            ),
            (
                ["why", "jane@example.com"],
                [
                    "do_not_mail", "events", "events_by_recipient", "forgotten", "imported_users",
                    "outbox", "removals", "ses_worker_schema", "users",
                ],
            ),
            (
                ["report"],
                [
                    "daily_counts", "events", "hourly_counts", "new_counts", "progress",
                    "ses_worker_schema",
                ],
            ),
            (
                ["users", "check", "jane@example.com"],
                ["do_not_mail", "events_by_recipient", "forgotten", "ses_worker_schema", "users"],
            ),
            (["users", "list", "--since", "7d"], ["events", "ses_worker_schema", "users"]),
            (["users", "list", "--everybody"], ["do_not_mail", "ses_worker_schema", "users"]),
            (["events", "export"], ["events", "ses_worker_schema"]),
            (["users", "list"], ["ses_worker_schema", "users"]),
            (
                ["users", "show", "jane@example.com"],
                ["do_not_mail", "events_by_recipient", "forgotten", "ses_worker_schema", "users"],
            ),
            (["users", "export"], ["ses_worker_schema", "users"]),
            (["outbox", "list"], ["limits", "outbox", "ses_worker_schema"]),
            (["dlq", "list"], ["quarantine", "ses_worker_schema"]),
            (["db", "status"], sorted(OUR_TABLES | {"ses_worker_schema"})),
        ],
    )  # fmt: skip
    def test_a_command_that_only_reads_needs_select_on_what_it_reads_and_asks_for_no_more(
        self, role, url, made, run, queue, postgresql_url, command, relations
    ):
        run(
            "users", "import", "-", input="email\njane@example.com\n",
            SES_WORKER_STORE__URL=postgresql_url,
        )  # fmt: skip
        done = run(*command)
        assert done.status == 1
        named = ", ".join(f"public.{name}" for name in relations)
        assert f"GRANT SELECT ON {named} TO {ROLE};" in done.err
        assert done.err.count("GRANT") == 1
        assert ";;" not in done.err
        assert "; ;" not in done.err
        do(role, f"GRANT SELECT ON {named} TO {ROLE}")
        assert run(*command).status == 0

    def test_a_user_is_shown_with_the_command_that_undoes_without_the_right_to_read_events(
        self, role, made, run, postgresql_url
    ):
        run(
            "users", "import", "-", input="email\njane@example.com\n",
            SES_WORKER_STORE__URL=postgresql_url,
        )  # fmt: skip
        role.execute("UPDATE users SET auto_block_spam = true")
        do(role, f"GRANT SELECT ON public.ses_worker_schema, public.users TO {ROLE}")
        done = run("users", "show", "jane@example.com")
        undo = "ses-worker users reinstate jane@example.com --reason"
        assert (done.status, undo in done.out) == (0, True), done.err
        assert "permission" not in done.err

    def test_the_check_says_who_makes_the_tables_of_an_empty_database_and_where_others_are(
        self, role, url, run, queue
    ):
        def database():
            found = run("check", "--json").json["checks"]
            return next(item for item in found if item["check"] == "database")

        do(role, f"GRANT CREATE ON SCHEMA public TO {ROLE}")
        first = database()
        assert first["status"] == "note"
        assert first["message"].endswith(f"the first start makes them, and {ROLE} owns them")
        role.execute(f"CREATE SCHEMA mail AUTHORIZATION {ROLE}")
        works(f"{url}&options=-csearch_path%3Dmail")
        second = database()
        assert second["message"].endswith("in the schema public, but in mail")
        fix = second["fix"].partition(": ")[2]
        assert fix == f"ALTER ROLE {ROLE} IN DATABASE {role.info.dbname} SET search_path = mail;"
        do(role, fix)
        assert database()["status"] == "ok"

    def test_a_reader_gets_no_advice_to_make_tables(self, role, run, postgresql_url):
        done = run("may-send", "jane@example.com")
        assert done.status == 1
        assert "This is no answer" in done.err
        assert "GRANT" not in done.err

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


def test_another_policy_is_tried_with_the_right_to_read_and_users_rebuilt_with_that_to_change_them(
    admin, url, made, postgresql_url, message
):
    from datetime import timedelta

    from worker.core.policy import Policy
    from worker.process import process
    from worker.store.people import READ
    from worker.store.policy_diff import Comparison
    from worker.store.rebuilding import LOOK, NEEDS, Survey, differing, rebuild
    from worker.store.users import find_user, import_users

    live, other = Policy(), Policy(hard_bounce_pause=timedelta(days=1))
    with closing(open_store(postgresql_url)) as owners:
        list(import_users(owners, [{"email": "a@b.c", "email_key": "a@b.c"}], live))
        process([message(mail.bounce("a@b.c"))], owners, live)

    def grant(needs):
        for name, rights in needs.items():
            admin.execute(f"GRANT {', '.join(rights)} ON {name} TO {ROLE}")

    grant(READ)
    with closing(open_store(url, READ)) as store:
        require_schema(store)
        comparison = Comparison(live, other, mail.NOW, 5)
        with store.read_transaction() as connection:
            comparison.read(connection, since=None, report=lambda *_: None, found=lambda _: None)
        assert comparison.by_change.total() == 1
    grant(LOOK)
    with closing(open_store(url, LOOK)) as store, store.read_transaction() as connection:
        require_schema(store)
        assert differing(connection, other) == []
    grant(NEEDS)
    with closing(open_store(url, NEEDS)) as store, Survey(other, mail.NOW, 5) as survey:
        with store.read_transaction() as connection:
            survey.read(connection, lambda *_: None)
        assert list(rebuild(store, survey, other)) == [1]
        before = find_user(store, "a@b.c")
    assert before["paused_until"] - before["last_hard_bounce"] == timedelta(days=1)
