"""Makes calls to SQS, with credentials."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from worker.aws import (
    CALL_SECONDS,
    IDENTITY_SECONDS,
    AwsRefused,
    NoIdentity,
    translated,
)
from worker.aws.codes import NO_QUEUE, STALE_CREDENTIALS
from worker.sqs.client import Clients
from worker.timing.deadlines import within

log = structlog.get_logger()


class NoSuchQueue(AwsRefused):
    """A queue that a setting or a redrive policy names does not exist."""

    def __init__(self, text: str, refused: AwsRefused) -> None:
        super().__init__(refused.code, refused.text, refused.status, refused.operation)
        self.args = (text,)


class Asking(ABC):
    """The base of clients of a single queue. Thread-safe.

    When SQS refuses the credentials, new credentials are fetched and the call is made once more.
    All of that takes `CALL_SECONDS` at most, in addition to the time of a long poll.
    """

    def __init__(self, url: str, connect: Callable[[], Clients]) -> None:
        """Nothing is called yet."""
        self.url = url
        self._connect = connect
        self._lock = threading.Lock()
        self._clients: Clients | None = None
        """Made at the first call, and again after the credentials were refused."""
        self._has_warned = False

    @property
    def name(self) -> str:
        """The queue's name, as logs show it."""
        return self.url.rpartition("/")[2]

    def _attributes(self, *names: str, of: str | None = None) -> dict[str, str]:
        request = {"QueueUrl": of or self.url, "AttributeNames": list(names)}
        answer = self._ask("get_queue_attributes", request)
        return dict(answer.get("Attributes", {}))

    def _call(self, operation: str, **arguments: Any) -> Mapping[str, Any]:
        return self._ask(operation, {"QueueUrl": self.url} | arguments)

    def _ask(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        with within(request.get("WaitTimeSeconds", 0) + CALL_SECONDS):
            try:
                return self._ask_once(operation, request)
            except AwsRefused as refused:
                if refused.code not in STALE_CREDENTIALS:
                    raise
            return self._ask_once(operation, request)  # with new credentials, perhaps

    def _ask_once(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        clients = self._clients or self._connected()
        try:
            with translated():
                return clients.ask(operation, request)
        except (AwsRefused, NoIdentity) as error:
            if not isinstance(error, AwsRefused) or error.code in STALE_CREDENTIALS:
                self._forget(clients)
            elif error.code in NO_QUEUE:
                raise NoSuchQueue(self._is_gone(request.get("QueueUrl", "")), error) from error
            raise

    @abstractmethod
    def _is_gone(self, url: str) -> str:
        """The error for a missing queue, and what to do."""

    def _connected(self) -> Clients:
        # The thread with the lock may wait for credentials; the waits of the others do not add up.
        if not self._lock.acquire(timeout=IDENTITY_SECONDS):
            raise NoIdentity("AWS: another thread has been waiting for credentials, in vain so far")
        try:
            clients = self._clients = self._clients or self._connect()
            if clients.why_not and not self._has_warned:
                self._has_warned = True
                log.info("queue.boto3_used", queue=self.name, reason=clients.why_not)
        finally:
            self._lock.release()
        return clients

    def _forget(self, clients: Clients) -> None:
        with self._lock:
            if self._clients is clients:  # else another thread has made new clients since
                self._clients = None
