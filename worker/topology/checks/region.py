"""Region and settings: contradictions found before AWS is called."""

from worker.topology.checks.findings import Check, Finding

SETTINGS = Check("settings")


def judge_region(queue_url: str, region: str, url_region: str | None) -> Finding:
    """Judge the region that AWS is called in against the one in the queue's URL."""
    if url_region not in {None, region}:
        message = f"AWS is called in {region}, and {queue_url} is in {url_region}"
        fix = f"set aws.region to {url_region}, and see what AWS_REGION and AWS_DEFAULT_REGION say"
        return SETTINGS.wrong(message, fix)
    return SETTINGS.ok(f"{queue_url}, in {region}")
