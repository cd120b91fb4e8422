"""I5: at each delete, what is deleted is safe already.

The emulator calls before it carries a delete out, on the thread of the request, so the worker waits
for the answer meanwhile: what is not committed then was acknowledged too early.
"""

import threading
from collections.abc import Callable

from oracles.database import Database
from oracles.findings import Finding
from oracles.parsing import SesFeedback, Sort, read
from oracles.published import digest
from simulators.sqs import Deletion, Sending, SqsSimulator

REASON = "ses_worker_reason"
"""The message attribute with the reason of a dead letter."""
BROKE = "processing_failed"
"""A reason that any message may have, although none of these tests should."""


class Observer:
    """Checks every delete and every send of an emulator."""

    def __init__(
        self,
        emulator: SqsSimulator,
        database: Database,
        *,
        queue: str,
        dead_letters: str,
        hostile: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`hostile` returns which bodies are checked at the end only (`places`)."""
        self.findings: list[Finding] = []
        self.deletes = 0
        self._emulator = emulator
        self._database = database
        self._queue = queue
        self._dead_letters = dead_letters
        self._is_hostile = hostile
        self._lock = threading.Lock()
        self._set_aside: dict[bytes, str] = {}
        """Reasons by the digest of the body: bodies that the dead-letter queue has accepted."""
        emulator.on_delete(self._deleting)
        emulator.on_sent(self._sent)

    def _deleting(self, deletion: Deletion) -> None:
        if self._is_hostile(deletion.body):
            with self._lock:
                self.deletes += 1
            return
        feedback = read(deletion.body)
        fault = None
        if deletion.queue == self._queue:
            fault = self._fault(deletion.body, feedback)
        else:
            fault = self._fault_of_dead_letter(deletion, feedback)
        with self._lock:
            self.deletes += 1
            if fault:
                text = f"{deletion.message_id} is deleted from {deletion.queue}, and {fault}"
                self.findings.append(Finding("I5", f"{text}: {deletion.body[:300]}"))

    def _sent(self, sending: Sending) -> None:
        if sending.queue == self._dead_letters:
            reason = sending.attributes.get(REASON, {}).get("StringValue", "")
            with self._lock:
                self._set_aside[digest(sending.body)] = reason

    def _fault(self, body: str, expected: SesFeedback) -> str | None:
        """Return why it may not be deleted from the queue; None: it may."""
        if expected.sort is Sort.IGNORED:
            return None
        missing = self._database.missing(expected)
        if expected.sort is Sort.FEEDBACK and not missing:
            return None
        reasons = self._reasons(body)
        if not reasons and expected.sort is Sort.UNREADABLE:
            return "it is kept nowhere"
        if not reasons:
            return f"{len(missing)} of {len(expected.recipients)} recipients have no row"
        if expected.sort is Sort.UNREADABLE:
            fits = reasons <= {expected.reason, BROKE}
            return None if fits else f"the reason is {reasons}, not {expected.reason}"
        if "unknown_recipient" in reasons:
            left = [item for item in missing if item.key and self._database.is_user(item.key)]
            return f"{len(left)} of its users have no row" if left else None
        return None if reasons == {BROKE} else f"the reason is {reasons}"

    def _fault_of_dead_letter(self, deletion: Deletion, expected: SesFeedback) -> str | None:
        """Return why a replay may not delete a dead letter; None: it may.

        What was sent back may be here once more. The queue is looked at first: somebody takes it
        from there meanwhile, to apply it or to set it aside again.
        """
        back = any(
            message.body == deletion.body for message in self._emulator.messages(self._queue)
        )
        if back or expected.sort is Sort.IGNORED or self._has_copy(deletion):
            return None
        if expected.sort is Sort.FEEDBACK and not self._database.missing(expected):
            return None
        return "it is neither applied nor back on the queue, nor kept elsewhere"

    def _has_copy(self, deletion: Deletion) -> bool:
        others = self._emulator.messages(self._dead_letters)
        copied = any(
            item.body == deletion.body and item.message_id != deletion.message_id for item in others
        )
        return copied or bool(self._database.quarantined(deletion.body))

    def _reasons(self, body: str) -> set[str]:
        with self._lock:
            sent = self._set_aside.get(digest(body))
        return {*self._database.quarantined(body), *([] if sent is None else [sent])}
