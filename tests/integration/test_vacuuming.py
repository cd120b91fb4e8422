"""What `users forget` leaves in PostgreSQL's own tables."""

import psycopg

from worker.store import ensure_schema, open_store
from worker.store.users import import_users

JANE = "jane@example.com"
STATISTICS = "SELECT string_agg(pg_stats::text, ' ') FROM pg_stats WHERE tablename = 'users'"


def test_the_statistics_of_the_planner_have_no_address(postgresql_url):
    store = open_store(postgresql_url)
    ensure_schema(store, migrate=True)
    people = [f"{local}@example.com" for local in ("ann", "jane", "joe", "mary", "zoe")]
    list(import_users(store, ({"email": each, "email_key": each} for each in people)))
    with psycopg.connect(store.url, autocommit=True) as session:

        def statistics():
            return session.execute(STATISTICS).fetchone()[0]

        session.execute("ANALYZE users")
        assert JANE in statistics()
        session.execute("DELETE FROM users WHERE email_key = %s", (JANE,))
        assert JANE in statistics()
        store.wipe([JANE])
        assert "joe@example.com" in statistics()
        assert JANE not in statistics()
    store.close()
