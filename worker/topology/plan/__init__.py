"""Plans the path from SES to the queue: what `ses-worker provision` must create or complete. Pure.

`desired` is the desired state, `plan` finds the missing steps (in `queues`, `topics`, `feedback`).
`worker.commands.provision` reads what exists and carries out the steps.
"""
