"""URLs of PostgreSQL: what is valid, and what is shown of them."""

import pytest

from worker.core.errors import Misconfigured
from worker.store import open_store


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://db/app", "PostgreSQL app on db"),
        ("postgresql://me@db:5433/app", "PostgreSQL app on db"),
        ("postgresql://me:s3cret@db/app?sslmode=require", "PostgreSQL app on db"),
        ("postgresql://me:s3%40%2F%3Fcret@db/app", "PostgreSQL app on db"),
        ("postgresql://me:s3?cret#@db/app", None),
        ("postgresql://me@[::1]:5432/app", "PostgreSQL app on ::1"),
        ("postgresql://one:5432,two:5433/app", "PostgreSQL app on one,two"),
        ("postgresql:///app?host=/run/pg&password=s3cret@x", "PostgreSQL app on /run/pg"),
        ("postgresql:///app", "PostgreSQL app on localhost"),
        ("postgresql://db/app?nonsense=s3cret", None),
        ("postgresql://me:s3cret@db:abc/app", None),
        ("postgresql://me:s3cret@db:99999/app", None),
        ("postgresql://me:s3cret@db:0/app", None),
        ("postgresql://me:100%s3cret@db/app", None),
        ("postgresql://me:s3cret@[::1/app", None),
        ("postgresql://me:p@s3cret@db/app", None),
        ("postgresql://me:p/s3cret@db/app", None),
        ("postgresql://me:12/s3cret@db/app", None),
        ("postgresql://me:p?s3cret@db/app", None),
        ("postgresql://db?password=a@s3cret", None),
    ],
)
def test_a_place_never_holds_a_part_of_a_password(url, place):
    if place:
        assert open_store(url).place == place
    else:
        with pytest.raises(Misconfigured) as caught:
            open_store(url)
        assert str(caught.value) == (
            "store.url is not a valid PostgreSQL URL "
            "(percent-encode special characters in user and password)"
        )
