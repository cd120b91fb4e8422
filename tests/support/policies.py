"""Random policies, and random events of few people, for tests that fold events."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from support import mail
from worker.core.model import Action
from worker.core.policy import REFUSED_BY_SES, SPAREABLE, Policy

DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)
JANE, JOE = "jane@example.com", "joe@example.com"

_SUBTYPES = ("General", "MailboxFull", "NoEmail", "SUPPRESSED", *sorted(REFUSED_BY_SES))
_DIAGNOSTICS = (
    "550 no such user",
    "blocked by SpamHaus",
    "550 5.7.1 blocked using zen.spamhaus.org",
    "550 5.7.1 message content rejected as spam",
    "552 5.2.2 mailbox full",
    None,
)
_pauses = st.sampled_from([timedelta(0), DAY, 1.5 * DAY, 30 * DAY, 60 * DAY, 4 * 10**6 * DAY])
_names = st.sampled_from(
    ["Permanent/General", "Transient/General", "PERMANENT/suppressed", "Transient/*"]
)
policies = st.builds(
    Policy,
    hard_bounce_pause=_pauses,
    soft_bounce_pause=_pauses,
    bounce_actions=st.dictionaries(_names, st.sampled_from(Action), max_size=2),
    spare_faults=st.frozensets(st.sampled_from(SPAREABLE)),
    soft_bounces_to_pause=st.sampled_from([1, 1, 2, 3]),
    soft_bounce_window=st.sampled_from([2 * DAY, 30 * DAY]),
    repeat_pause=st.sampled_from([timedelta(0), timedelta(0), 90 * DAY]),
    ignore_out_of_office=st.booleans(),
    trust_status=st.booleans(),
    complaint_block=st.sampled_from([timedelta(0), timedelta(0), 20 * DAY]),
)


@st.composite
def bodies(draw, people=((JANE,), (JANE,), (JOE,), (JANE, JOE))):
    """A bounce or a complaint, near now, in whole hours so that times often are the same."""
    at = (NOW - draw(st.integers(-48, 24 * 70)) * timedelta(hours=1)).isoformat()
    at = draw(st.sampled_from([at] * 9 + ["never"]))
    who = draw(st.sampled_from(people))
    subtype = draw(st.sampled_from(_SUBTYPES))
    if draw(st.integers(0, 3)) == 0:
        feedback = draw(st.sampled_from(["abuse", "not-spam", None]))
        return mail.complaint(
            *who, feedback=feedback, subtype=draw(st.sampled_from([None, subtype])), at=at
        )
    diagnostic = draw(st.sampled_from(_DIAGNOSTICS))
    status = draw(st.sampled_from(["5.1.1", "4.2.2", "5.7.1", ""]))
    entries = [mail.recipient(each, diagnosticCode=diagnostic, status=status) for each in who]
    type_ = draw(
        st.sampled_from(["Permanent", "Permanent", "Transient", "Transient", "Undetermined"])
    )
    return mail.bounce(*entries, type=type_, subtype=subtype, at=at)


received_at = st.integers(-3, 60).map(lambda days: NOW - days * DAY)
