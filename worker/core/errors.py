"""Errors, sorted by what has to be done next."""


class WorkerError(Exception):
    """An error for people; its message states what is wrong and what to do."""


class Misconfigured(WorkerError):
    """No outage causes this and no restart fixes it: report it and exit with 78."""


class Unavailable(WorkerError):
    """A service is unreachable or overloaded: try again later, nothing is lost meanwhile."""


class Locked(Unavailable):
    """Another session holds rows that this needs; the rest of the store is well."""


class NotBegun(Unavailable):
    """No transaction could be begun, so what was to be written in it has nothing to do with it."""


class Unsynced(Unavailable):
    """An fsync failed: only a new process can trust the database again."""


class CommitsLost(Unsynced):
    """Durable commits went with a file that somebody removed: only people can look what is missing.

    A new process may go on; this one leaves with 1, so that nobody takes it for a good end.
    """


class Refused(WorkerError):
    """The service refused the call: the same call would be refused again."""


class Raced(WorkerError):
    """Another worker wrote the same rows at the same moment: start the transaction over."""


class Stopped(WorkerError):
    """Shutdown requested: stop waiting."""
