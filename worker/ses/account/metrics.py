"""Asks SES how much was sent, by day, where no Send events are counted.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_BatchGetMetricData.html: with the
Virtual Deliverability Manager.
https://docs.aws.amazon.com/ses/latest/APIReference/API_GetSendStatistics.html: of the last two
weeks, without it. Each needs a permission of its own; none of them is required.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from worker.aws import AwsRefused, make_client, translated
from worker.aws.codes import NOT_PERMITTED
from worker.core.errors import Misconfigured, Refused, Unavailable
from worker.core.masking import sanitized
from worker.core.reporting.sends import FromSes, Source
from worker.timing.deadlines import within

ASK_SECONDS = 15.0
"""Time limit of both calls together."""
_SENDS = {"Id": "sends", "Namespace": "VDM", "Metric": "SEND"}


class SendMetrics:
    """SES's API, as far as it knows how much was sent."""

    def __init__(self, *, region: str) -> None:
        self._region = region

    def ask(self, since: datetime, until: datetime) -> FromSes:
        """Return how much was sent on each day, or why that is not known."""
        problems = []
        try:
            with within(ASK_SECONDS):
                for ask in (self._metrics, self._statistics):
                    found = self._tried(ask, since, until)
                    if found.by_day:
                        return found
                    problems.append(found.problem)
        except TimeoutError:
            problems.append("SES did not answer in time")
        return FromSes(problem="; ".join(filter(None, problems)))

    def _tried(
        self, ask: Callable[[datetime, datetime], FromSes], since: datetime, until: datetime
    ) -> FromSes:
        try:
            return ask(since, until)
        except AwsRefused as refused:
            if refused.code in NOT_PERMITTED:
                return FromSes(problem=f"ses:{refused.operation} is not permitted")
            return FromSes(problem=sanitized(f"{refused.operation}: {refused.code}"))
        except (Unavailable, Refused, Misconfigured) as error:
            return FromSes(problem=sanitized(str(error)))
        except (AttributeError, KeyError, TypeError, ValueError):
            return FromSes(problem="the answer is not SES's")

    def _metrics(self, since: datetime, until: datetime) -> FromSes:
        query = {**_SENDS, "StartDate": since, "EndDate": until}
        with translated():
            client = make_client("sesv2", self._region, connections=1)
            answer = client.batch_get_metric_data(Queries=[query])
        for error in answer.get("Errors") or []:
            return FromSes(problem=sanitized(f"BatchGetMetricData: {error['Code']}"))
        by_day: dict[date, int] = {}
        for result in answer.get("Results") or []:
            for at, count in zip(result["Timestamps"], result["Values"], strict=True):
                _add(by_day, at, count, since, until)
        problem = "" if by_day else "SES has no metrics of these days"
        return FromSes(source=Source.VDM, by_day=by_day, problem=problem)

    def _statistics(self, since: datetime, until: datetime) -> FromSes:
        with translated():
            answer = make_client("ses", self._region, connections=1).get_send_statistics()
        by_day: dict[date, int] = {}
        for point in answer.get("SendDataPoints") or []:
            _add(by_day, point["Timestamp"], point["DeliveryAttempts"], since, until)
        problem = "" if by_day else "SES has no statistics of these days"
        return FromSes(source=Source.STATISTICS, by_day=by_day, problem=problem)


def _add(
    by_day: dict[date, int], at: datetime, count: Any, since: datetime, until: datetime
) -> None:
    if since <= at <= until:
        day = at.astimezone(UTC).date()
        by_day[day] = by_day.get(day, 0) + int(count)
