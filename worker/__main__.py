"""`ses-worker`, and `python -m worker`."""

import sys

from worker.service.early import obey_stops


def main() -> None:
    """Run the command line; it is read after signals are minded, for that takes a while."""
    obey_stops(sys.argv[1:])
    from worker.cli import main as command_line  # noqa: PLC0415

    command_line()


if __name__ == "__main__":
    main()
