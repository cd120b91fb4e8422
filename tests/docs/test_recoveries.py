"""Whatever the log says has broken down, it also says when it works again."""

import pytest
from reference_pages.log_events import ROOT, events

EVENTS = events(ROOT / "worker")
RECOVERIES = {
    "account.recommendation_opened": "account.recommendation_resolved",
    "account.sending_disabled": "account.sending_enabled",
    "certificate.unavailable": "certificate.available",
    "clock.skewed": "clock.corrected",
    "dead_letter.refused": "dead_letter.accepted",
    "disk.low": "disk.available",
    "effect.postponed": "effect.delivered",
    "figures.delayed": "figures.resumed",
    "health_file.failed": "health_file.written",
    "http.failed": "http.listening",
    "http.unavailable": "http.listening",
    "lane.blocked": "lane.unblocked",
    "measure.failed": "measure.succeeded",
    "message.visibility_not_extended": "message.visibility_extended",
    "outbox.unavailable": "outbox.available",
    "purge.delayed": "purge.resumed",
    "queue.call_denied": "queue.call_allowed",
    "queue.unavailable": "queue.available",
    "schema.locked": "schema.upgraded",
    "settings.failed": "settings.reloaded",
    "settings.refused": "settings.reloaded",
    "signatures.unavailable": "signatures.available",
    "store.unavailable": "store.available",
}
NOTHING_TO_RECOVER = {
    "bounces.own_faults": "counted by ses_worker_bounces_by_fault_total; it ends when they do",
    "certificate.not_asked": "it ends when such messages do",
    "command.failed": "the command has ended",
    "consumer.abandoned": "the process ends",
    "dead_letter_queue.missing": "logged at the start; `check` shows what is so now",
    "dead_letter_queue.unknown": "logged at the start; it is found when it is needed",
    "dead_letters.hidden": "the command ends; it names the seconds until they are visible",
    "dead_letters.not_deleted": "the command ends; it counts them",
    "effect.failed": "parked; effect.delivered after a retry by the operator",
    "effect.parked": "effect.delivered after a retry by the operator",
    "events.flooded": "it ends with the hour",
    "figures.unreadable": "left out",
    "library.message": "a library's",
    "log.lost": "logged when the log can be written again",
    "message.corrupted": "the message is delivered again",
    "message.dead_lettered": "an outcome",
    "message.deferred": "an outcome",
    "message.entries_failed": "the messages are delivered again",
    "message.entry_failed": "the message is delivered again",
    "message.failed": "an outcome follows",
    "message.ignored": "an outcome",
    "message.visibility_expired": "the messages are delivered again",
    "notice.lost": "lost",
    "outbox.no_sender": "logged at the start and at a reload",
    "policy.not_kept": "it is tried again",
    "policy.shortened": "no fault",
    "purge.announced": "no fault",
    "redrive_policy.misconfigured": "logged at the start; `check` shows what is so now",
    "region.mismatched": "logged at the start",
    "relay.abandoned": "the process ends",
    "settings.doubtful": "logged at the start and at a reload",
    "settings.restart_required": "the start says what is in force",
    "signatures.not_verified": "logged at the start",
    "sqs_client.replaced": "until a restart",
    "store.commits_lost": "the process ends",
    "store.files_replaced": "store.available follows where it was an outage",
    "store.lock_of_another": "until a restart",
    "store.made": "no fault",
    "store.slow": "logged for a single transaction",
    "thread.died": "the process ends",
    "thread.stalled": "systemd ends the process, or the loop goes on",
    "users.locked": "the messages are delivered again",
    "users.none": "the status says so until there are users",
    "worker.hangs": "the process ends",
}


def test_every_warning_and_error_has_a_recovery_or_a_reason_for_none():
    loud = {name for name, event in EVENTS.items() if event.levels - {"debug", "info"}}
    known = RECOVERIES.keys() | NOTHING_TO_RECOVER.keys() | {"library.message"}
    assert sorted(loud - known) == []
    assert sorted(known - EVENTS.keys() - {"library.message"}) == [], "no such event"


@pytest.mark.parametrize("recovery", sorted(set(RECOVERIES.values())))
def test_every_recovery_is_logged_as_information(recovery):
    assert "info" in EVENTS[recovery].levels
