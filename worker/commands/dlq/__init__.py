"""`ses-worker dlq`: lists, replays and deletes dead letters.

They are in two places: SQS's dead-letter queue, and the table `quarantine` for those that no such
queue accepts. All commands handle both.
"""
