"""The people who were forgotten: without the key nobody would recognise them."""

from worker.topology.checks.findings import Check, Finding

FORGOTTEN = Check("forgotten")
_FIX = "set privacy.key to the key with the id {key_id}; if it is lost, see docs/forget.md"


def judge_forgotten(count: int, key_id: str, own_id: str | None) -> Finding:
    """Judge whether they are recognised; `own_id`: of the key that is set, if a key is."""
    if not count:
        has = "privacy.key is set" if own_id else "privacy.key is not set, and not needed yet"
        return FORGOTTEN.ok(f"nobody was forgotten; {has}")
    people = f"{count:,} {'person was' if count == 1 else 'people were'} forgotten"
    if own_id == key_id:
        return FORGOTTEN.ok(f"{people}; privacy.key is the key by which they were forgotten")
    what = f"has changed (its id is {own_id})" if own_id else "is not set"
    return FORGOTTEN.wrong(
        f"{people}, and privacy.key {what}: they are not recognised, so `run` and `drain` refuse",
        _FIX.format(key_id=key_id),
    )
