"""`ses-worker demo`: the whole journey on embedded parts, with invented people and their mail.

`mail` writes what SES would write, `script` tells what is sent and what it must lead to, `cloud`
is the AWS, `daemon` the worker, `story` the run; `audit` compares, `stage` and `tables` show.
"""
