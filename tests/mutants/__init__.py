"""Mutants: each breaks an invariant of ARCHITECTURE.md, and the test named there must fail.

`python -m mutants` (`make mutants`) runs them all on scratch copies of the tree. `table` lists
them, `changing` changes the source, `scratch` makes the copies, `running` runs the named tests.
`tests/docs/test_mutants.py` holds the list and the table of invariants together without running
anything.
"""
