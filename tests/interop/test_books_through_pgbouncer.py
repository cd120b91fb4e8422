"""The contract of the store, with pgbouncer between it and PostgreSQL."""

import pytest

pytest.register_assert_rewrite("contract.test_stores")

from contract.test_stores import *  # noqa: E402, F403 every test of it, with the fixture below


@pytest.fixture(params=["transaction", "session"])
def store_url(request, pgbouncer):
    return pgbouncer(request.param, default_pool_size=20)
