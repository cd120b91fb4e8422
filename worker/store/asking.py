"""Who answers queries: a store, each in a transaction of its own, or a transaction, all of them."""

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Asks(Protocol):
    """Answers queries in the text of `Store.ask`."""

    def ask(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        """Answer a query; `{name}` in it stands for a value."""


class AsksWithin:
    """Answers within a transaction of SQLAlchemy: in PostgreSQL a session more costs 10 ms."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._place = ":{}" if connection.dialect.name == "sqlite" else "%({})s"

    def ask(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        """Answer a query; see `Store.ask`."""
        statement = query.format_map({name: self._place.format(name) for name in values})
        return [tuple(row) for row in self._connection.exec_driver_sql(statement, values)]
