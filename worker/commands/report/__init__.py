"""`ses-worker report`: reads the figures, and writes them as JSON, CSV or a page."""

from worker.commands.report.making import READ, Asked, AskSes, make_report

__all__ = ["READ", "AskSes", "Asked", "make_report"]
