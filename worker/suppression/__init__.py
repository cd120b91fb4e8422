"""The client of SES's account suppression list.

`listing` is the list as AWS has it, `remover` the guarded way off it, `restoring` the way back.
"""

from worker.suppression.listing import Entry, SuppressionList
from worker.suppression.refusals import sort_refusal
from worker.suppression.removal_policy import RemovalLog, RemovalPolicy
from worker.suppression.remover import Remover, Report
from worker.suppression.restoring import Restored, restore

__all__ = [
    "Entry",
    "RemovalLog",
    "RemovalPolicy",
    "Remover",
    "Report",
    "Restored",
    "SuppressionList",
    "restore",
    "sort_refusal",
]
