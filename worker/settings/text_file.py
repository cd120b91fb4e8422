"""Reads text files of the operator's, and says what to do about those that are no UTF-8 text."""

import codecs
import shlex
from pathlib import Path

from worker.core.errors import Misconfigured

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_TO_UTF_8 = "save it as UTF-8, or convert it: iconv -f {encoding} -t UTF-8"


def read_text(file: Path, what: str) -> str:
    """Read a whole file; `what` it contains, for errors.

    Raises:
        FileNotFoundError: it does not exist.
        Misconfigured: it cannot be read, or is not UTF-8 text.

    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Misconfigured(f"cannot read the {what} in {file}: {error.strerror}") from None
    if content.startswith(codecs.BOM_UTF8):
        remove = rf"sed -i '1s/^\xef\xbb\xbf//' {shlex.quote(str(file))}"
        raise Misconfigured(
            f"{file} begins with a byte order mark (BOM) of an editor's: save it as UTF-8 without "
            f"BOM, or remove it: {remove}"
        )
    if content.startswith(_UTF_16):
        raise Misconfigured(f"{file} is UTF-16 text: {_TO_UTF_8.format(encoding='UTF-16')}")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise Misconfigured(_not_utf_8(file, content, error.start)) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _not_utf_8(file: Path, content: bytes, at: int) -> str:
    byte, line = content[at : at + 1], content.count(b"\n", 0, at) + 1
    found = byte.decode("cp1252", errors="ignore")
    letter = f", in Windows-1252 {found}" if found.isprintable() and found else ""
    advice = _TO_UTF_8.format(encoding="WINDOWS-1252")
    return f"{file} is not UTF-8 text: byte 0x{byte.hex().upper()}{letter} at line {line}; {advice}"
