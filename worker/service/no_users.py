"""Reports that there are no users: then nobody is paused, and nothing else would show it."""

import threading
from collections.abc import Callable
from contextlib import suppress

import structlog

from worker.core.errors import Stopped, Unavailable
from worker.core.policy import Policy, UnknownRecipients
from worker.store import Store
from worker.store.answers import has_users
from worker.timing.periodic import begin_every

EVERY_SECONDS = 30.0
"""Between two looks, until there are users."""
NO_USERS = "no users: nobody is paused"
WAYS_OUT = (
    'ses-worker users import, or policy.unknown_recipients = "create", which makes a user of each '
    "recipient who bounces or complains"
)

log = structlog.get_logger()


class NoUsers:
    """Looks for users until there are some."""

    def __init__(self, store: Store, policy: Callable[[], Policy]) -> None:
        self._store = store
        self._policy = policy
        self._none = False

    @property
    def remark(self) -> str:
        """What the status says about it; empty: nothing."""
        creates = self._policy().unknown_recipients is UnknownRecipients.CREATE
        return NO_USERS if self._none and not creates else ""

    def look(self) -> None:
        """Look once, and log it if there are none.

        Raises:
            Unavailable: the store is unavailable.

        """
        self._none = not has_users(self._store)
        if self.remark:
            log.warning("users.none", store=self._store.place, hint=WAYS_OUT)

    def begin(self, stopping: threading.Event) -> None:
        """Go on looking, in a thread of its own."""
        if self._none:
            begin_every("no-users", EVERY_SECONDS, stopping, self._look_again, at_once=False)

    def _look_again(self) -> None:
        with suppress(Unavailable):
            self._none = not has_users(self._store)
        if not self._none:
            raise Stopped
