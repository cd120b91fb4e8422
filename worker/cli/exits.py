"""The exit statuses: the table of the help texts and of docs/running.md."""

from enum import IntEnum


class Exit(IntEnum):
    """A command's exit status; if several apply, the first of FAILED, REMAIN, SET_ASIDE."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    SET_ASIDE = 3
    NO = SET_ASIDE  # the answer of may-send and users check
    REMAIN = 4
    MISCONFIGURED = 78


MEANINGS = {
    Exit.DONE: "done",
    Exit.FAILED: "failed while running",
    Exit.USAGE: "wrong usage",
    Exit.SET_ASIDE: (
        "finished, but some messages were deferred or dead-lettered (drain, replay); "
        "the answer is no (may-send, users check); something could not be taken out (users forget)"
    ),
    Exit.REMAIN: "messages remain: stopped at a limit, or others hold them (drain, dlq)",
    Exit.MISCONFIGURED: "misconfigured, a restart will not help",
}
