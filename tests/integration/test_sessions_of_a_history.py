"""`why` reads everything in one session of PostgreSQL: each more takes as long as its queries."""

from support import mail

from worker.core.policy import Policy
from worker.process import process
from worker.store import ensure_schema, open_store, postgresql
from worker.store.answers import verdict_on
from worker.store.history import history_of
from worker.store.users import import_users

JANE = "jane@example.com"


def test_a_history_is_read_in_one_session(postgresql_url, message, monkeypatch):
    store = open_store(postgresql_url)
    ensure_schema(store, migrate=True)
    list(import_users(store, [{"email": JANE, "email_key": JANE}]))
    process([message(mail.bounce(JANE))], store, Policy())
    store.close()
    opened = []
    connect = postgresql.connect
    monkeypatch.setattr(postgresql, "connect", lambda url: (opened.append(url), connect(url))[1])
    store = open_store(postgresql_url)
    history = history_of(store, JANE)
    assert (len(history.events), history.verdict.is_user) == (1, True)
    assert len(opened) == 1
    assert history.verdict == verdict_on(store, JANE)
    store.close()
