"""What Slack was told, and what became of the suppression list."""

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from demo import remarks
from demo.mrkdwn import inline
from demo.notices import Post, about_removals, digests, field, singles
from demo.script import LISTED, TAKEN_OFF
from demo.sheet import sheet
from demo.slack_view import view
from demo.story import Findings

WIDEST = 92
"""Of a message; Slack has its own widest, too."""


def slack_notices(findings: Findings, width: int) -> Group:
    """How much became how many messages, and a few of them as they look in the channel."""
    count = Text(remarks.notices(findings))
    messages = [view(post, min(width, WIDEST)) for post in _worth_a_look(findings)]
    return Group(count, *(Padding(message, (1, 0, 0, 0)) for message in messages))


def suppression_list(findings: Findings) -> Table:
    """The entries before and after, and the notices about them."""
    table = sheet("address", "before", "now")
    table.add_column("what Slack was told", overflow="fold")
    removals = about_removals(findings.posts)
    for address, reason in LISTED.items():
        now = ("listed", "yellow") if address in findings.listed else ("off the list", "green")
        response = field(removals[address], "Response:") if address in removals else "nothing"
        table.add_row(address, reason, Text(*now), inline(response))
    return table


def _worth_a_look(findings: Findings) -> list[Post]:
    """A bounce, the digest, and a removal."""
    posts = findings.posts
    bounces = [post for post in singles(posts) if post["text"].startswith("BOUNCE")]
    removal = about_removals(posts).get(TAKEN_OFF)
    return [*bounces[:1], *digests(posts)[:1], *([removal] if removal else [])]
