"""`make demo`: the worker on this machine alone, with invented people and their mail.

`script` says what SES reports, `mail` writes it, `messages` puts it in order; `services` are the
simulated SQS, SES and Slack, `daemon` is the worker, `run` the sequence of events; `stage` and
`lines` show the log, `tables` the result, `figures` the same for programs; `expected` compares.
"""
