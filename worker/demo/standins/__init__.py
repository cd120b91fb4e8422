"""Loopback servers that speak as the far sides do which moto does not play: SES's list, Slack."""
