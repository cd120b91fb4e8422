"""Dead letters, as people handle them: looked at, replayed, deleted.

They lie in two places: SQS's dead-letter queue, and the table `quarantine` for what no such queue
takes. What is done to one is done to both.
"""
