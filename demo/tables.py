"""What an operator would want to see after the run, in tables."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from demo import script
from demo.database import Row, moment
from demo.figures import DIGEST, attribute, folded, is_paused
from demo.installing import NOTICES_A_MINUTE, POSTS_A_SECOND
from demo.lines import coloured
from demo.mail import Shape
from demo.run import Result
from worker.cli.screen import put
from worker.cli.words import decision_of, label_of_event
from worker.core.masking import printable
from worker.core.model import Outcome

MOST_LINES = 8
"""Lines of one text in a notice."""
LONGEST_TYPE = 25
"""Characters of `type/sub-type` on one line."""
_SAMPLE = (
    "permanent", "transient", "spam_diagnostic", "refused_by_ses", "unknown_recipient",
    "complaint", "not_spam", "blocked_already",
)  # fmt: skip
"""Rules; the last decision by each is shown first."""
_COUNTS = ("hard_bounce", "soft_bounce", "complaint")


def show_sample(console: Console, result: Result) -> None:
    """Show the result in short, and what the worker's own commands print about it."""
    rows = {row["reason"]: row for row in result.database.events}
    put(console, _title(1, "Eight decisions"))
    for rule in _SAMPLE:
        event = rows[rule]
        put(console, f"{label_of_event(event)} of {event['recipient']} (rule {rule})", indent=1)
        put(console, decision_of(event).partition(" (rule")[0], indent=3)
    put(console, f"\n {_users(result)}")
    put(console, _repeats(result), indent=1)
    put(console, _title(2, "What was dead-lettered"))
    for message in result.dead_letters:
        reason, detail = (attribute(message, f"ses_worker_{name}") for name in ("reason", "error"))
        put(console, f"{reason}: {detail}", indent=1)
    for number, (command, shown) in enumerate(result.screens.items(), start=3):
        put(console, _title(number, f"ses-worker {command}"))
        console.print(Text.from_ansi(shown), soft_wrap=True)


def show_all(console: Console, result: Result) -> None:
    """Show all of it."""
    _show(
        console,
        ("What came", came(result), _totals(result)),
        (
            "What was decided, and why", decisions(result),
            _spellings(result),
        ),
        ("Who is paused, and who is blocked", people(result), _users(result)),
        (
            "What was dead-lettered", dead_letters(result),
            "bodies unchanged; `ses-worker dlq` lists, shows and replays them",
        ),
        ("What came again", None, _repeats(result)),
        ("What Slack received", slack_messages(result), _slack(result)),
        (
            "The SES suppression list", suppression_list(result),
            "both are in suppression.remove; an entry for a complaint stays",
        ),
    )  # fmt: skip


def _show(console: Console, *parts: tuple[str, RenderableType | None, str]) -> None:
    for number, (title, table, remark) in enumerate(parts, start=1):
        put(console, _title(number, title))
        if table:
            console.print(Padding(table, (0, 0, 1, 1), expand=False))
        console.print(Padding(Text(remark, style="dim" if table else ""), (0, 1), expand=False))


def _title(number: int, title: str) -> Text:
    return Text.assemble("\n ", (str(number), "cyan"), "  ", (title, "bold"), "\n")


def came(result: Result) -> Table:
    """Messages by outcome and kind, and by SES's publishing route."""
    counts = Counter((m.outcome, m.kind, m.shape) for m in result.messages)
    table = _table("kind", *Shape, "outcome")
    for outcome in Outcome:
        for kind in sorted({kind for found, kind, _ in counts if found is outcome}, key=str.lower):
            numbers = [str(counts[outcome, kind, shape] or "") for shape in Shape]
            table.add_row(kind, *numbers, coloured(outcome.value))
        table.add_section()
    return table


def _totals(result: Result) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in result.totals.items())
    return f"the daemon's own count: {counts}"


def decisions(result: Result) -> Table:
    """The rows of `events`, by the time of the event."""
    table = _table("ago", "type/sub-type", "recipient (user_match)", "action", "rule")
    for kind in ("bounce", "complaint"):
        table.add_row("", Text(f"{kind}s", style="bold"))
        rows = [row for row in result.database.events if row["kind"] == kind]
        for row in sorted(rows, key=lambda row: str(row["occurred_at"])):
            age = _span((result.now - moment(row["occurred_at"])).total_seconds())
            types = "/".join(filter(None, (row["type"], row["subtype"]))) or "-"
            types = types if len(types) <= LONGEST_TYPE else types.replace("/", "/\n")
            match = "" if row["user_match"] == "found" else f"({row['user_match']})"
            recipient = Text(" ").join(filter(None, (Text(row["recipient"]), coloured(match))))
            table.add_row(age, types, recipient, coloured(row["action"]), row["reason"])
        table.add_section()
    return table


def _spellings(result: Result) -> str:
    spelled = [
        row["recipient_as_reported"]
        for row in result.database.events
        if row["user_match"] == "found" and row["recipient_as_reported"] != row["recipient"]
    ]
    return f"found in spite of their spelling: {' · '.join(spelled)}"


def people(result: Result) -> Table:
    """The users that are, or were, paused or blocked, or who complained."""
    table = _table("user", "paused until", "", "why", "blocked by", "hard", "soft", "cmpl")
    blocked_by = {
        event["recipient"]: event["reason"]
        for event in result.database.events
        if event["action"] == "auto_block_spam"
    }
    for user in sorted(result.database.users, key=_latest_first):
        if user["paused_until"] or user["auto_block_spam"] or user["complaint_count"]:
            table.add_row(
                user["email"],
                *_pause(user, result.now),
                Text(blocked_by.get(user["email_key"], ""), style="magenta"),
                *(str(user[f"{kind}_count"] or "") for kind in _COUNTS),
            )
    return table


def _pause(user: Row, now: datetime) -> list[RenderableType]:
    """Until when, how long that is, and why."""
    if not user["paused_until"]:
        return ["", "", ""]
    until = moment(user["paused_until"])
    seconds = (until - now).total_seconds()
    left = f"in {_span(seconds)}" if seconds > 0 else "ended"
    return [f"{until:%Y-%m-%d %H:%M}", left, coloured(user["pause_reason"])]


def _latest_first(user: Row) -> tuple[float, str]:
    return (-moment(user["paused_until"]).timestamp() if user["paused_until"] else 0, user["email"])


def _users(result: Result) -> str:
    users = result.database.users
    paused = sum(is_paused(user, result.now) for user in users)
    blocked = sum(bool(user["auto_block_spam"]) for user in users)
    return f"of {len(users)} users {paused} are paused now and {blocked} blocked (times are UTC)"


def dead_letters(result: Result) -> Table:
    """The messages in the dead-letter queue, with the attributes that the worker added."""
    table = _table("reason")
    table.expand = True
    table.add_column("detail", ratio=2, overflow="fold")
    table.add_column("body", ratio=1, no_wrap=True, overflow="ellipsis")
    for message in result.dead_letters:
        reason, detail = (attribute(message, f"ses_worker_{name}") for name in ("reason", "error"))
        text = json.loads(message.body).get("Message", message.body).strip()
        table.add_row(Text(reason, "red"), Text(detail), Text(text[:60]))  # its secrets come later
    return table


def _repeats(result: Result) -> str:
    again = sum(m.outcome is Outcome.DUPLICATE for m in result.messages)
    added = len(result.database.events) - len(result.before_the_last.events)
    pairs = zip(result.before_the_last.users, result.database.users, strict=False)
    changed = sum(before != after for before, after in pairs)
    return (
        f"{again} messages were published again, some by SES's other publishing route. "
        f"Events added: {added}. Users changed: {changed}."
    )


def slack_messages(result: Result) -> Group:
    """The texts of all messages, and a sample of each kind in full, in Slack's own markup."""
    table = _table("", "message")
    samples: dict[str, Mapping[str, Any]] = {}
    for number, post in enumerate(result.posts, start=1):
        table.add_row(str(number), Text(printable(post["text"])))
        samples.setdefault(post["text"].partition(":")[0], post)
    shown = [samples[kind] for kind in ("BOUNCE", "DIGEST", "DELETE") if kind in samples]
    return Group(table, *(Panel(Group(*_lines(post)), border_style="dim") for post in shown))


def _lines(post: Mapping[str, Any]) -> Iterator[RenderableType]:
    """The texts of a message's blocks, without a rendering of their markup."""
    for block in post["blocks"]:
        if "text" in block:
            style = "bold" if block["type"] == "header" else ""
            yield _shortened(block["text"]["text"], style)
        if fields := [_shortened(field["text"]) for field in block.get("fields", ())]:
            grid = Table.grid(padding=(0, 2))
            for pair in zip(fields[::2], fields[1::2], strict=False):
                grid.add_row(*pair)
            yield grid
        for element in block.get("elements", ()):
            yield _shortened(element["text"], "dim")


def _shortened(text: str, style: str = "") -> Text:
    lines = [printable(line) for line in text.split("\n")]
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f"… {len(lines) - MOST_LINES} more lines"]
    return Text("\n".join(lines), style)


def _slack(result: Result) -> str:
    digests = sum(post["text"].startswith(DIGEST) for post in result.posts)
    return (
        f"{len(result.posts) - digests} notices, and {folded(result).total()} in a digest; none is "
        f"about {script.IGNORED} (notify.ignore)\nSlack was made to answer slowly, so that more "
        f"than slack.messages_per_minute ({NOTICES_A_MINUTE} here) were waiting; the real Slack "
        f"gets one post a second, here it is up to {POSTS_A_SECOND}"
    )


def suppression_list(result: Result) -> Table:
    """The entries before and after, and the notice about each."""
    table = _table("address", "before", "now", "notice")
    notices = {text.partition(": ")[2]: text for text in (post["text"] for post in result.posts)}
    for address, reason in script.LISTED.items():
        now = ("listed", "yellow") if address in result.listed else ("off the list", "green")
        table.add_row(address, reason, Text(*now), notices.get(address, "none"))
    return table


def _table(*headers: str) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        header_style="cyan",
        padding=(0, 1, 0, 0),  # with the box's own space, two between columns
        pad_edge=False,
        show_edge=False,
    )
    for header in headers:
        table.add_column(header, no_wrap=True)
    return table


def _span(seconds: float) -> str:
    hours = round(seconds / 3600)
    return f"{hours} h" if hours < 48 else f"{round(hours / 24)} d"
