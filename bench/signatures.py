"""What verifying a signature costs a message, on and off, with the certificate at hand.

    PYTHONPATH=tests python -m bench.signatures [MESSAGES]

Microseconds of CPU a message, the best of five: of right signatures, of raw messages by `auto`, and
of forged signatures.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import structlog
from support import mail, signing

from worker.core.acceptance import Acceptance
from worker.core.messages import Delete, Handled, Received
from worker.core.model import Outcome

Batches = Sequence[Sequence[Received]]


def received(body: str, number: int) -> Received:
    return Received(
        message_id=f"m-{number}",
        body=body,
        receipt_handle=f"r-{number}",
        receive_count=1,
        received_at=datetime.now(UTC),
        lease_until=1e12,
    )


def passed(batch: Sequence[Received]) -> list[Handled]:
    return [Handled(message, Delete(Outcome.IGNORED)) for message in batch]


def microseconds(acceptance: Acceptance, batches: Batches) -> float:
    verifier, best = signing.verifier(), float("inf")
    for _ in range(5):
        began = time.process_time()
        for batch in batches:
            verifier.process(batch, acceptance, passed)
        best = min(best, time.process_time() - began)
    return best / sum(map(len, batches)) * 1e6


def batches_of(bodies: Iterable[str]) -> Batches:
    messages = [received(body, number) for number, body in enumerate(bodies)]
    return [messages[at : at + 200] for at in range(0, len(messages), 200)]


def forgeries() -> dict[str, Callable[[str, int], str]]:
    start = signing.URL.removesuffix("0123456789abcdef.pem")
    return {
        "another key": lambda body, _: signing.signed(body, key=signing.new_key(7)),
        "another host": lambda body, _: signing.signed(body, SigningCertURL="https://a.example/"),
        "invented names": lambda body, n: signing.signed(
            body, SigningCertURL=f"{start}{n:016x}.pem"
        ),
        "no base64": lambda body, _: mail.enveloped(body),
    }


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000
    bounces = [mail.bounce(f"user-{number}@example.com") for number in range(count)]
    for version in ("1", "2"):
        batches = batches_of(signing.signed(body, version=version) for body in bounces)
        cost = microseconds(signing.REQUIRE, batches) - microseconds(signing.OFF, batches)
        print(f"version {version}: {cost:.1f} µs a message")
    print(f"raw, auto: {microseconds(signing.AUTO, batches_of(bounces)):.1f} µs a message")
    for name, forge in forgeries().items():
        forged = batches_of(forge(body, number) for number, body in enumerate(bounces))
        print(f"forged, {name}: {microseconds(signing.REQUIRE, forged):.1f} µs a message")


if __name__ == "__main__":
    main()
