"""Why a signature is not accepted, or cannot be verified."""

from worker.core.errors import WorkerError


class Wrong(WorkerError):
    """The signature proves nothing: SNS did not sign this message."""


class NotServed(WorkerError):
    """The host answered that it has no such certificate."""


class Failed(WorkerError):
    """The certificate cannot be had now, or what was served cannot be trusted."""
