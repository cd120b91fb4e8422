"""The far side that is SES's account suppression list; nobody else here speaks with it.

`listing` is the list as AWS has it, `remover` the guarded way off it, `restoring` the way back.
"""

from worker.suppression.guards import Guards, Ledger
from worker.suppression.listing import Entry, SuppressionList
from worker.suppression.refusals import sort_refusal
from worker.suppression.remover import Remover, Report
from worker.suppression.restoring import Restored, restore

__all__ = [
    "Entry",
    "Guards",
    "Ledger",
    "Remover",
    "Report",
    "Restored",
    "SuppressionList",
    "restore",
    "sort_refusal",
]
