"""What is done to each table and view: the rights that a role of PostgreSQL's needs for it."""

from collections.abc import Mapping

from worker.store.revision import OUR_TABLES, OUR_VIEWS, VERSION_TABLE

Needs = Mapping[str, tuple[str, ...]]
"""Rights by the names of tables and views."""

_READ = ("SELECT",)
_ALL = ("SELECT", "INSERT", "UPDATE", "DELETE")
_BY_THE_WORKER: Needs = {
    "users": ("SELECT", "INSERT", "UPDATE"),
    "events": ("SELECT", "INSERT", "DELETE"),
    "account_events": ("SELECT", "INSERT", "UPDATE"),
    "quarantine": ("SELECT", "INSERT"),
    "outbox": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "limits": ("SELECT", "INSERT", "UPDATE"),
    "removals": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "policy": ("SELECT", "INSERT", "DELETE"),
    "hourly_counts": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "daily_counts": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "new_counts": ("SELECT", "INSERT", "DELETE"),
    "progress": ("SELECT", "INSERT", "UPDATE"),
    "shadow_users": ("SELECT", "INSERT", "UPDATE", "DELETE"),
}


def to_read(*names: str) -> Needs:
    """Return what a command needs that only reads these, after it has looked at the version."""
    return dict.fromkeys((*names, VERSION_TABLE), _READ)


WORKER: Needs = {
    **to_read(*OUR_VIEWS),
    **{name: _BY_THE_WORKER.get(name, _ALL) for name in OUR_TABLES},
}
"""What `run` and `drain` need, with every feature that they may have."""


def and_delete(*names: str) -> Needs:
    """Return what a command needs that also deletes rows of these tables."""
    return {**WORKER, **{name: (*WORKER[name], "DELETE") for name in names}}


def needs_only_reads(needs: Needs) -> bool:
    """Return whether nothing is written."""
    return all(rights == _READ for rights in needs.values())
