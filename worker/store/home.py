"""Where in PostgreSQL the tables are, or will be."""

from collections.abc import Sequence

from msgspec import Struct


class Home(Struct, frozen=True, kw_only=True):
    """The role and the schema of a session; all names are quoted where SQL needs it."""

    database: str
    role: str
    schema: str
    elsewhere: Sequence[str] = ()
    """Other schemas with the tables of a worker, if this schema has none."""

    @property
    def fix(self) -> str:
        """The statement by which the role finds the tables in the other schema."""
        return (
            f"ALTER ROLE {self.role} IN DATABASE {self.database} "
            f"SET search_path = {self.elsewhere[0]};"
        )
