"""What Slack was told, and what became of the suppression list."""

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from worker.demo import remarks
from worker.demo.mrkdwn import inline
from worker.demo.script import LISTED, TAKEN_OFF
from worker.demo.sheet import sheet
from worker.demo.slack_view import view
from worker.demo.story import Findings
from worker.demo.told import Post, about_removals, digests, field, singles

WIDEST = 92
"""Of a message; Slack has its own widest, too."""


def what_slack_was_told(findings: Findings, width: int) -> Group:
    """How much became how many messages, and a few of them as they look in the channel."""
    count = Text(remarks.told(findings))
    messages = [view(post, min(width, WIDEST)) for post in _worth_a_look(findings)]
    return Group(count, *(Padding(message, (1, 0, 0, 0)) for message in messages))


def suppression_list(findings: Findings) -> Table:
    """Who was on it and is still, and what Slack was told about that."""
    table = sheet("address", "before", "now")
    table.add_column("what Slack was told", overflow="fold")
    told = about_removals(findings.posts)
    for address, reason in LISTED.items():
        now = ("listed", "yellow") if address in findings.listed else ("off the list", "green")
        said = field(told[address], "Response:") if address in told else "nothing"
        table.add_row(address, reason, Text(*now), inline(said))
    return table


def _worth_a_look(findings: Findings) -> list[Post]:
    """A bounce, the digest, and a removal."""
    posts = findings.posts
    bounces = [post for post in singles(posts) if post["text"].startswith("BOUNCE")]
    removal = about_removals(posts).get(TAKEN_OFF)
    return [*bounces[:1], *digests(posts)[:1], *([removal] if removal else [])]
