"""Fuzz one target in this process: `python -m fuzz.one NAME CORPUS SECONDS [libFuzzer's options]`.

It ends by itself after so many seconds, or at the first finding, whose input is left in `FOUND`.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import atheris  # type: ignore[import-not-found, unused-ignore]

ROOT = Path(__file__).parents[1]
FOUND = ROOT / "fuzz" / "found"
sys.path.insert(0, str(ROOT / "tests"))


def main() -> None:
    """Instrument what the target is about, then run."""
    name, corpus, seconds, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["worker"], enable_loader_override=False):
        from fuzz.targets import target

        found = target(name)
        check = found.check
    FOUND.mkdir(exist_ok=True)
    arguments = [
        "fuzz", corpus, f"-max_total_time={seconds}", f"-artifact_prefix={FOUND}/{name}-",
        "-max_len=16384", "-timeout=20", "-rss_limit_mb=2000", "-print_final_stats=1", *options,
    ]  # fmt: skip
    atheris.Setup(arguments, _reporting(name, check))
    atheris.Fuzz()


def _reporting(name: str, check: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Write down why the clients have disagreed: libFuzzer ends the process without a last call."""
    if name != "both_clients":
        return check
    from fuzz.targets.both_clients import DISAGREEMENTS

    file = FOUND / "disagreements.json"
    runs = 0

    def reporting(data: bytes) -> None:
        nonlocal runs
        check(data)
        runs += 1
        if runs % 200 == 0:
            file.write_text(json.dumps(DISAGREEMENTS))

    return reporting


if __name__ == "__main__":
    main()
