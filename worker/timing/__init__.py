"""Clocks, deadlines and retry policies."""
