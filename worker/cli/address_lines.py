"""Addresses that a command gets: one as its argument, or a list on standard input."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from worker.cli.common import print_message

if TYPE_CHECKING:
    from worker.core.model import Address

MOST_SHOWN = 20
"""Addresses that are printed because something is wrong with them, unless all of them are."""


class AddressLines:
    """Normalised addresses, in the order of the lines; counts the lines that are no address."""

    def __init__(self, argument: str, *, show_all: bool) -> None:
        """`argument` is an address, or `-` for standard input.

        Raises:
            click.BadParameter: it is neither.

        """
        from worker.core.address import parse_address

        if argument != "-" and parse_address(argument) is None:
            raise click.BadParameter("is no usable address", param_hint="ADDRESS")
        self._argument = argument
        self._left_to_show = None if show_all else MOST_SHOWN
        self.refused = 0

    @property
    def is_single(self) -> bool:
        """Whether the address is the argument."""
        return self._argument != "-"

    def __iter__(self) -> Iterator[str]:
        """Yield the key of each address, as `addresses` does."""
        return (address.key for address in self.addresses())

    def addresses(self) -> "Iterator[Address]":
        """Yield each address; empty lines are skipped.

        Raises:
            Refused: it is CSV without a column `email`.

        """
        from worker.commands.address_list import listed
        from worker.core.address import parse_address

        for number, text in listed(self._lines()):
            if (address := parse_address(text)) is None:
                self.refused += 1
                self.show(f"line {number} is no usable address")
            else:
                yield address

    def show(self, message: str) -> None:
        """Print what is wrong with an address, unless enough was printed."""
        if self._left_to_show is None:
            print_message(message)
        elif self._left_to_show:
            self._left_to_show -= 1
            print_message(message)

    def _lines(self) -> Iterator[str]:
        if self.is_single:
            yield self._argument
            return
        with click.open_file("-", encoding="utf-8-sig", errors="surrogateescape") as file:
            yield from file
