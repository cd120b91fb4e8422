"""Fuzzing: bytes that nobody thought of, and what must be true of whatever comes of them.

`python -m fuzz` runs every target for some seconds, guided by coverage (atheris), and prints a
table. `tests/unit/test_fuzz_targets.py` runs the corpus in the repository through the same targets.
"""
