"""I5: at each delete, what is deleted is safe already.

The twin calls before it carries a delete out, on the thread of the request, so the worker waits
for the answer meanwhile: what is not committed then was acknowledged too early.
"""

import threading
from collections.abc import Callable

from twin import Deletion, Sending, Twin

from oracles.books import Books
from oracles.findings import Finding
from oracles.ledger import digest
from oracles.reading import Said, Sort, read

REASON = "ses_worker_reason"
"""The message attribute that says why a message was set aside."""
BROKE = "processing_failed"
"""What any message may break with, though none of ours ought to."""


class Witness:
    """Stands by at every delete and every send of a twin."""

    def __init__(
        self,
        twin: Twin,
        books: Books,
        *,
        queue: str,
        dead_letters: str,
        hostile: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`hostile` tells which bodies are asked about in the end only (`places`)."""
        self.findings: list[Finding] = []
        self.deletes = 0
        self._twin = twin
        self._books = books
        self._queue = queue
        self._dead_letters = dead_letters
        self._is_hostile = hostile
        self._turn = threading.Lock()
        self._set_aside: dict[bytes, str] = {}
        """Reasons by the digest of the body: what the dead-letter queue has accepted."""
        twin.on_delete(self._deleting)
        twin.on_sent(self._sent)

    def _deleting(self, deletion: Deletion) -> None:
        if self._is_hostile(deletion.body):
            with self._turn:
                self.deletes += 1
            return
        said = read(deletion.body)
        fault = None
        if deletion.queue == self._queue:
            fault = self._fault(deletion.body, said)
        else:
            fault = self._fault_of_letter(deletion, said)
        with self._turn:
            self.deletes += 1
            if fault:
                text = f"{deletion.message_id} is deleted from {deletion.queue}, and {fault}"
                self.findings.append(Finding("I5", f"{text}: {deletion.body[:300]}"))

    def _sent(self, sending: Sending) -> None:
        if sending.queue == self._dead_letters:
            reason = sending.attributes.get(REASON, {}).get("StringValue", "")
            with self._turn:
                self._set_aside[digest(sending.body)] = reason

    def _fault(self, body: str, said: Said) -> str | None:
        """Say what speaks against deleting it from the queue; None: nothing does."""
        if said.sort is Sort.IGNORED:
            return None
        missing = self._books.missing(said)
        if said.sort is Sort.FEEDBACK and not missing:
            return None
        reasons = self._reasons(body)
        if not reasons and said.sort is Sort.UNREADABLE:
            return "it is kept nowhere"
        if not reasons:
            return f"{len(missing)} of {len(said.recipients)} recipients have no row"
        if said.sort is Sort.UNREADABLE:
            fits = reasons <= {said.reason, BROKE}
            return None if fits else f"the reason is {reasons}, not {said.reason}"
        if "unknown_recipient" in reasons:
            left = [one for one in missing if one.key and self._books.is_user(one.key)]
            return f"{len(left)} of its users have no row" if left else None
        return None if reasons == {BROKE} else f"the reason is {reasons}"

    def _fault_of_letter(self, deletion: Deletion, said: Said) -> str | None:
        """Say what speaks against deleting a dead letter, as a replay does; None: nothing.

        What was sent back may be here once more. The queue is looked at first: somebody takes it
        from there meanwhile, to apply it or to set it aside again.
        """
        back = any(one.body == deletion.body for one in self._twin.messages(self._queue))
        if back or said.sort is Sort.IGNORED or self._has_copy(deletion):
            return None
        if said.sort is Sort.FEEDBACK and not self._books.missing(said):
            return None
        return "it is neither applied nor back on the queue, nor kept elsewhere"

    def _has_copy(self, deletion: Deletion) -> bool:
        others = self._twin.messages(self._dead_letters)
        copied = any(
            one.body == deletion.body and one.message_id != deletion.message_id for one in others
        )
        return copied or bool(self._books.quarantined(deletion.body))

    def _reasons(self, body: str) -> set[str]:
        with self._turn:
            sent = self._set_aside.get(digest(body))
        return {*self._books.quarantined(body), *([] if sent is None else [sent])}
