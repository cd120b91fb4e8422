"""The error that ends the decoding of a message."""

from worker.core.limits import LONGEST_DETAIL
from worker.core.model import Malformed, Reason
from worker.core.parsing import clip


class Undecodable(Exception):
    """The message can never be understood. `decode` catches this and returns `malformed`."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.malformed = Malformed(reason, clip(detail, LONGEST_DETAIL))
