"""The users of an application that does not exist: all of them are invented."""

from collections.abc import Iterator

_AT = {
    "example.com": (
        "ada.ferro", "ana.costa", "dev.patel", "grace.lim", "h.sato", "jane.okeke", "kim.dahl",
        "leon.maas", "omar.aziz", "pavel.maly", "rosa.vidal", "sol.reyes", "tam.nguyen",
        "una.byrne", "yara.haddad", "zoe.lavoie",
    ),
    "example.net": (
        "ben.adler", "ines.prado", "ivo.petrov", "jo.keller", "m.adeyemi", "noor.khan",
        "otto.weiss", "raj.mehta", "ruth.stone", "sara.blom", "vik.olsen", "wen.li",
    ),
    "example.org": (
        "bo.lindqvist", "cho.park", "elif.kaya", "finn.moran", "hugo.blanc", "lee.tran",
        "lena.voss", "mia.berg", "nora.field", "pia.lund", "probe", "quinn.ross", "tobias.frey",
        "yuki.mori",
    ),
}  # fmt: skip

PROBE = "probe@example.org"
"""A test mailbox of ours: it bounces every day, and nobody wants to hear of it."""
GUEST = "guest@example.net"
"""Mail went to this address, and nobody of ours has it."""


def everybody() -> list[str]:
    """All addresses, as the application has them."""
    return [f"{name}@{domain}" for domain, names in _AT.items() for name in names]


def as_csv() -> Iterator[str]:
    """The file for `users import`; every seventh wants to be in no metrics."""
    yield "email,account_id,metrics_enabled\n"
    for number, address in enumerate(everybody(), start=1):
        expected = "false" if number % 7 == 0 else "true"
        yield f"{address},acct-{number:04},{expected}\n"
