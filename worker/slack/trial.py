"""The test notice. Pure."""

from worker.slack.blocks import Post, context, header, plain_section


def trial(queue: str) -> Post:
    """Say that it is one."""
    return Post(
        text="TEST: ses-worker check",
        blocks=[
            header("Test notice"),
            plain_section(f"Bounces and complaints from the queue {queue} are told here."),
            context("Sent by `ses-worker check --send`."),
        ],
    )
