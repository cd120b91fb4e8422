"""Amazon SQS: the queue, the dead-letter queue, and the clients that call them."""
