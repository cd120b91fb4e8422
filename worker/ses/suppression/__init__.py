"""The client of SES's suppression lists, the account's and its tenants'.

`listing` is the client, `remover` removes addresses within limits, `restoring` puts them back.
"""

from worker.ses.suppression.listing import Entry, SuppressionList
from worker.ses.suppression.refusals import classify_refusal
from worker.ses.suppression.removal_policy import RemovalLog, RemovalPolicy
from worker.ses.suppression.remover import Remover, Report
from worker.ses.suppression.restoring import Restored, restore

__all__ = [
    "Entry",
    "RemovalLog",
    "RemovalPolicy",
    "Remover",
    "Report",
    "Restored",
    "SuppressionList",
    "classify_refusal",
    "restore",
]
