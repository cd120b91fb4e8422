"""`ses-worker demo`."""

import click


@click.group()
def demo() -> None:
    """User records."""
