"""`ses-worker provision`: makes the path from SES to the queue, or completes it.

`naming` chooses names, `wanted` has the desired state, `plan` finds what is missing
(`queues`, `topics`, `feedback`, in `steps`), `doing` looks and does.
"""
