"""The values of a report, however it is shown."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum

from msgspec import Struct

from worker.core.reporting.lines import BOUNCES, COMPLAINTS, Judgement, judge
from worker.core.reporting.sends import FromSes, Sends, sent
from worker.core.reporting.sums import Sums


class By(StrEnum):
    """What the table of a report is by; and the tags of mails, by name."""

    DAY = "day"
    TYPE = "type"
    DOMAIN = "domain"
    PROVIDER = "provider"
    CONFIGURATION_SET = "configuration-set"
    TENANT = "tenant"
    FAULT = "fault"


TAG = "tag:"
"""Begins `tag:NAME`."""


class Row(Struct, frozen=True, kw_only=True):
    """A line of the table."""

    value: str
    sums: Sums
    bounces: Judgement
    complaints: Judgement


class Spender(Struct, frozen=True, kw_only=True):
    """Who causes bounces and complaints that AWS counts."""

    value: str
    bounces: int
    complaints: int
    share: float
    """Of these bounces."""


class Reason(Struct, frozen=True, kw_only=True):
    """Why mail bounced, or what a complaint was."""

    kind: str
    """`bounce` or `complaint`."""
    name: str
    """SES's type and sub-type, or an enhanced status code."""
    meaning: str
    """In words; empty: not known."""
    count: int
    share: float
    """Of all bounces, or of all complaints."""


class Decision(Struct, frozen=True, kw_only=True):
    """An event that paused or blocked somebody."""

    at: datetime
    address: str
    blocked: bool
    name: str
    """SES's type and sub-type."""
    meaning: str
    status: str


class Report(Struct, frozen=True, kw_only=True):
    """What happened within some days."""

    made_at: datetime
    since: datetime
    days: Sequence[date]
    """All days, the last of which is not over."""
    by: str
    total: Sums
    by_day: Mapping[date, Sums]
    sends: Sends
    sends_by_day: Mapping[date, int]
    rows: Sequence[Row]
    reasons: Sequence[Reason]
    statuses: Sequence[Reason]
    spenders: Mapping[By, Sequence[Spender]]
    newest: Sequence[Decision]
    simulated: int = 0
    """Bounces and complaints of SES's mailbox simulator, which nothing else here counts."""
    ses: FromSes | None = None
    """What SES reported about sends, if it was called."""
    bounces_since: datetime | None = None
    """Since when bounces and complaints are counted; None: all on record are."""
    others_since: datetime | None = None
    """Since when everything else is counted; None: since the beginning."""
    scanned: int | None = None
    """Events that were looked at one by one, for a tag."""

    @property
    def bounces(self) -> Judgement:
        """The rate of bounces."""
        return judge(BOUNCES, self.sends.sums.counted_bounces, self.sends.count)

    @property
    def complaints(self) -> Judgement:
        """The rate of complaints."""
        return judge(COMPLAINTS, self.sends.sums.complaint, self.sends.count)

    @property
    def outcomes_unknown_before(self) -> datetime | None:
        """Since when it is known who bounced or complained again, or was paused or blocked.

        None: in all of the report.
        """
        since = self.others_since
        return since if since and since > self.since else None

    def knows_outcomes_of(self, day: date) -> bool:
        """Whether it is known of a whole day who bounced again, or was paused or blocked."""
        since = self.others_since
        return since is None or datetime.combine(day, datetime.min.time(), UTC) >= since

    @property
    def rates_since(self) -> date | None:
        """The first day that mails and rates are about, where earlier days are in the report."""
        since = self.sends.since
        return since if since and since > self.days[0] else None

    @property
    def again(self) -> float:
        """The share of receives above the first among messages that are only counted."""
        counted = self.total.send + self.total.delivery
        return min(1.0, self.total.received_again / counted) if counted else 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted."""
        return self.total.is_empty


def row_of(value: str, sums: Sums, rated: Sums | None, sends: Sends) -> Row:
    """Make a line of the table. `rated`: its counts in the days with known sends, if known."""
    mails = sent(rated, sends.source) if rated else None
    counted = rated or sums
    return Row(
        value=value,
        sums=sums,
        bounces=judge(BOUNCES, counted.counted_bounces, mails),
        complaints=judge(COMPLAINTS, counted.complaint, mails),
    )
