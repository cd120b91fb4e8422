"""Nothing that an untrusted sender wrote is markup in Slack, and it ends where it must."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.notices import hostile, surrogates

from worker.notifiers.slack.text import clean, code, escape, fence, fit, mask, plain, split, width

texts = st.one_of(hostile, surrogates)


class TestEscaping:
    """Nothing was escaped."""

    def test_three_characters_are_escaped_and_no_others(self):
        assert escape("a & b <c> \"d\" 'e' &amp;") == "a &amp; b &lt;c&gt; \"d\" 'e' &amp;amp;"

    @pytest.mark.parametrize("markup", ["<!channel>", "<@U1>", "<http://x.example|y>", "<#C1>"])
    def test_no_mention_and_no_link_comes_to_life(self, markup):
        for shown in (code(markup, 100), fence(markup, 100), plain(markup, 100)):
            assert escape(markup) in shown
            assert "<" not in shown
            assert ">" not in shown

    def test_backticks_break_out_of_nothing(self):
        assert code("a`b```c", 100) == "`a\u02cbb\u02cb\u02cb\u02cbc`"
        assert fence("a```b\n`c`", 100) == "```a\u02cb\u02cb\u02cbb\n\u02cbc\u02cb```"


class TestInvisible:
    def test_what_nobody_sees_leaves_a_mark(self):
        assert (
            clean("a\u202eb\x00c\u200bd\ud800e\U000e0041f")
            == "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf"
        )

    def test_lines_stay_lines_in_a_fence_only(self):
        assert fence("a\r\nb\rc\u2028d\te", 100) == "```a\nb\nc\nd e```"
        assert code("a\r\nb\rc\u2028d\te", 100) == "`a b c d e`"

    @pytest.mark.parametrize("text", ["", " ", "\n\n", "\t"])
    def test_an_empty_text_makes_no_loose_backticks(self, text):
        assert code(text, 100) == "`-`"
        assert plain(text, 100) == "-"
        assert fence("", 100) == "```-```"


class TestCutting:
    def test_a_text_that_fits_is_whole(self):
        assert fit("abcde", 5) == "abcde"
        assert fit("abcdef", 5) == "abcd…"

    @pytest.mark.parametrize("limit", range(6, 30))
    def test_no_entity_is_cut_in_two(self, limit):
        shown = fit(escape("&<>" * 10), limit)
        assert width(shown) <= limit
        left = shown.removesuffix("…").replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
        assert left == ""

    def test_astral_characters_count_twice_and_stay_whole(self):
        assert width("a\U0001f4a9") == 3
        assert fit("\U0001f4a9" * 4, 6) == "\U0001f4a9\U0001f4a9…"

    @given(texts, st.integers(10, 200))
    def test_head_and_tail_are_the_whole(self, text, limit):
        escaped = escape(clean(text))
        head, tail = split(escaped, limit)
        assert head + tail == escaped
        assert width(head) <= limit

    @given(texts, st.integers(16, 3_000), st.booleans())
    def test_whatever_is_written_stays_within_its_limit(self, text, limit, masked):
        for show in (code, fence, plain):
            shown = show(text, limit, masked=masked)
            assert 1 <= width(shown) <= limit
            shown.encode("utf-8")

    @given(texts, st.integers(16, 300))
    def test_code_is_opened_and_closed_once(self, text, limit):
        assert code(text, limit).count("`") == 2
        assert "\n" not in code(text, limit)
        shown = fence(text, limit)
        assert (shown[:3], shown[-3:], shown.count("`")) == ("```", "```", 6)


class TestMasking:
    @pytest.mark.parametrize("sign", ["%40", "=40", "&#64;", "\uff20"])
    def test_an_address_written_as_links_and_mails_write_it_is_masked_too(self, sign):
        assert "jane" not in fence(
            f"<https://x.example/u?e=jane{sign}example.com>", 200, masked=True
        )

    def test_addresses_are_masked_before_anything_is_escaped(self):
        assert code("550 <jane@example.com>", 100, masked=True) == "`550 &lt;***@example.com&gt;`"

    def test_an_invisible_character_hides_no_address(self):
        for text in ("jane\u200b@example.com", "jane@\x1fexample.com"):
            assert "jane" not in code(text, 100, masked=True)

    def test_an_address_at_the_cut_is_masked_too(self):
        for limit in range(8, 40):
            assert "jane@" not in fence("x " * 10 + "jane@example.com", limit + 6, masked=True)

    def test_no_text_takes_long_to_mask(self):
        import time

        started = time.process_time()
        for text in ("a" * 200_000 + " @", '"' * 200_000 + "@", "a@" * 100_000):
            fence(text, 3_000, masked=True)
            mask(text)
        assert time.process_time() - started < 1
