"""`ses-worker users check`: whether mail may go to each of many addresses now."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import click

from worker.cli.common import HELP_SETTINGS, counted, json_option, print_message, with_settings
from worker.cli.exits import Exit
from worker.cli.help import option
from worker.cli.may_send import no_answer_is_no
from worker.cli.words import moment, verdict_figures
from worker.core.masking import cut, printable
from worker.service.signals import as_interrupts

if TYPE_CHECKING:
    from worker.core.privacy import PrivacyKey
    from worker.settings import Settings
    from worker.store import Store
    from worker.store.answers import Verdict

COLUMNS = (
    "line", "given", "address", "answer", "reason", "until", "known", "user", "forgotten_at",
)  # fmt: skip
_MOST_NAMED = 20
"""Line numbers that are named because they have no address."""
_LONGEST_SHOWN = 80
"""Characters of what is no address."""
_OUTPUT_FILE = click.Path(path_type=Path, dir_okay=False, readable=False, allow_dash=True)


class _Line(NamedTuple):
    """A line that is not empty."""

    number: int
    given: str
    key: str
    """The normalised address; empty: there is none."""


@click.command(context_settings=HELP_SETTINGS)
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@option(
    "--csv", "file", type=_OUTPUT_FILE, show_default="off",
    help="Write CSV to this file, or (-) standard output.",
)  # fmt: skip
@json_option
@with_settings
def check(settings: "Settings", addresses: Sequence[str], file: Path | None, as_json: bool) -> None:
    """Show for each ADDRESS whether mail may go there now, as may-send does for a single address.

    With - the addresses stand on standard input, one a line, or in the column email of CSV with a
    header. There is an answer for each line that is not empty, in the same order: yes, no, or
    invalid where there is no usable address.

    The exit status is 0 if mail may go to all of them, 3 if it must not go to at least one, 1 if
    a line is invalid or there is no answer, and 2 if an ADDRESS of the command line is none. Send
    only where the answer is yes. 100,000 addresses take some seconds.

    \b
    Example:
      ses-worker users check jane@example.com joe@example.com
      ses-worker users check - --csv answers.csv < addresses.txt
    """
    from worker.app import open_existing_store
    from worker.store.answers import READ

    if as_json and file:
        raise click.UsageError("--json and --csv exclude each other")
    lines = _lines(addresses)
    with no_answer_is_no():
        store = open_existing_store(settings, READ)
    privacy_key = settings.privacy.privacy_key
    work = _Checking(store, lines, privacy_key, is_list="-" in addresses)
    with as_interrupts():
        if file:
            work.write_csv(file)
        elif as_json:
            work.write_json()
        else:
            work.write_text()
    work.conclude(quiet=as_json)
    sys.exit(work.status)


def _lines(addresses: Sequence[str]) -> Iterator[_Line]:
    """Return the lines to answer.

    Raises:
        click.UsageError: `-` is not alone.
        click.BadParameter: an argument is no address.

    """
    if "-" in addresses:
        if len(addresses) > 1:
            raise click.UsageError("- takes all addresses from standard input; give nothing else")
        return _of_list(click.open_file("-", encoding="utf-8-sig", errors="surrogateescape"))
    lines = {line.number: line for line in _numbered(enumerate(addresses, start=1))}
    for number, given in enumerate(addresses, start=1):
        if number not in lines or not lines[number].key:
            shown = printable(cut(given, _LONGEST_SHOWN))
            raise click.BadParameter(f"{shown!r} is no usable address", param_hint="ADDRESS")
    return iter(lines.values())


def _of_list(file: IO[str]) -> Iterator[_Line]:
    from worker.commands.address_list import listed

    return _numbered(listed(file))


def _numbered(texts: Iterable[tuple[int, str]]) -> Iterator[_Line]:
    from worker.core.address import parse_address
    from worker.core.limits import LONGEST_REPORTED
    from worker.core.parsing import clip

    for number, text in texts:
        given = clip(text.strip(), LONGEST_REPORTED)
        address = parse_address(given) if len(text) <= LONGEST_REPORTED else None
        yield _Line(number, given, address.key if address else "")


class _Checking:
    """Answers lines in their order, many with a few queries, and counts the answers."""

    def __init__(
        self,
        store: "Store",
        lines: Iterator[_Line],
        privacy_key: "PrivacyKey | None",
        *,
        is_list: bool,
    ) -> None:
        self._store = store
        self._privacy_key = privacy_key
        self._lines = lines
        self._is_list = is_list
        self._yes = self._no = 0
        self._invalid: list[int] = []
        self._invalid_count = 0

    def answers(self, *, shown: bool) -> Iterator[Mapping[str, Any]]:
        """Yield a row of `COLUMNS` for each line."""
        from worker.cli.progress import Progress
        from worker.store.bulk_answers import AT_ONCE, verdicts_on

        done = 0
        with Progress("check", "addresses", enabled=shown and self._is_list) as progress:
            while batch := list(islice(self._lines, AT_ONCE)):
                with no_answer_is_no():
                    keys = {line.key for line in batch if line.key}
                    verdicts = verdicts_on(self._store, keys, self._privacy_key)
                for line in batch:
                    yield self._answer(line, verdicts.get(line.key))
                done += len(batch)
                progress.update(done, None)

    def _answer(self, line: _Line, verdict: "Verdict | None") -> Mapping[str, Any]:
        row: dict[str, Any] = {"line": line.number, "given": line.given, "address": line.key}
        if verdict is None:
            self._invalid_count += 1
            if len(self._invalid) < _MOST_NAMED:
                self._invalid.append(line.number)
            nothing = dict.fromkeys(COLUMNS[4:])
            return row | {"address": None, "answer": "invalid"} | nothing
        self._yes += verdict.may_send
        self._no += not verdict.may_send
        figures = verdict_figures(verdict)
        answer = "yes" if figures.pop("may_send") else "no"
        return row | {"answer": answer} | figures

    def write_text(self) -> None:
        """Print a line for each."""
        for row in self.answers(shown=not sys.stdout.isatty()):
            click.echo(_sentence(row))

    def write_csv(self, file: Path) -> None:
        """Write a row for each; the file is replaced when all are written."""
        from worker.cli.outfile import written
        from worker.commands.csv_export import with_guard

        with written(file) as out:
            table = csv.DictWriter(out, COLUMNS, lineterminator="\n")
            table.writeheader()
            for row in self.answers(shown=str(file) != "-" or not sys.stdout.isatty()):
                table.writerow({name: with_guard(value) for name, value in row.items()})

    def write_json(self) -> None:
        """Print an object with all answers, as they come."""
        separator = '{"answers": ['
        for row in self.answers(shown=False):
            click.echo(f"{separator}{json.dumps(row)}", nl=False)
            separator = ",\n"
        begun = "" if separator.startswith(",") else separator
        counts = {"yes": self._yes, "no": self._no, "invalid": self._invalid_count}
        click.echo(f"{begun}], {json.dumps(counts)[1:]}")

    def conclude(self, *, quiet: bool) -> None:
        """Report which lines have no address, and of a list how many answers there were."""
        if self._invalid:
            named = ", ".join(map(str, self._invalid))
            more = ", …" if self._invalid_count > len(self._invalid) else ""
            noun = "line is" if self._invalid_count == 1 else "lines are"
            print_message(f"{self._invalid_count:,} {noun} no usable address: {named}{more}")
        if self._is_list and not quiet:
            checked = counted(self._yes + self._no, "address", "addresses")
            print_message(f"{checked}: {self._yes:,} may be mailed now, {self._no:,} must not")

    @property
    def status(self) -> Exit:
        """The exit status."""
        if self._invalid:
            return Exit.FAILED
        return Exit.NO if self._no else Exit.DONE


def _sentence(row: Mapping[str, Any]) -> str:
    from datetime import datetime

    answer = f"{row['answer']:<8}"
    if row["answer"] == "invalid":
        return f"{answer}line {row['line']}: {printable(cut(row['given'], 80))}"
    address = printable(row["address"])
    if row["answer"] == "no":
        until = row["until"]
        state = f"until {moment(datetime.fromisoformat(until))} UTC" if until else "blocked"
        return f"{answer}{address}  {state} ({printable(row['reason'])})"
    return f"{answer}{address}" if row["known"] else f"{answer}{address}  unknown"
