"""Workers that are broken on purpose are caught, each by the oracle that is there for it."""

import pytest
from broken import WORKERS
from chaos.plan import NAMED
from chaos.play import play
from oracles import report


@pytest.mark.parametrize("name", WORKERS)
def test_a_broken_worker_is_caught(name, tmp_path):
    worker = WORKERS[name]
    findings = play(
        NAMED[worker.schedule]("sqlite"),
        tmp_path,
        f"sqlite:///{tmp_path / 'worker.db'}",
        broken=name,
        until=worker.caught_by,
    )
    assert worker.caught_by in {finding.oracle for finding in findings}, report(findings)
