"""What a report says in sentences, on a terminal and on a page alike."""

from collections.abc import Iterator

from worker.core.reporting.lines import FEWEST_MAILS, Judgement, State
from worker.core.reporting.report import Report
from worker.core.reporting.sends import Source

SES_COMPUTES = (
    "SES computes its own rates, over a volume of mail that represents the sender and not over "
    "days, and complaints over mail to providers that report them. Its rates are in its console "
    "(Reputation metrics) and in CloudWatch: Reputation.BounceRate, Reputation.ComplaintRate."
)
_MOMENT = "%Y-%m-%d %H:%M UTC"
HOW_TO_KNOW = (
    "Have SES publish Send events to the same topic as bounces, with a configuration set "
    "(ses-worker provision). Until then ses-worker report --ses asks SES itself, if permitted."
)
STATES = {
    State.UNKNOWN: "unknown",
    State.TOO_FEW: "too few to judge",
    State.BELOW: "below AWS's lines",
    State.NEAR: "near AWS's line for a review",
    State.REVIEW: "over AWS's line for a review",
    State.PAUSE: "over AWS's line for a pause",
}
_SOURCES = {
    Source.SEND: "counted by SES's Send events",
    Source.DELIVERY: "counted by deliveries and bounces, since no Send events came",
    Source.VDM: "by SES's own metrics, which leave out mail to several recipients at once",
    Source.STATISTICS: "by SES's own statistics of the last two weeks",
}


def percent(share: float | None, digits: int = 2) -> str:
    """Write a share: `4.12 %`; a small share that is none is not written as 0."""
    if share is None:
        return "-"
    text = f"{share * 100:.{digits}f}"
    return f"<{10**-digits:.{digits}f} %" if share > 0 and float(text) == 0 else f"{text} %"


def between(judgement: Judgement) -> str:
    """Write the interval of a rate: `3.90 to 4.35 %`."""
    if judgement.low is None or judgement.high is None:
        return ""
    return f"{judgement.low * 100:.2f} to {percent(judgement.high)}"


def rate_of(judgement: Judgement) -> str:
    """Write a rate for a table: none of few mails."""
    if judgement.state is State.TOO_FEW:
        return "too few"
    return percent(judgement.rate)


def since_day(report: Report) -> str:
    """Name the day since which mails and rates are known, ` since 2026-11-28`; empty: all days."""
    return f" since {report.rates_since}" if report.rates_since else ""


def verdict(what: str, judgement: Judgement, since: str = "") -> str:
    """Describe where a rate is. `what`: a plural, such as `complaints`; `since`: of `since_day`."""
    lines = f"review {percent(float(judgement.lines.review), 1)}"
    lines += f", pause {percent(float(judgement.lines.pause), 1)}"
    counted = _of(judgement.counted, what)
    if judgement.state is State.UNKNOWN:
        return f"{counted}{since}; the rate is unknown (AWS's lines: {lines})"
    of = f"{counted} of {judgement.sends:,} mails{since}"
    if judgement.state is State.TOO_FEW:
        return (
            f"{of}: too few mails to judge; the rate may be anything from {between(judgement)} "
            f"(no rate is judged of fewer than {FEWEST_MAILS:,} mails)"
        )
    found = f"{percent(judgement.rate)}, {of}: {STATES[judgement.state]} ({lines})"
    if judgement.is_certain:
        return found
    return f"{found}; by chance it may be {between(judgement)}, on either side of a line"


def budget(what: str, judgement: Judgement) -> str:
    """State how many more fit before AWS's lines; empty where that is not known."""
    review, pause = judgement.left_to_review, judgement.left_to_pause
    if review is None or pause is None or judgement.state is State.TOO_FEW:
        return ""
    if pause < 0:
        return f"{_of(-pause, what)} too many for the line for a pause, {-review:,} for a review"
    if review < 0:
        return f"{_of(-review, what)} too many for a review; {pause:,} more before a pause"
    fit = "fits" if review == 1 else "fit"
    return f"{_of(review, f'more {what}')} {fit} before a review, {pause:,} before a pause"


def _of(count: int, what: str) -> str:
    return f"{count:,} {what.removesuffix('s') if count == 1 else what}"


def not_known_before(report: Report) -> str:
    """Name the day since which it is known what became of people; empty: in all of the report."""
    since = report.outcomes_unknown_before
    return f"not known before {since:{_MOMENT}}" if since else ""


def notes(report: Report) -> Iterator[str]:
    """Yield what the reader must know to read the figures rightly, a sentence or two each."""
    if not report.is_empty:
        yield from _about_sends(report)
    yield from _about_counts(report)
    if not report.is_empty:
        yield SES_COMPUTES


def _about_sends(report: Report) -> Iterator[str]:
    sends, ses = report.sends, report.ses
    if sends.source is Source.UNKNOWN:
        yield f"How much mail was sent is unknown, and so are the rates. {_how_to_know(report)}"
    else:
        yield f"Mails sent are {_SOURCES[sends.source]}."
    if report.rates_since:
        yield (
            f"Mails sent are known from {sends.since} on: mails and rates are about those days "
            "only, all other figures about all days."
        )
    if ses and ses.problem:
        yield f"SES's metrics were requested, without success: {ses.problem}."
    elif ses and sends.source in {Source.SEND, Source.DELIVERY}:
        yield f"SES itself counts {sum(ses.by_day.values()):,} mails in these days."
    if report.total.received_again:
        yield (
            f"Up to {percent(report.again, 1)} of the messages that are only counted (Send, "
            "Delivery and the like) came more than once, so sends may be fewer by as much."
        )


def _how_to_know(report: Report) -> str:
    since = report.others_since
    if since is None or since <= report.since:
        return HOW_TO_KNOW
    return (
        f"Send events are counted since {since:{_MOMENT}}, and none was counted since. Where SES "
        "publishes them to the same topic as bounces, rates begin with the first of them; "
        "ses-worker report --ses asks SES itself, if permitted."
    )


def _about_counts(report: Report) -> Iterator[str]:
    if report.simulated:
        yield (
            f"{report.simulated:,} bounces and complaints of SES's mailbox simulator are left out."
        )
    if report.bounces_since and report.bounces_since > report.since:
        yield (
            f"Bounces and complaints from before {report.bounces_since:%Y-%m-%d %H:%M} UTC are "
            "yet to be counted, which ses-worker run and drain do; they are missing here."
        )
    if report.others_since and report.others_since > report.since:
        yield (
            "Sends, pauses, blocks, and who bounced or complained again, are counted since "
            f"{report.others_since:{_MOMENT}}."
        )
    if report.scanned is not None:
        yield (
            f"For the tag {report.scanned:,} events were read one by one. Mails sent are not "
            "counted by tag, so it has no rates."
        )
