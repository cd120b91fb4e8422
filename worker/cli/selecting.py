"""Options that select people, and events of people."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from worker.cli.help import option
from worker.cli.when import When

if TYPE_CHECKING:
    from worker.store.selecting import UserFilter

LONGEST_REASON = 500
_MOST = 100
"""Characters of a domain that an error repeats."""


class Domain(click.ParamType):  # type: ignore[type-arg] # older versions of click have no subscript
    """A domain; with `.` before it, its subdomains, too."""

    name = "domain"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Normalise it as addresses are; `@example.com`, too."""
        from worker.core.address import parse_address

        text = str(value).strip().removeprefix("@")
        name = text.removeprefix(".")
        example = parse_address(f"a@{name}") if name and "@" not in name else None
        if example is None:
            self.fail(f"{text[:_MOST]!r} is no domain", param, ctx)
        return f".{example.domain}" if text.startswith(".") else example.domain


domain_option = option(
    "--domain",
    type=Domain(),
    metavar="NAME",
    show_default="any",
    help="Only addresses of this domain; with a dot before it, of its subdomains, too.",
)


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options from which `user_filter` makes a filter."""
    options = (
        option("--paused", is_flag=True, show_default="off", help="Only who is paused now."),
        option("--blocked", is_flag=True, show_default="off", help="Only who is blocked."),
        option(
            "--since",
            type=When(),
            show_default="any time",
            help="Only who had a bounce or complaint then or later: a date, a time, or 7d, 12h.",
        ),
        domain_option,
        option(
            "--reason",
            metavar="WORD",
            callback=_is_reason,
            show_default="any",
            help="Only who must not be mailed now for this reason, such as hard_bounce.",
        ),
    )
    for add in reversed(options):
        command = add(command)
    return command


def _is_reason(_: click.Context, __: click.Parameter, value: str | None) -> str:
    if value is None:
        return ""
    if not value.strip() or not value.isprintable() or len(value) > LONGEST_REASON:
        raise click.BadParameter("must be a word, such as auto_block_spam or hard_bounce")
    return value.strip()


def user_filter(options: dict[str, Any]) -> "UserFilter":
    """Take the options of `filter_options` out of a command's options."""
    from worker.store.selecting import BLOCKED, UserFilter

    paused, blocked, since, domain, reason = (
        options.pop(name) for name in ("paused", "blocked", "since", "domain", "reason")
    )
    is_pause = paused or (reason and reason != BLOCKED)
    return UserFilter(
        paused_at=datetime.now(UTC) if is_pause else None,
        blocked=blocked,
        since=since,
        domain=domain or "",
        reason=reason,
    )
