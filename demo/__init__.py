"""`make demo`: the whole journey on embedded parts, with invented people and their mail.

`mail` writes what SES would write, `script` has what is sent and what it must lead to, `cloud`
is the AWS, `far_sides` are a Slack and an SES, `daemon` is the worker, `story` the run; `audit` and
`audit_effects` compare; `stage`, `tables` and `effects_view` show.
"""
