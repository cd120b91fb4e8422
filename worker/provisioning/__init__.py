"""`ses-worker provision`: makes the path from SES to the queue, or completes it.

`naming` says what all is called, `wanted` what there should be, `plan` what is missing of it
(`queues`, `topics`, `feedback`, in `steps`), `doing` looks and does.
"""
