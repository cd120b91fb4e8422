"""The documents: the README and the pages below `docs/`, and what stands in them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def text_of(name):
    """The text of a document, by its path from the root."""
    return (ROOT / name).read_text(encoding="utf-8")


def names():
    """Every document of the project that is not made from the code."""
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(str(file.relative_to(ROOT)) for file in files)


def blocks(text, language):
    """The code blocks of a language."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for name, block in fenced if name == language]


def languages(text):
    """The languages of its code blocks."""
    return set(re.findall(r"^```(\w*)\n.*?^```$", text, re.DOTALL | re.MULTILINE))


def table(text, heading):
    """Rows of the first table below a heading, cells stripped."""
    below = text[text.index(heading) :]
    rows = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def plain(cell):
    """A cell without its back-quotes."""
    return cell.replace("`", "").replace("\\|", "|")
