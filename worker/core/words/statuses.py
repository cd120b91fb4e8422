"""What enhanced status codes mean: RFC 3463, RFC 5248 and their registry, and Exchange's own.

https://www.iana.org/assignments/smtp-enhanced-status-codes and
https://learn.microsoft.com/exchange/mail-flow-best-practices/non-delivery-reports-in-exchange-online
"""

import re
from collections.abc import Mapping

from worker.core.limits import LONGEST_REPLY, LONGEST_STATUS

_CODE = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?!\.?\d)", re.ASCII)
_SUBJECTS: Mapping[str, str] = {
    "1": "something is wrong with the address",
    "2": "something is wrong with the mailbox",
    "3": "something is wrong with the receiving mail system",
    "4": "something is wrong with the network or the routing",
    "5": "the two mail servers did not understand each other",
    "6": "something is wrong with the content or the form of the mail",
    "7": "the receiving side's security or policy forbids the mail",
}
_MEANINGS: Mapping[str, str] = {
    "0.0": "the mail server does not say why",
    "1.1": "there is no such mailbox",
    "1.2": "the domain does not exist, or takes no mail",
    "1.3": "the address is not written as addresses are",
    "1.4": "the address is ambiguous",
    "1.5": "the address is valid",
    "1.6": "the mailbox has moved, and the new address is not known",
    "1.7": "the sender's address is not written as addresses are",
    "1.8": "the sender's domain does not exist, or takes no mail",
    "1.9": "the mail went on to a system that does not report failures",
    "1.10": "the domain says that it takes no mail (null MX); Exchange: no such mailbox",
    "2.0": "something is wrong with the mailbox",
    "2.1": "the mailbox is disabled, and takes no mail",
    "2.2": "the mailbox is full",
    "2.3": "the mail is larger than this mailbox allows",
    "2.4": "the mailing list could not be expanded",
    "2.121": "the mailbox gets more mail than its provider allows",
    "2.122": "the mailbox gets more mail than its provider allows",
    "3.0": "something is wrong with the receiving mail system",
    "3.1": "the receiving mail system has no space left",
    "3.2": "the receiving mail system takes no mail at the moment",
    "3.3": "the receiving mail system lacks a feature that the mail needs",
    "3.4": "the mail is too large for the receiving mail system",
    "3.5": "the receiving mail system is misconfigured",
    "3.6": "the priority of the mail was changed",
    "4.1": "the receiving mail server did not answer; Exchange: refuses the address",
    "4.2": "the connection to the receiving mail server broke",
    "4.3": "a directory or DNS server failed",
    "4.4": "no mail server could be found for the domain",
    "4.5": "the receiving mail system is overloaded",
    "4.6": "the mail went round in a loop",
    "4.7": "the mail could not be delivered in time",
    "4.14": "the mail went round in a loop",
    "4.300": "the mail could not be delivered in time",
    "4.310": "the domain does not exist in DNS",
    "4.312": "the DNS of the domain failed",
    "4.316": "the receiving mail server refused the connection",
    "5.1": "the mail server did not know a command",
    "5.2": "the mail server could not read a command",
    "5.3": "the mail has too many recipients",
    "5.4": "the mail server did not accept the parameters of a command",
    "5.5": "the two mail servers speak different versions of the protocol",
    "5.6": "a line of the log-in was too long",
    "6.1": "the receiving side does not support a format in the mail",
    "6.2": "the mail had to be converted, which is forbidden",
    "6.3": "the mail had to be converted, which is not possible",
    "6.4": "the mail was converted, and lost something",
    "6.5": "the conversion of the mail failed",
    "6.6": "the content of the mail is not available",
    "6.7": "the address has letters outside ASCII, which are not permitted",
    "6.8": "the receiving side needs Unicode, which the other does not offer",
    "6.9": "the headers have letters outside ASCII, which the receiving side cannot take",
    "6.10": "the headers have letters outside ASCII, which the receiving side cannot take",
    "7.1": "the receiving side does not permit this mail; that may be policy, spam or the address",
    "7.2": "the sender must not write to this mailing list",
    "7.3": "the mail would have to be converted for security, which is not possible",
    "7.4": "the receiving side does not support the security that the mail asks for",
    "7.5": "the mail could not be decrypted or checked",
    "7.6": "the receiving side does not support the encryption of the mail",
    "7.7": "the mail was changed on its way",
    "7.8": "the log-in at the mail server failed",
    "7.9": "the log-in at the mail server is too weak",
    "7.10": "the receiving side takes encrypted mail only",
    "7.11": "the log-in at the mail server must be encrypted",
    "7.12": "the mailbox takes no mail from outside of its organisation (Exchange)",
    "7.13": "the recipient's account is disabled",
    "7.14": "the receiving side trusts the sender's system too little",
    "7.15": "the priority of the mail is too low at the moment",
    "7.16": "the mail is too large for its priority",
    "7.17": "the mailbox has another owner now",
    "7.18": "the domain has another owner now",
    "7.19": "it could not be found out whether the mailbox has another owner now",
    "7.20": "no DKIM signature of the mail is valid",
    "7.21": "no DKIM signature of the mail is acceptable",
    "7.22": "no valid DKIM signature is of the sender's domain",
    "7.23": "SPF of the sender's domain does not permit the sending server",
    "7.24": "SPF of the sender's domain could not be checked",
    "7.25": "the sending server's IP address has no matching name in DNS",
    "7.26": "the mail is not authenticated: neither SPF nor DKIM passed, or DMARC failed",
    "7.27": "the sender's domain says that it takes no mail (null MX)",
    "7.28": "too much mail came from the sender at once",
    "7.29": "the ARC signatures of the mail are not valid",
    "7.30": "the mail asks for TLS all the way, which the receiving side lacks",
    "7.32": "the mail is not authenticated for the domain in its From header",
    "7.64": "the receiving side does not relay this mail (Exchange)",
    "7.123": "the group or mailbox takes mail from chosen senders only",
    "7.124": "the group or mailbox takes mail from chosen senders only",
    "7.129": "the group or mailbox takes mail from chosen senders only",
    "7.133": "the group takes no mail from outside of its organisation",
    "7.134": "the mailbox takes no mail from outside of its organisation",
    "7.135": "the public folder takes no mail from outside of its organisation",
    "7.136": "the mailbox takes no mail from outside of its organisation",
    "7.501": "the receiving side took the sender for a spammer",
    "7.502": "the receiving side took the sender for a spammer",
    "7.503": "the receiving side took the sender for a spammer",
    "7.509": "DMARC of the sender's domain failed, and says to reject such mail",
    "7.511": "the receiving side has banned the sending IP address",
    "7.512": "the From header of the mail is not as it must be",
    "7.515": "the mail is not authenticated as the provider asks of senders of much mail",
    "7.703": "the receiving organisation has blocked the sender",
    "7.705": "the sending organisation has sent too much suspicious mail",
    "7.708": "the receiving side takes no mail from the sending IP address",
    "7.750": "the sender's domain is not registered where it sends",
}
"""By the code without its class."""
_BANNED = range(600, 650)
"""Exchange's 7.606 to 7.649."""
_BANNED_IP = _MEANINGS["7.511"]
_SAYS_LITTLE = frozenset({"0.0", "1.0", "2.0", "3.0", "4.0", "5.0", "6.0", "7.0"})


def status_of(status: str | None, diagnostic: str | None) -> str:
    """Return the enhanced status code of a bounce: SES's, unless the mail server's says more.

    Empty if there is none.
    """
    texts = ((status or "")[:LONGEST_STATUS], (diagnostic or "")[:LONGEST_REPLY])
    codes = [code for text in texts for code in _CODE.findall(text)]
    telling = (code for code in codes if code[2:] not in _SAYS_LITTLE)
    return next(telling, codes[0] if codes else "")


def meaning_of_status(code: str) -> str:
    """Explain an enhanced status code such as `5.1.1`; empty if it is none."""
    if not _CODE.fullmatch(code[:LONGEST_STATUS]):
        return ""
    _, subject, detail = code.split(".")
    if subject == "7" and int(detail) in _BANNED:
        return _BANNED_IP
    known = _MEANINGS.get(f"{int(subject)}.{int(detail)}")
    return known or _SUBJECTS.get(subject, "the mail server does not say why")
