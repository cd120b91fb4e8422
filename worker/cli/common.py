"""Shared by all commands: options, settings, and the reporting of failures."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, cast

import click

from worker.cli.exits import Exit
from worker.cli.help import option
from worker.core.errors import Misconfigured, WorkerError

if TYPE_CHECKING:
    from worker.settings import Settings

HELP_SETTINGS = {"show_default": True, "help_option_names": ["-h", "--help"]}
CONFIG_HELP = (
    "The settings file. Default: $SES_WORKER_CONFIG, else /etc/ses-worker/worker.toml if it exists."
)

_READ, _FILE = "ses-worker.read-settings", "ses-worker.settings-file"

Options = ParamSpec("Options")

# Not checked here: `worker.settings.inputs` reports an unreadable file, also of the environment.
config_option = option(
    "--config", type=click.Path(path_type=Path, readable=False), help=CONFIG_HELP
)

json_option = option(
    "--json",
    "as_json",
    is_flag=True,
    show_default="off",
    help="Print a single JSON object instead of text.",
)


def with_settings(
    command: Callable[Concatenate["Settings", Options], None],
) -> Callable[..., None]:
    """Load the settings for a command, set up logging, and report failures."""

    @config_option
    @wraps(command)
    def wrapper(*args: Options.args, **options: Options.kwargs) -> None:
        from worker.cli.called import wording
        from worker.observability.log import configure_logging, word_commands
        from worker.service.core_dumps import leave_no_core_dump
        from worker.settings.loading import load_settings

        with reporting_failures():
            leave_no_core_dump()
            file = options.pop("config") or click.get_current_context().find_root().obj
            read = partial(load_settings, os.environ, cast("Path | None", file))
            settings = read()
            click.get_current_context().meta[_READ] = read
            click.get_current_context().meta[_FILE] = file
            configure_logging(settings.log.level, json=settings.log.as_json)
            word_commands(wording())
            command(settings, *args, **options)

    return wrapper


def read_again() -> "Settings":
    """Read the settings of the running command again, from the same file and environment.

    Raises:
        Misconfigured: they are wrong now.

    """
    return cast("Settings", click.get_current_context().meta[_READ]())


def settings_file() -> "Path | None":
    """Return the value of `--config`, if given."""
    return cast("Path | None", click.get_current_context().meta.get(_FILE))


@contextmanager
def reporting_failures() -> Iterator[None]:
    """Print an error as a sentence, and exit with its status."""
    try:
        yield
    except Misconfigured as error:
        print_message(error)
        sys.exit(Exit.MISCONFIGURED)
    except WorkerError as error:
        print_message(error)
        sys.exit(Exit.FAILED)
    except KeyboardInterrupt:
        print_message("interrupted")
        sys.exit(Exit.FAILED)
    except click.Abort as refused:  # at a question, before anything is done
        if isinstance(refused.__context__, KeyboardInterrupt | EOFError):
            sys.stderr.write("\n")  # the answer did not end the line
        print_message("not confirmed; nothing was changed")
        sys.exit(Exit.FAILED)
    except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
        raise  # click prints them
    except Exception as error:  # noqa: BLE001 a bug: logged without locals and addresses
        import structlog

        from worker.observability.log import configure_logging

        if not structlog.is_configured():
            configure_logging("info", json=None)
        structlog.get_logger().critical("command.failed", exc_info=error)
        sys.exit(Exit.FAILED)


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a row for JSON and CSV: times are ISO 8601."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def counted(count: int, noun: str, plural: str = "") -> str:
    """Write a count with its noun, such as `1 event`, `1,200 events`, `2 entries`."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def require_terminal(*, yes: bool) -> None:
    """Refuse a command that needs a confirmation where there is no terminal.

    Raises:
        UsageError: there is no terminal, and no `--yes`.

    """
    if not (yes or sys.stdin.isatty()):
        raise click.UsageError("there is no terminal for a confirmation: use --yes")


def print_message(what: object) -> None:
    """Print a line on stderr; in systemd's journal with the priority of an error."""
    from worker.cli.called import as_called
    from worker.core.masking import printable
    from worker.observability.journal import ends_in_journal

    level = "<3>" if ends_in_journal(sys.stderr, os.environ) else ""  # sd-daemon(3)
    lines = (
        f"{level}ses-worker: {printable(line)}\n" for line in as_called(str(what)).splitlines()
    )
    # Not click.echo, which would bypass a progress bar that has replaced stderr.
    sys.stderr.writelines(lines)
    sys.stderr.flush()


def address_hash(settings: "Settings", key: str) -> str:
    """Return by what an address is found in the log; empty where lines have no hash."""
    from worker.observability.telemetry import hashed

    return hashed(log_key, key) if (log_key := settings.log_key) else ""
