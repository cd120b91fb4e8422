"""A simulated SES v2 on loopback: who may send, and the lists of account and tenants.

    with SesSimulator(per_second=1) as ses:
        ses.list_address("jane@example.com", after_seconds=30)
        ses.fail(Refuse(503), on="DeleteSuppressedDestination", times=2)  # simulators.ses.faults
        os.environ |= ses.environment

Addresses are matched as AWS was measured to match them (floci-io/floci#1350): domain in lower case,
local part by its case, spaces trimmed.
"""

from simulators.ses.simulator import Call, SesSimulator

__all__ = ["Call", "SesSimulator"]
