"""Whose fault a bounce was, by its enhanced status code, if the words show nothing. Pure.

https://www.iana.org/assignments/smtp-enhanced-status-codes, and for Exchange's codes above 5.7.100
https://learn.microsoft.com/exchange/mail-flow-best-practices/non-delivery-reports-in-exchange-online
"""

import re

from worker.core.faults.fault import Fault
from worker.core.limits import LONGEST_REPLY

_CODE = re.compile(r"(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?!\.?\d)")
_CLASSES = ("4.", "5.")
_REPLY_CODE = re.compile(r"(?:smtp; ?)?([245])\d\d(?=[ -]|$)", re.IGNORECASE)
"""What a reply of SMTP begins with, also in a delivery status notification."""
_BY_CODE = {
    code: fault
    for fault, codes in {
        Fault.RECIPIENT: (
            "1.0 1.1 1.2 1.3 1.4 1.6 1.10 2.1 2.2 2.4 "
            "7.12 7.13 7.17 7.18 7.123 7.124 7.129 7.133 7.134 7.135 7.136"
        ),
        Fault.MESSAGE: "2.3 3.4 6.0 6.1 6.2 6.3 6.4 6.5 6.6 6.7 6.8 6.9 6.10 6.11 7.512",
        Fault.SENDER: (
            "1.7 1.8 1.9 4.5 5.3 7.20 7.21 7.22 7.23 7.24 7.25 7.26 7.27 7.28 7.29 7.30 7.32 "
            "7.501 7.502 7.503 7.506 7.507 7.508 7.509 7.510 7.511 7.513 7.515 7.520 "
            "7.650 7.651 7.652 7.703 7.705 7.708 7.750"
        ),
        Fault.RECEIVER: (
            "3.1 3.2 3.5 4.0 4.1 4.2 4.3 4.4 4.6 4.7 4.14 4.300 4.310 4.312 4.316 4.317 "
            "7.321 7.322 7.323 7.324 7.325"
        ),
    }.items()
    for code in codes.split()
}  # fmt: skip
"""By the code without its class. 7.1 is missing: it is used for each of the five."""
_BANNED = range(600, 650)
"""Exchange's 7.606 to 7.649: the IP is banned."""
_GENERAL = frozenset({"", "0.0", "1.0", "2.0", "3.0", "5.0", "4.7"})
"""Codes that yield to another in the same reply. Behind 4.7, too old, is the last reply."""


def is_permanent(status: str, diagnostic: str) -> bool:
    """Return whether a status is one of a permanent failure: `5.x.x`.

    Without a status the first code in the diagnostic counts, or the code of the SMTP reply.
    """
    if status[:2] in _CLASSES:  # nearly all
        return status[0] == "5"
    if code := _CODE.search(status) or _CODE.search(reply := diagnostic[:LONGEST_REPLY]):
        return code[0].startswith("5")
    code = _REPLY_CODE.match(reply.lstrip())
    return code is not None and code[1] == "5"


def fault_of_status(status: str, diagnostic: str) -> Fault | None:
    """Return the fault by SES's status, or by codes in the diagnostic that are more exact."""
    codes = [code[2:] for code in _CODE.findall(f"{status} {diagnostic}")]
    code = next((code for code in codes if code not in _GENERAL), codes[0] if codes else "")
    subject, _, detail = code.partition(".")
    if subject == "7" and int(detail) in _BANNED:
        return Fault.SENDER
    return _BY_CODE.get(code)
