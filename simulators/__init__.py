"""Loopback servers for services that moto lacks: SES's suppression list, Slack."""
