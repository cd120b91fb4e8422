"""Every test that starts a command: what it logs has no whole address in it.

Commands, daemons and services hand what they logged to `hear`, and what they printed to `hear_output`;
after the test it is searched, once, for addresses of the domains that tests invent, however they are
spelled. What an operator has typed as an argument may be repeated to them, and the answers of the
commands in `ANSWERS` are addresses: those were requested.
"""

import re

import pytest

_SIGN = r"""
    (?: @ | %(?:25)*40 | =40 | [\uff20\ufe6b] | \\+u\{?0*40\}? | \\+x40
      | &(?:amp;)?(?:\#0*64|\#x0*40|commat); | [(\[{<]\s*at\s*[)\]}>] )
"""
_DOT = r"(?: \. | [\u3002\uff0e] | [(\[{<]\s*(?:dot|\.)\s*[)\]}>] )"
_DOMAIN = rf"(?P<domain> (?:[\w-]+ \s? {_DOT} \s?)* example \s? {_DOT} \s? (?:com|org|net) \b )"
_FLAGS = re.VERBOSE | re.IGNORECASE
_END = re.compile(rf"{_SIGN} \s{{0,3}} {_DOMAIN}", _FLAGS)
"""A sign is seldom, so this is found at once where there is a sign, and the rest is looked at there."""
_ADDRESS = re.compile(
    rf"(?P<local> [^\W_][\w.+%'-]* | [\w.+%'-]*[^\W_][\"']? ) \s{{0,3}} {_SIGN} \s{{0,3}} {_DOMAIN}",
    _FLAGS,
)
_LONGEST_LOCAL = 100
ANSWERS = {
    "may-send": "it repeats each address of a list beside the answer",
    "why": "it shows everything on record about a person",
    "users check": "it repeats each address of a list beside the answer",
    "users export": "it writes the people into a file",
    "report": "it names who was paused or blocked lately",
    "users list": "it lists people",
    "users show": "it shows a person",
    "users forget": "it repeats each address of a list",
    "suppression restore": "it names whom it puts on the list again",
    "outbox list": "it names whose removal still waits",
    "policy diff": "it names whom another policy would treat differently",
    "policy rebuild": "it names whose records would change",
    "events export": "it writes events into a file, with their recipients",
    "dlq show": "it shows a message whole",
}
"""Commands whose purpose is to print addresses, and why; standard error is searched all the same."""
_heard = []


def hear(text, arguments=(), where=""):
    """Remember what a command logged, to be searched at the end of the test."""
    if text and "example" in text:
        _heard.append((text, " ".join(map(str, arguments)).lower(), where))


def hear_output(text, arguments=()):
    """Remember what a command printed, unless people ask it for addresses; help has examples."""
    if "--help" not in arguments and (command := command_in(arguments)) not in ANSWERS:
        hear(text, arguments, f" printed by {command}")


def command_in(arguments):
    """Find the name of the command among the words that started it, such as `users list`."""
    words = [str(word) for word in arguments if word is not None]
    if "--" in words and words[0].rpartition("/")[2].startswith("python"):
        words = words[words.index("--") + 1 :]
    names = []
    for word, before in zip(words, ["", *words], strict=False):
        if word.startswith("-") or before == "--config" or word.endswith("/ses-worker"):
            continue
        names.append(word)
    for name in (" ".join(names[:2]), " ".join(names[:1])):
        if name in ANSWERS:
            return name
    return " ".join(names[:2])


def whole_addresses(text, typed=""):
    """Find the whole addresses in a text that nobody has typed."""
    ends = (match.span() for match in _END.finditer(text))
    parts = (text[max(start - _LONGEST_LOCAL, 0) : end] for start, end in ends)
    found = (match[0].strip("'") for part in parts for match in _ADDRESS.finditer(part))
    return sorted({address for address in found if address.lower() not in typed})


def heard_addresses():
    """Search what was heard, and forget it."""
    found = {
        address + where for text, typed, where in _heard for address in whole_addresses(text, typed)
    }
    _heard.clear()
    return sorted(found)


@pytest.fixture(autouse=True)
def nothing_private_is_printed():
    """Search what was logged, after all other fixtures have ended."""
    heard_addresses()
    yield
    addresses = heard_addresses()
    assert not addresses, f"what was printed has whole addresses: {addresses}"
