"""Completes an account notice when it is delivered: is it true, and still the newest?

A status event has no proof: anybody who may write to the queue can report a status. So SES's API is
called, where that is permitted. The notice never waits for longer than `LONGEST_SECONDS`, and
goes out whatever the answer.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import msgspec
import structlog
from msgspec.structs import replace

from worker.core.account_events import AccountEventKind, AccountStatus, Verification
from worker.core.effects import Effect
from worker.core.payloads import AccountNotice
from worker.ses.account.asking import ASK_SECONDS, Answer

SECOND_LOOK_SECONDS = 4.0
"""Pause before a contradiction is believed: an event may be faster than the API it describes."""
LONGEST_SECONDS = 2 * ASK_SECONDS + SECOND_LOOK_SECONDS

log = structlog.get_logger()


Newer = tuple[AccountStatus, datetime]
"""Status and time of a newer event of the same kind and resource."""


class AccountLog(Protocol):
    """The record of account events; each call has committed when it returns.

    Its calls raise `Unavailable` or `Raced`: the notice is then tried again from the beginning.
    """

    def newer(self, notice: AccountNotice) -> Newer | None:
        """Return the newest event of the same kind and resource, if it is newer than this."""

    def is_confirmed(self, dedupe_key: str) -> bool:
        """Return whether SES's API has confirmed the event before."""

    def verified(self, dedupe_key: str, verification: Verification) -> None:
        """Record what SES's API says about the event."""


class StatusVerifier:
    """Verifies account notices. As thread-safe as what it is given."""

    def __init__(
        self,
        account_log: AccountLog,
        ask: Callable[[AccountNotice], Answer],
        pause: Callable[[float], None],
    ) -> None:
        self._log = account_log
        self._ask = ask
        self._pause = pause

    def complete(self, effect: Effect) -> Effect:
        """Return the effect with what is known now.

        Raises:
            ValueError: its payload cannot be read.
            Unavailable, Raced: the store cannot be read or written now.

        """
        notice = effect.read()
        if not isinstance(notice, AccountNotice):
            raise TypeError(f"a {type(notice).__name__} is no account notice")
        payload = msgspec.json.encode(self._completed(notice)).decode()
        return replace(effect, payload=payload)

    def _completed(self, notice: AccountNotice) -> AccountNotice:
        if newer := self._log.newer(notice):
            status, at = newer
            return replace(notice, superseded_by=status, superseded_at=at)
        if notice.kind is not AccountEventKind.SENDING_STATUS:
            return notice
        if self._log.is_confirmed(notice.dedupe_key):  # for another channel
            return replace(notice, verification=Verification.CONFIRMED)
        verification, answer = self._verify(notice)
        if verification is not Verification.REPORTED:
            self._log.verified(notice.dedupe_key, verification)
        log.info(
            "account.verified",
            scope=notice.scope.value,
            tenant=notice.tenant,
            status=notice.status.value,
            verification=verification.value,
            answer=answer,
        )
        return replace(notice, verification=verification, answer=answer)

    def _verify(self, notice: AccountNotice) -> tuple[Verification, str]:
        verification, answer = self._look(notice)
        if verification is Verification.CONTRADICTED:
            self._pause(SECOND_LOOK_SECONDS)
            verification, answer = self._look(notice)
        return verification, answer

    def _look(self, notice: AccountNotice) -> tuple[Verification, str]:
        answer = self._ask(notice)
        if answer.enabled is None:
            return Verification.REPORTED, answer.text
        agrees = answer.enabled is (notice.status is AccountStatus.ENABLED)
        return Verification.CONFIRMED if agrees else Verification.CONTRADICTED, answer.text
