"""What SES says was sent: the metrics of SES v2, and the statistics of the older API, in XML."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from simulators.ses.suppression_list import Answer, Refusal, Request

_METRICS = "/v2/email/metrics/batch"
_MOST_QUERIES = 10
_NAMESPACE = "http://ses.amazonaws.com/doc/2010-12-01/"
OPERATIONS = frozenset({"BatchGetMetricData", "GetSendStatistics"})


class Sent(Struct):
    """What was sent, by the beginning of a day or of 15 minutes, as a test has made it."""

    metrics: dict[datetime, int] = {}
    """Of the Virtual Deliverability Manager."""
    statistics: dict[datetime, int] = {}

    def perform(self, request: Request) -> Answer:
        """Answer one of `OPERATIONS`.

        Raises:
            Refusal: the queries are not valid.

        """
        if request.operation == "GetSendStatistics":
            return Answer(200, "", {}, _statistics(self.statistics))
        queries = json.loads(request.parameters["body"][0])["Queries"]
        if not 1 <= len(queries) <= _MOST_QUERIES:
            raise Refusal(400, "BadRequestException", "1 to 10 queries")
        return Answer(200, "", {"Results": [self._result(query) for query in queries]})

    def _result(self, query: Mapping[str, Any]) -> dict[str, Any]:
        if query["Namespace"] != "VDM" or query["Metric"] != "SEND":
            raise Refusal(400, "BadRequestException", "only VDM's SEND is simulated")
        since, until = query["StartDate"], query["EndDate"]
        found = [
            (at, count)
            for at, count in sorted(self.metrics.items())
            if since <= at.timestamp() < until
        ]
        return {
            "Id": query["Id"],
            "Timestamps": [at.timestamp() for at, _ in found],
            "Values": [count for _, count in found],
        }


def read_sent_request(method: str, path: str, body: bytes) -> Request | None:
    """Parse a request about what was sent; None: it is about something else."""
    place = urlsplit(path).path
    if (method, place) == ("POST", _METRICS):
        return Request("BatchGetMetricData", "", {"body": [body.decode()]})
    action = parse_qs(body.decode(errors="replace")).get("Action") if place == "/" else None
    if method == "POST" and action == ["GetSendStatistics"]:
        return Request("GetSendStatistics", "")
    return None


def in_xml(refusal: Refusal) -> str:
    """Write a refusal as the older API does."""
    return (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{refusal.code}</Code>'
        f"<Message>{refusal}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    )


def _statistics(sent: Mapping[datetime, int]) -> str:
    points = "".join(
        f"<member><DeliveryAttempts>{count}</DeliveryAttempts><Rejects>0</Rejects>"
        f"<Bounces>0</Bounces><Complaints>0</Complaints>"
        f"<Timestamp>{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}</Timestamp></member>"
        for at, count in sent.items()
    )
    return (
        f'<GetSendStatisticsResponse xmlns="{_NAMESPACE}"><GetSendStatisticsResult>'
        f"<SendDataPoints>{points}</SendDataPoints></GetSendStatisticsResult>"
        "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetSendStatisticsResponse>"
    )
