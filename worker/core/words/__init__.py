"""What SES and mail servers mean, in plain words. Pure tables.

`meaning_of_type` explains SES's types, sub-types and feedback types, `meaning_of_status` the
enhanced status codes of mail servers. All texts are our own: they go on after a colon, and have no
full stop.
"""

from worker.core.words.statuses import meaning_of_status, status_of
from worker.core.words.types import meaning_of_type

__all__ = ["meaning_of_status", "meaning_of_type", "status_of"]
