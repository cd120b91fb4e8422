"""I8, and F18: how often SQS is called while it refuses, and what is tried again."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oracles.findings import Finding
from simulators.sqs import Request

FAILING_CALLS_PER_SECOND = 20
"""Calls of a process. Each poller tries a call five times within a second or two, then every 1 to
60 s; a loop without a pause makes hundreds."""
TRIES = 5
"""Tries after which a call is given up."""
EXCUSED_SECONDS = 5.0
"""Seconds before a kill in which a next try may be missing: tries are a second or less apart."""
_SETTLING = frozenset({"DeleteMessageBatch", "ChangeMessageVisibilityBatch"})


def too_many(requests: Sequence[Request]) -> Iterator[Finding]:
    """Look for seconds in which a process repeated a refused call too often.

    A long poll that is over at once and brings nothing counts as a no.
    """
    failing: Counter[tuple[str, str, int]] = Counter()
    for request in requests:
        if _was_refused(request) or _was_in_vain(request):
            failing[request.client, request.operation, int(request.clock)] += 1
    for (client, operation, _), count in failing.items():
        if count > FAILING_CALLS_PER_SECOND:
            text = f"{client} made {count} calls of {operation} in a second that SQS refused"
            yield Finding("I8", f"{text}; {FAILING_CALLS_PER_SECOND} are allowed")


def forgotten(
    requests: Sequence[Request], ends: Mapping[str, float], *, before: float = float("inf")
) -> Iterator[Finding]:
    """Look for entries that failed through SQS's fault and were not tried again.

    `ends`: `time.monotonic()` of each end by a kill -9 or the death of a thread; what failed
    shortly before is excused. So is what was tried `TRIES` times, and the extension of a lease that
    is answered after the delete of its message. `before`: what failed later may yet be tried again.
    """
    failed: dict[str, Request] = {}
    settled: set[str] = set()
    tried: Counter[str] = Counter()
    for request in requests:
        if request.operation not in _SETTLING:
            continue
        for entry in request.arguments.get("Entries", ()):
            failed.pop(entry["ReceiptHandle"], None)
            tried[entry["ReceiptHandle"]] += 1
        to_be_repeated = _to_be_repeated(request)
        for entry in to_be_repeated:
            if entry["ReceiptHandle"] not in settled:
                failed[entry["ReceiptHandle"]] = request
        if request.operation == "DeleteMessageBatch" and request.status == 200:
            entries = request.arguments.get("Entries", ())
            settled |= {e["ReceiptHandle"] for e in entries if e not in to_be_repeated}
    for handle, request in failed.items():
        ended = ends.get(request.client, float("inf"))
        excused = tried[handle] >= TRIES or ended <= request.clock + EXCUSED_SECONDS
        if request.clock < before and not excused:
            text = f"{request.client} did not try again what failed in its {request.operation}"
            yield Finding("F18", f"{text}: request {request.number}, {request.arguments}"[:600])


def _was_refused(request: Request) -> bool:
    return request.status != 200 and bool(request.faults)


def _was_in_vain(request: Request) -> bool:
    waits = request.arguments.get("WaitTimeSeconds", 0)
    return (
        request.operation == "ReceiveMessage"
        and request.status == 200
        and waits > 0
        and request.until - request.at < 0.5 * waits
        and not (request.answer or {}).get("Messages")
    )


def _to_be_repeated(request: Request) -> list[Any]:
    """Entries that failed by SQS's own fault, or that it does not mention; all, if the call failed."""
    entries: list[Any] = request.arguments.get("Entries", [])
    if request.status == 0 or request.status >= 500 or "Throttl" in request.code:
        return entries
    if request.status != 200 or request.answer is None:
        return []
    done = {entry["Id"] for entry in request.answer.get("Successful", ())}
    ours = {entry["Id"] for entry in request.answer.get("Failed", ()) if entry["SenderFault"]}
    return [entry for entry in entries if entry["Id"] not in done | ours]
