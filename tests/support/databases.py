"""PostgreSQL as tests want it."""


def not_waiting_for_its_disk(url: str) -> None:
    """Let a server not wait for its disk, which would matter only if the machine lost its power."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET fsync = off")
        admin.execute("ALTER SYSTEM SET full_page_writes = off")
        admin.execute("SELECT pg_reload_conf()")
