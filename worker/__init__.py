"""ses-feedback-worker: Amazon SES bounces and complaints become durable user records.

The journey of one message is in `worker.process`; the map of the packages is in
docs/development/architecture.md.
"""

__version__ = "0.1.0"
