"""The settings that the page on policies shows are settings that the program takes."""

import pytest
from support.documents import blocks, text_of

from worker.core.policy import Policy
from worker.settings.loading import load_settings

DOCUMENT = text_of("docs/policies.md")


@pytest.mark.parametrize("settings", blocks(DOCUMENT, "toml"))
def test_each_example_is_taken_and_changes_the_policy(settings, tmp_path):
    file = tmp_path / "worker.toml"
    file.write_text(settings, encoding="utf-8")
    policy = load_settings({}, file).as_policy()
    fields = ("soft_bounces_to_pause", "repeat_pause", "ignore_out_of_office", "trust_status",
              "complaint_block")  # fmt: skip
    assert [name for name in fields if getattr(policy, name) != getattr(Policy(), name)]


def test_each_setting_is_documented():
    for name in ("soft_bounces_to_pause", "soft_bounce_window_days", "repeat_pause_days",
                 "ignore_out_of_office", "trust_status", "complaint_block_days"):  # fmt: skip
        assert f"\n{name} = " in "\n".join(blocks(DOCUMENT, "toml"))
