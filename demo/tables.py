"""What an operator would want to see afterwards, in tables."""

from collections import Counter
from datetime import datetime

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from demo import remarks
from demo.database import Row, moment
from demo.effects_view import slack_notices, suppression_list
from demo.figures import is_paused
from demo.lines import coloured
from demo.mail import Shape
from demo.sheet import sheet
from demo.story import Findings
from worker.core.model import Outcome

WIDE = 100
"""From so many columns on nothing has to be stacked or left out."""
LONGEST_SORT = 25
"""Of a type and sub-type in one line."""


def show_tables(console: Console, findings: Findings) -> None:
    """Show all of it."""
    wide = console.width >= WIDE
    parts: tuple[tuple[str, RenderableType | None, str], ...] = (
        ("What came", what_came(findings), remarks.totals(findings)),
        ("What was decided, and why", decisions(findings, wide=wide), remarks.rows(findings)),
        ("Who is paused, and who is blocked", people(findings, wide=wide), remarks.crowd(findings)),
        ("What was dead-lettered", set_aside(findings, wide=wide), remarks.kept(findings)),
        ("What came again", None, remarks.repeats(findings)),
        (
            "What Slack was told",
            slack_notices(findings, console.width - 2),
            remarks.pauses(),
        ),
        ("The SES suppression list", suppression_list(findings), remarks.listing()),
    )
    for number, (title, table, remark) in enumerate(parts, start=1):
        console.print(f"\n [cyan]{number}[/cyan]  [bold]{title}[/bold]\n")
        if table:
            console.print(Padding(table, (0, 0, 1, 1), expand=False))
        console.print(Padding(Text(remark, style="dim" if table else ""), (0, 1), expand=False))


def what_came(findings: Findings) -> Table:
    """Messages by kind and outcome, in the two shapes that SES has."""
    counts = Counter((m.outcome, m.kind, m.shape) for m in findings.messages)
    table = sheet("kind", *(shape.value for shape in Shape), "outcome")
    for column in table.columns[1:-1]:
        column.justify = "right"
    for outcome in Outcome:
        for kind in sorted(
            {m.kind for m in findings.messages if m.outcome is outcome}, key=str.casefold
        ):
            numbers = [str(counts[outcome, kind, shape] or "") for shape in Shape]
            table.add_row(kind, *numbers, coloured(outcome.value))
        table.add_section()
    return table


def decisions(findings: Findings, *, wide: bool) -> Table:
    """The rows of `events`, in the order in which they happened."""
    table = sheet("ago")
    headers = (
        ("type/sub-type", "recipient (user_match)", "action", "rule")
        if wide
        else ("type\nsub-type", "recipient\nuser_match", "action\nrule")
    )
    for header in headers:
        table.add_column(header, no_wrap=True)
    for kind in ("bounce", "complaint"):
        rows = [row for row in findings.database.events if row["kind"] == kind]
        table.add_row("", Text(f"{kind}s", style="bold"))
        for row in sorted(rows, key=lambda row: str(row["occurred_at"])):
            age = _span((findings.now - moment(row["occurred_at"])).total_seconds())
            table.add_row(age, *(_single_line(row) if wide else _stacked(row)))
        table.add_section()
    return table


def _single_line(row: Row) -> list[RenderableType]:
    sort = "/".join(filter(None, (row["type"], row["subtype"]))) or "-"
    who = Text(row["recipient"])
    if row["user_match"] != "found":
        who = Text(" ").join(filter(None, (who, coloured(f"({row['user_match']})"))))
    return [
        sort if len(sort) <= LONGEST_SORT else sort.replace("/", "/\n"),
        who,
        coloured(row["action"]),
        row["reason"],
    ]


def _stacked(row: Row) -> list[RenderableType]:
    return [
        Text(f"{row['type'] or '-'}\n").append(row["subtype"] or "", style="dim"),
        Text(f"{row['recipient'] or '-'}\n").append(row["user_match"], style="dim"),
        Text.assemble(coloured(row["action"]), "\n", (row["reason"], "dim")),
    ]


def people(findings: Findings, *, wide: bool) -> Table:
    """The users of whom feedback has made something."""
    table = sheet("user", "paused until", "", "why", "blocked by")
    for header in ("hard", "soft", "compl.") if wide else ():
        table.add_column(header, justify="right")
    blocked_by = {
        event["recipient"]: event["reason"]
        for event in findings.database.events
        if event["action"] == "auto_block_spam"
    }
    for user in sorted(findings.database.users, key=_latest_first):
        if not _is_touched(user):
            continue
        row: list[RenderableType] = [
            user["email"],
            *_pause(user, findings.now),
            Text(blocked_by.get(user["email_key"], ""), style="magenta"),
        ]
        if wide:
            row += [
                str(user[f"{what}_count"] or "")
                for what in ("hard_bounce", "soft_bounce", "complaint")
            ]
        over = user["paused_until"] and not is_paused(user, findings.now)
        table.add_row(*row, style="dim" if over else None)
    return table


def set_aside(findings: Findings, *, wide: bool) -> Table:
    """The messages in the dead-letter queue, with what the worker wrote on them."""
    table = sheet("reason")
    table.expand = True
    table.add_column("detail", ratio=2, overflow="fold")
    if wide:
        table.add_column("body", ratio=1, no_wrap=True, overflow="ellipsis")
    for dead_letter in findings.dead_letters:
        beginning = Text(
            dead_letter.contents.strip()[:60]
        )  # a confirmation's token stands further on
        row = [Text(dead_letter.reason, style="red"), Text(dead_letter.detail), beginning]
        table.add_row(*row[: len(table.columns)])
    return table


def _pause(user: Row, now: datetime) -> list[RenderableType]:
    """Until when, how long that is, and why."""
    if not user["paused_until"]:
        return ["", "", ""]
    until = moment(user["paused_until"])
    seconds = (until - now).total_seconds()
    left = f"in {_span(seconds)}" if seconds > 0 else "ended"
    return [f"{until:%Y-%m-%d %H:%M}", left, coloured(user["pause_reason"])]


def _is_touched(user: Row) -> bool:
    return bool(user["paused_until"] or user["auto_block_spam"] or user["complaint_count"])


def _latest_first(user: Row) -> tuple[float, str]:
    return (-moment(user["paused_until"]).timestamp() if user["paused_until"] else 0, user["email"])


def _span(seconds: float) -> str:
    hours = round(seconds / 3600)
    return f"{hours} h" if hours < 48 else f"{round(hours / 24)} d"
