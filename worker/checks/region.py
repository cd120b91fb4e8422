"""Region and settings: what contradicts itself before anybody is asked."""

from worker.checks.findings import Check, Finding

SETTINGS = Check("settings")


def judge_region(queue_url: str, region: str, url_region: str | None) -> Finding:
    """Judge the region that AWS is asked in against the one in the queue's URL."""
    if url_region not in {None, region}:
        said = f"AWS is asked in {region}, and {queue_url} is in {url_region}"
        mend = f"set aws.region to {url_region}, and see what AWS_REGION and AWS_DEFAULT_REGION say"
        return SETTINGS.wrong(said, mend)
    return SETTINGS.ok(f"{queue_url}, in {region}")
