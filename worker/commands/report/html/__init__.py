"""The report as a page: one file with its charts, which needs no network.

Chart.js draws; it comes with the package `chartkick`. Texts from mails are untrusted: each is
escaped where it is put into the page, and in the figures for the charts as well. The page's policy
(CSP) lets nothing be fetched, and only its own scripts run.
"""

from worker.commands.report.html.document import html_of

__all__ = ["html_of"]
