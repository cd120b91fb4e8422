"""The users of an application that does not exist; all names are invented."""

from collections.abc import Iterator

from demo import script

_WITHOUT_FEEDBACK = [
    "una.byrne@example.com", "ivo.petrov@example.net", "jo.keller@example.net",
    "noor.khan@example.net", "vik.olsen@example.net", "wen.li@example.net",
    "bo.lindqvist@example.org", "elif.kaya@example.org", "quinn.ross@example.org",
]  # fmt: skip


def everybody() -> list[str]:
    """Return the addresses of all users: those of whom the script speaks, and others."""
    reports = script.A_MONTH + script.MORE_ABOUT_THEM + script.SEPARATE
    entries = [entry for report in reports for entry in report.entries]
    return sorted({*_WITHOUT_FEEDBACK, *(e.key for e in entries if e.match == "found")})


def as_csv() -> Iterator[str]:
    """Write the file for `users import`; every seventh user has metrics switched off."""
    yield "email,account_id,metrics_enabled\n"
    for number, address in enumerate(everybody(), start=1):
        enabled = "false" if number % 7 == 0 else "true"
        yield f"{address},acct-{number:04},{enabled}\n"
