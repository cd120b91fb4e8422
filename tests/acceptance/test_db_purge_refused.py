"""`db purge --now` at a terminal, answered with no: neither it nor the daemon removes anything."""

import pytest
from acceptance.test_db_purge import AGE, BODIES, execute, send


@pytest.mark.parametrize(("answer", "events"), [("n\n", 2), ("y\n", 1)])
def test_who_says_no_has_allowed_nothing_to_later_purges_either(
    run, terminal, emulator, queue, database, environment, answer, events
):
    send(run, emulator, queue, *BODIES)
    execute(environment, AGE)
    done = terminal("db", "purge", "--now", answer=answer)
    assert "Remove up to 2 rows now?" in done.out
    assert run("db", "purge").status == 0, "as the daemon does once a day"
    assert database.count("events") == events
