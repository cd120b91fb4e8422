"""The test notice. Pure."""

from worker.notifiers.slack.blocks import Post, context, header, plain_section


def sample_message(queue: str) -> Post:
    """A test message."""
    return Post(
        text="TEST: ses-worker check",
        blocks=[
            header("Test notice"),
            plain_section(f"Bounces and complaints from the queue {queue} are posted here."),
            context("Sent by `ses-worker check --send`."),
        ],
    )
