"""Errors, sorted by what has to be done next."""


class WorkerError(Exception):
    """Whatever this program says to a person; the message says what is wrong and what to do."""


class Misconfigured(WorkerError):
    """No outage can cause this and no restart will mend it: say it and leave with 78."""


class Unavailable(WorkerError):
    """A far side is away or overloaded: try again later, nothing is lost meanwhile."""


class Locked(Unavailable):
    """Another session holds rows that this needs; the rest of the store is well."""


class NotBegun(Unavailable):
    """No transaction could be begun, so what was to be written in it has nothing to do with it."""


class Unsynced(Unavailable):
    """A disk has lost what it was told to keep: only a process that begins anew can trust it."""


class CommitsLost(Unsynced):
    """Durable commits went with a file that somebody removed: only people can look what is missing.

    A new process may go on; this one leaves with 1, so that nobody takes it for a good end.
    """


class Refused(WorkerError):
    """The far side understood and said no: the same call again would be refused again."""


class Raced(WorkerError):
    """Another worker wrote the same rows at the same moment: start the transaction over."""


class Stopped(WorkerError):
    """It is over: whoever waits goes home."""
