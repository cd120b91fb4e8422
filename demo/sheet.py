"""The look of all tables."""

from rich import box
from rich.table import Table


def sheet(*headers: str) -> Table:
    """Make an empty table; what is in its cells stays on a line."""
    table = Table(
        box=box.SIMPLE_HEAD,
        header_style="cyan",
        padding=(0, 1, 0, 0),  # with the box's own blank, two between columns
        pad_edge=False,
        show_edge=False,
    )
    for header in headers:
        table.add_column(header, no_wrap=True)
    return table
