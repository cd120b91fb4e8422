"""Small pieces of HTML. Whatever is not of this package is escaped here. Pure."""

from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """HTML that is made of escaped texts."""

    __slots__ = ()


def text(value: object) -> Html:
    """Escape a text; HTML stays as it is. No line begins with a percent sign."""
    if isinstance(value, Html):
        return value
    return Html(escape(str(value), quote=True).replace(" %", "\N{NO-BREAK SPACE}%"))


def breakable(value: str) -> Html:
    """Escape a text that may be broken behind each slash: `Permanent/General`."""
    return Html("/<wbr>".join(escape(part, quote=True) for part in value.split("/")))


def element(name: str, *children: object, **attributes: object) -> Html:
    """Make an element; `class_` is the attribute `class`, and `_` in other names is `-`."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>{joined(children)}</{name}>")


def joined(parts: Iterable[object]) -> Html:
    """Put pieces one after the other."""
    return Html("".join(text(part) for part in parts))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], numbers: int) -> Html:
    """Make a table whose columns from `numbers` on hold numbers."""
    head = element("tr", *(_cell("th", name, at >= numbers) for at, name in enumerate(heads)))
    body = (
        element(
            "tr",
            *(_cell("td" if at else "th", cell, at >= numbers) for at, cell in enumerate(row)),
        )
        for row in rows
    )
    found = element("table", element("thead", head), element("tbody", *body))
    return element("div", found, class_="scroll", tabindex="0")


def _cell(name: str, content: object, is_number: bool) -> Html:  # noqa: FBT001 of this file
    return element(name, content, class_="number" if is_number else None)
