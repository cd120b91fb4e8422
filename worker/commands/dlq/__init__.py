"""Dead letters, as people handle them: looked at, replayed, deleted.

They lie in two places: SQS's dead-letter queue, and the table `quarantine` for what no such queue
takes. Commands treat both alike.
"""
