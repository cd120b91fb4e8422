"""How many examples a property is tested with: some in the gate, many more in `make chaos`."""

import os

_TIMES = int(os.environ.get("EXAMPLES_TIMES", "1"))


def examples(in_the_gate: int) -> int:
    """Return `max_examples` for Hypothesis."""
    return in_the_gate * _TIMES
