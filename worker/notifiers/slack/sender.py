"""Posts effects to Slack: chooses the message, and simplifies what Slack rejects."""

import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

from worker.core.effects import Delivery, Effect, NotYet, Sent, Unfit
from worker.notifiers.slack.answers import TooLong
from worker.notifiers.slack.blocks import BUDGET, PROGRAM, Post, as_called
from worker.notifiers.slack.client import SlackClient
from worker.notifiers.slack.digest import digest, simplified_digest
from worker.notifiers.slack.notices import is_explainable, notice, simplified
from worker.timing.retries import Sleep

MOST_POSTS = 3
"""Posts of a message: as it is, shortened, simplified."""
SECONDS_BETWEEN_POSTS = 1.0
"""A channel takes no more (https://docs.slack.dev/apis/web-api/rate-limits)."""


class SlackSender:
    """Posts a single effect as a notice, several as a digest."""

    def __init__(
        self,
        client: SlackClient,
        *,
        masked: bool = False,
        command: str = PROGRAM,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._command = command
        self._sleep = sleep
        self._client = client
        self._masked = masked
        self._explained_on: date | None = None
        """The day of the last notice that explained a setting."""

    def deliver(self, effects: Sequence[Effect]) -> Delivery:
        """Post a message for effects, of which there is at least one.

        A single effect becomes a full notice. Several become a digest, and so does an effect that
        was claimed without its payload. A message that Slack rejects is simplified and posted once
        more; a message that is too long is first posted with half its length.
        """
        if len(effects) == 1 and effects[0].payload:
            return self._deliver(effects[0])
        answer = self._post(partial(digest, effects), partial(simplified_digest, effects))
        if isinstance(answer, Sent):
            return Sent(result=f"in a digest of {len(effects):,}; {answer.result}")
        return answer

    def _called(self, post: Post) -> Post:
        return as_called(post, self._command)

    def _deliver(self, effect: Effect) -> Delivery:
        """Post a notice; the first of a day that can explain `policy.spare_faults` does so."""
        day = effect.created_at.date()
        try:
            explain = day != self._explained_on and is_explainable(effect)
        except ValueError as error:
            return Unfit(error=f"its payload cannot be read: {error}")
        how = {"masked": self._masked, "explain": explain}
        answer = self._post(partial(notice, effect, **how), partial(simplified, effect, **how))
        if explain and isinstance(answer, Sent):
            self._explained_on = day
        return answer

    def _post(self, full: Callable[..., Post], simple: Callable[[], Post]) -> Delivery:
        try:
            answer = self._client.post(self._called(full()))
            if isinstance(answer, TooLong):
                self._sleep(SECONDS_BETWEEN_POSTS)
                answer = self._client.post(self._called(full(budget=BUDGET // 2)))
            if isinstance(answer, Unfit | NotYet):
                self._sleep(SECONDS_BETWEEN_POSTS)
                answer = self._client.post(self._called(simple()))
        except ValueError as error:
            return Unfit(error=f"its payload cannot be read: {error}")
        return answer
