"""The lane of the Slack channel."""

from worker.core.effects import Lane

SLACK = Lane("slack")
