"""Errors, classified by what the caller must do next."""


class WorkerError(Exception):
    """An error for people; its message states what is wrong and what to do."""


class Misconfigured(WorkerError):
    """No outage causes this and no restart fixes it: report it and exit with 78."""


class Unavailable(WorkerError):
    """A service is unreachable or overloaded: try again later, nothing is lost meanwhile."""


class Locked(Unavailable):
    """Another session has locked rows that this message needs; other messages can be written."""


class NotBegun(Unavailable):
    """No transaction could begin, so the cause is not in the messages that it was for."""


class Unsynced(Unavailable):
    """An fsync failed: only a new process can trust the database again."""


class CommitsLost(Unsynced):
    """A database file was removed, and durable commits with it; a person must look what is missing.

    The process exits with 1, so that the loss is noticed; a new process can continue.
    """


class Refused(WorkerError):
    """The service refused the call: the same call would be refused again."""


class Raced(WorkerError):
    """Another worker wrote the same rows at the same moment: start the transaction over."""


class Stopped(WorkerError):
    """Shutdown requested: stop waiting."""


class NoCertificate(NotBegun):
    """A certificate that must be had cannot be fetched now; the cause is not in the messages."""
