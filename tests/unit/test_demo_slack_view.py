"""Messages as a terminal shows them: untrusted text is text and nothing else."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from support.notices import bounced, effect, hostile, recipient, removed, surrogates

from demo.mrkdwn import Fence, inline, parts, plain
from demo.slack_view import MOST_LINES, view
from worker.notifiers.slack.notices import notice

CONTROL = {chr(code) for code in (*range(32), *range(127, 160))} - {"\n"}


def drawn(*blocks, username="SES Notice", width=80):
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False, color_system=None)
    console.print(view({"username": username, "blocks": blocks}, width))
    return out.getvalue()


def section(text):
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def shown(payload, **more):
    return drawn(*notice(effect(payload)).blocks, **more)


def styles(text):
    return {text.plain[span.start : span.end]: str(span.style) for span in text.spans}


class TestMrkdwn:
    def test_entities_are_read_once(self):
        assert plain("&lt;a&gt; &amp;lt; &amp;amp; &copy;") == "<a> &lt; &amp; &copy;"

    def test_bold_and_code_have_their_styles_and_lose_their_marks(self):
        text = inline("• *7* `Permanent/General` at `example.com`")
        assert text.plain == "• 7 Permanent/General at example.com"
        assert styles(text)["7"] == "bold"
        assert styles(text)["example.com"] == "magenta"

    def test_asterisks_in_code_are_not_bold(self):
        assert inline("`***@example.com` and `*a*`").plain == "***@example.com and *a*"

    def test_fences_are_taken_out_in_order(self):
        label, code, rest = parts("*Json:*\n```{\n  &lt;a&gt;\n}```\nthen")
        assert (label.plain, code, rest.plain) == ("Json:", Fence(["{", "  <a>", "}"]), "then")

    def test_a_fence_that_is_never_closed_is_none(self):
        assert [text.plain for text in parts("a ```b")] == ["a ```b"]

    @given(st.one_of(hostile, surrogates))
    def test_nothing_is_lost_and_nothing_does_anything(self, text):
        found = "".join(
            part.plain if not isinstance(part, Fence) else "\n".join(part.lines)
            for part in parts(text)
        )
        assert not CONTROL & set(found)
        assert all(line.isprintable() for line in found.split("\n"))


class TestView:
    def test_a_notice_looks_as_in_slack(self):
        lines = [line.strip("│ \n") for line in shown(bounced(recipient())).splitlines()]
        assert lines[0].startswith("╭─ SES Notice  APP ")
        assert lines[1] == "Bounce notification"
        assert set(lines[2]) == {"─"}
        assert ["Type:", "Permanent/General"] in [line.split() for line in lines]
        assert lines[-2].startswith("outbox #123   ses-worker why jane@example.com")

    def test_a_removal_shows_the_entry_as_it_was(self):
        out = shown(removed())
        assert ["Response:", "Deleted!"] in [line.strip("│ ").split() for line in out.splitlines()]
        assert '"Reason": "BOUNCE"' in out

    @pytest.mark.parametrize(("lines", "more"), [(MOST_LINES + 1, ""), (47, "… 38 more lines")])
    def test_long_code_is_cut_and_the_cut_is_counted(self, lines, more):
        out = drawn(section("```" + "\n".join(f"line {n}" for n in range(lines)) + "```"))
        assert f"line {MOST_LINES - 1}" in out
        assert more in out
        assert ("more lines" in out) is bool(more)
        assert (f"line {lines - 1} " in out) is not bool(more)

    def test_a_block_of_another_kind_is_named(self):
        assert "(image)" in drawn({"type": "image"})

    def test_an_odd_field_has_nothing_beside_it(self):
        assert "alone" in drawn({"type": "section", "fields": [{"text": "alone"}]})

    @pytest.mark.parametrize(
        "text", ["[red]x[/red]", "[/]", "[link=http://x.example]x[/link]", ":boom:", "\\[b]"]
    )
    def test_rich_markup_in_untrusted_text_is_shown_as_text(self, text):
        out = drawn(section(text), section(f"`{text}`"), section(f"```{text}```"), username=text)
        assert out.count(text) == 4

    def test_no_escape_sequence_reaches_the_terminal(self):
        evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\x08\u202e"
        for out in (
            drawn(section(evil), section(f"```{evil}```"), username=evil),
            shown(bounced(recipient(diagnostic=evil), message=evil)),
        ):
            assert not CONTROL & set(out)
            assert "\u202e" not in out
        assert "\\x1b]0;owned\\x07" in drawn(section(evil))

    @settings(max_examples=60, deadline=None)
    @given(st.one_of(hostile, surrogates))
    def test_whatever_it_is_it_stays_in_its_frame(self, text):
        blocks = (
            section(text or "-"),
            section(f"`{text}`"),
            {"type": "context", "elements": [{"text": text}]},
        )
        out = drawn(*blocks, username=text, width=60)
        assert not CONTROL & set(out)
        assert all(line[0] in "╭│╰" for line in out.splitlines())
