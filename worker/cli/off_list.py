"""Takes reinstated addresses off SES's suppression list, and says what became of each."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from worker.cli.address_lines import AddressLines
from worker.cli.common import counted, print_message
from worker.cli.words import OF_ACCOUNT

if TYPE_CHECKING:
    from worker.commands.asked_removals import Progress
    from worker.settings import Settings
    from worker.store import Store

_REMOVED, _NOT_LISTED = "removed", "not_listed"


class OffList:
    """Delivers the removals of a command."""

    def __init__(
        self,
        settings: "Settings",
        store: "Store",
        removals: Mapping[int, str],
        *,
        tenant: str | None,
        shown: bool,
    ) -> None:
        """`removals`: the addresses by outbox id."""
        self._settings = settings
        self._store = store
        self._removals = removals
        self._list = f"the suppression list of tenant {tenant}" if tenant else OF_ACCOUNT
        self._shown = shown
        self._end: Progress | None = None

    @property
    def is_off_the_list(self) -> bool:
        """Whether no address is on the list, so far as SES says."""
        figures = self.figures
        return bool(figures["requested"] == figures[_REMOVED] + figures[_NOT_LISTED])

    @property
    def figures(self) -> dict[str, Any]:
        """The figures, for JSON."""
        outcomes = dict(self._end.outcomes) if self._end else {}
        return {
            "requested": len(self._removals),
            _REMOVED: outcomes.pop(_REMOVED, 0),
            _NOT_LISTED: outcomes.pop(_NOT_LISTED, 0),
            **outcomes,
            "parked": self._end.parked if self._end else 0,
            "waiting": self._end.waiting if self._end else 0,
            "error": self._end.error if self._end else "",
        }

    @property
    def sentence(self) -> str:
        """The figures in words."""
        figures = self.figures
        outcomes = dict(self._end.outcomes) if self._end else {}
        kept = sum(outcomes.values()) - figures[_REMOVED] - figures[_NOT_LISTED] + figures["parked"]
        parts = [f"{figures[_REMOVED]:,} taken off", f"{figures[_NOT_LISTED]:,} not on it"]
        parts += [f"{kept:,} not taken off"] if kept else []
        parts += [f"{figures['waiting']:,} still to do"] if figures["waiting"] else []
        return f"{self._list}: {', '.join(parts)}"

    def deliver(self, lines: AddressLines) -> None:
        """Deliver them, with a progress bar on a terminal, and name those that are not off it."""
        from worker.cli.progress import Progress as Bar
        from worker.commands.asked_removals import Delivering
        from worker.observability.log import configure_logging

        if self._settings.log.level == "info":  # what it would log is printed below
            configure_logging("error", json=self._settings.log.as_json)
        delivering = Delivering(self._settings, self._store, list(self._removals))
        with Bar("suppression list", "addresses", enabled=self._shown) as bar:
            total = len(self._removals)
            self._end = delivering.until_over(
                lambda progress: bar.update(total - progress.waiting, total)
            )
        if not self._shown:
            return
        for message in self._messages(self._end, is_single=lines.is_single):
            lines.show(message)
        if self._end.waiting:
            print_message(_left_to_worker(self._end))

    def _messages(self, end: "Progress", *, is_single: bool) -> Iterator[str]:
        """Report what became of an address: of many only where it may still be listed."""
        for number, text in end.results.items():
            outcome, _, detail = text.partition(":")
            if not is_single and outcome in {_REMOVED, _NOT_LISTED}:
                continue
            reason = f" ({detail.strip()})" if detail else ""
            yield f"{self._removals[number]}: {outcome.replace('_', ' ')}{reason}"


def _left_to_worker(end: "Progress") -> str:
    why = f" ({end.error})" if end.error else ""
    return (
        f"{counted(end.waiting, 'removal')} could not be done now{why}: a running worker does it, "
        "or `ses-worker drain`; `ses-worker outbox list --kind removal` shows what waits"
    )
