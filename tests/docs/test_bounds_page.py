"""The table of bounds has every constant of the code, with its value."""

import ast
import re
from pathlib import Path

from worker.core import limits

DOCUMENT = (Path(__file__).parents[2] / "docs/bounds.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in DOCUMENT.splitlines()
    if line.startswith("|") and "`" in line
]
CODE = {name: value for name, value in vars(limits).items() if name.isupper()}


def test_every_bound_is_in_the_table_once_with_its_value():
    found = [(constant.strip("`"), bound) for _, bound, _, constant in ROWS]
    assert sorted(found) == sorted((name, f"{value:,}") for name, value in CODE.items())


def test_every_row_says_what_becomes_of_what_is_beyond():
    assert all(what and beyond for what, _, beyond, _ in ROWS)


def test_every_bound_has_its_reason_in_the_code():
    body = ast.parse(Path(limits.__file__).read_text(encoding="utf-8")).body
    for at, item in enumerate(body):
        if isinstance(item, ast.Assign):
            after = body[at + 1]
            is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            assert is_text, ast.unparse(item)


def test_no_bound_is_left_unused():
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in Path(limits.__file__).parents[1].rglob("*.py")
        if path != Path(limits.__file__)
    )
    assert [name for name in CODE if not re.search(rf"\b{name}\b", code)] == []
