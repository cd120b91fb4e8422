"""`ses-worker report`: reads the figures, and writes them as JSON, CSV or a page."""

from worker.commands.report.making import READ, AskSes, ReportRequest, make_report

__all__ = ["READ", "AskSes", "ReportRequest", "make_report"]
