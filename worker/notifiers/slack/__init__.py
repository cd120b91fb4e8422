"""The Slack channel; no other package uses slack_sdk."""
