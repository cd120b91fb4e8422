"""Who asks SQS, with which credentials."""

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
    """A queue that is named somewhere is not there."""

    def __init__(self, text: str, refused: AwsRefused) -> None:
        super().__init__(refused.code, refused.text, refused.status, refused.operation)
        self.args = (text,)


class Asking(ABC):
    """The base of clients of a single queue. Thread-safe.

    Where credentials are refused, others are looked for and the call is made once more. All of
    that takes `CALL_SECONDS` at most, and a long poll what it waits for.
    """

    def __init__(self, url: str, connect: Callable[[], Clients]) -> None:
        """Nothing is called yet."""
        self.url = url
        self._connect = connect
        self._lock = threading.Lock()
        self._clients: Clients | None = None
        """Made when first needed, and again after errors of credentials."""
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
            return self._ask_once(operation, request)  # as somebody else, perhaps

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
        # Whoever has the turn may wait for credentials; those behind do not add up their waits.
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
            if self._clients is clients:  # else somebody has made others since
                self._clients = None
