"""The real command, broken by name, perhaps with a point at which it also fails."""

import sys
from importlib import import_module

from broken import WORKERS
from worker.cli import main

if __name__ == "__main__":
    separator = sys.argv.index("--")
    name, *failure = sys.argv[1:separator]
    WORKERS[name].patch()
    if failure:
        import_module("failing").plant(*failure)  # tests/acceptance/failing.py
    sys.argv = ["ses-worker", *sys.argv[separator + 1 :]]
    main()
