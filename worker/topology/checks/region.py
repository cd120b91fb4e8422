"""Region and settings: contradictions that are found before AWS is called."""

from collections.abc import Iterable, Iterator

from worker.topology.checks.findings import Check, Finding

SETTINGS = Check("settings")


def judge_region(queue_url: str, region: str, url_region: str | None) -> Finding:
    """Judge whether AWS is called in the region of the queue's URL."""
    if url_region not in {None, region}:
        message = f"AWS is called in {region}, but {queue_url} is in {url_region}"
        fix = f"set aws.region to {url_region}, and check AWS_REGION and AWS_DEFAULT_REGION"
        return SETTINGS.wrong(message, fix)
    return SETTINGS.ok(f"{queue_url}, in {region}")


def judge_doubts(doubts: Iterable[str]) -> Iterator[Finding]:
    """Report settings that are accepted, and are most likely mistakes."""
    return (SETTINGS.note(doubt) for doubt in doubts)
