"""Random schedules: the real command, with faults drawn by a seed, and the oracles behind it.

`plan` draws, `stage` is where it happens, `play` goes through it and asks. `long` is `make chaos`.
"""
