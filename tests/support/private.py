"""Every test that starts a command: what it says on standard error has no whole address in it.

Commands, daemons and services hand what they said to `hear`; after the test it is searched, once, for
addresses of the domains that tests invent, however they are spelled. What an operator has typed as an
argument may be repeated to them.
"""

import re

import pytest

_SIGN = r"""
    (?: @ | %(?:25)*40 | =40 | [\uff20\ufe6b] | \\+u\{?0*40\}? | \\+x40
      | &(?:amp;)?(?:\#0*64|\#x0*40|commat); | [(\[{<]\s*at\s*[)\]}>] )
"""
_DOT = r"(?: \. | [\u3002\uff0e] | [(\[{<]\s*(?:dot|\.)\s*[)\]}>] )"
_ADDRESS = re.compile(
    rf"""
    (?P<local> [^\W_][\w.+%'-]* | [\w.+%'-]*[^\W_]["']? ) \s{{0,3}} {_SIGN} \s{{0,3}}
    (?P<domain> (?:[\w-]+ \s? {_DOT} \s?)* example \s? {_DOT} \s? (?:com|org|net) \b )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_heard = []


def hear(text, arguments=()):
    """Remember what a command said, to be searched at the end of the test."""
    if text and "example" in text:
        _heard.append((text, " ".join(map(str, arguments)).lower()))


def whole_addresses(text, typed=""):
    """Find the whole addresses in a text that nobody has typed."""
    found = (match[0].strip("'") for match in _ADDRESS.finditer(text))
    return sorted({address for address in found if address.lower() not in typed})


def heard_addresses():
    """Search what was heard, and forget it."""
    found = {address for text, typed in _heard for address in whole_addresses(text, typed)}
    _heard.clear()
    return sorted(found)


@pytest.fixture(autouse=True)
def nothing_private_is_printed():
    """Search what was said, after all other fixtures have ended."""
    heard_addresses()
    yield
    addresses = heard_addresses()
    assert not addresses, f"standard error has whole addresses: {addresses}"
