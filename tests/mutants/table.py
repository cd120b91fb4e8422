"""The mutants, in the order of the table of invariants (docs/development/invariants.md).

A mutation is small, and found by its text. When the source changes so that the text is gone, adapt
it here; `tests/docs/test_mutants.py` says which.
"""

from mutants.changing import Mutant

MUTANTS = [
    Mutant(
        invariant="Nothing is deleted before its commit",
        test="acceptance/test_crashes.py::test_whatever_is_deleted_was_committed_before",
        file="worker/consumer/polling.py",
        function="Poller._handle",
        old="handled = self._writer.write(messages)",
        new="[self._queue.delete([one]) for one in messages]; handled = self._writer.write(messages)",
    ),
    Mutant(
        invariant="A delete is sent after the sync of its commit, or after PostgreSQL's confirmation of it",
        test="acceptance/test_faults_storage.py::TestSyncs",
        file="worker/store/sqlite/connection.py",
        function="connect",
        old="PRAGMA synchronous = FULL",
        new="PRAGMA synchronous = NORMAL",
    ),
    Mutant(
        invariant="Any faults in any order: nothing is lost, nothing is done twice",
        test=(
            "acceptance/test_schedules.py::"
            "test_a_random_schedule_loses_nothing_and_does_nothing_twice"
        ),
        file="worker/store/sqlite/__init__.py",
        function="SqliteStore.transaction",
        old='opened.connection.execute("COMMIT")',
        new=(
            'self.n = getattr(self, "n", 0) + 1; '
            'opened.connection.execute("COMMIT" if self.n % 10 else "ROLLBACK")'
        ),
    ),
    Mutant(
        invariant="Any faults in any order: nothing is lost, nothing is done twice",
        test=(
            "acceptance/test_schedules.py::"
            "test_a_random_schedule_loses_nothing_and_does_nothing_twice"
        ),
        file="worker/store/sqlite/transaction.py",
        function="SqliteTransaction.save",
        old="map(feedback_row, unit.changed.values())",
        new="map(feedback_row, list(unit.changed.values())[:9])",
    ),
    Mutant(
        invariant="A worker that breaks these invariants is caught",
        test="acceptance/test_broken.py::test_a_broken_worker_is_caught",
        file="tests/oracles/observer.py",
        function="Observer._deleting",
        old="if fault:",
        new="if False:",
    ),
    Mutant(
        invariant="The same feedback changes the records once",
        test="integration/test_process.py::test_every_payload_once_and_once_more",
        file="worker/core/keys.py",
        function="feedback_keys",
        old="_key(names.feedback_id, notification.kind, recipient)",
        new="_key(names.feedback_id, notification.kind)",
    ),
    Mutant(
        invariant="The same feedback changes the records once",
        test="integration/test_process.py::test_every_payload_once_and_once_more",
        file="worker/core/unit_of_work.py",
        function="UnitOfWork._enter",
        old="if not self._is_new(item):",
        new="if False:",
    ),
    Mutant(
        invariant=(
            "What is only counted is deleted after the commit that counts it, and never counts less "
            "than once"
        ),
        test="acceptance/test_crashes.py::test_what_is_only_counted_never_counts_less_than_once",
        file="worker/core/batch.py",
        function="DecodedBatch.needs_store",
        old="self.feedback or self.account_events or self.has_counted",
        new="self.feedback or self.account_events",
    ),
    Mutant(
        invariant=(
            "What is only counted is deleted after the commit that counts it, and never counts less "
            "than once"
        ),
        test="acceptance/test_crashes.py::test_what_is_only_counted_is_deleted_after_its_commit",
        file="worker/consumer/polling.py",
        function="Poller._handle",
        old="handled = self._writer.write(messages)",
        new="[self._queue.delete([one]) for one in messages]; handled = self._writer.write(messages)",
    ),
    Mutant(
        invariant="Figures are a recount of all events, in any batches",
        test=(
            "integration/test_adding_up.py::"
            "test_figures_are_a_plain_recount_of_all_events_in_any_batches"
        ),
        file="worker/store/sqlite/transaction.py",
        function="SqliteTransaction.save",
        old="self._connection.execute(_COUNT, (written,))",
        new="self._connection.executemany(_COUNT, 2 * [(written,)])",
    ),
    Mutant(
        invariant="Figures are a recount of all events, in any batches",
        test=(
            "integration/test_adding_up.py::"
            "test_figures_are_a_plain_recount_of_all_events_in_any_batches"
        ),
        file="worker/store/adding_up.py",
        function="add_up_some",
        old="if later:",
        new="if False:",
    ),
    Mutant(
        invariant="Figures are added up once, whatever is killed and however many workers do it",
        test=(
            "integration/test_adding_up.py::test_several_workers_add_up_at_once_while_others_count"
        ),
        file="worker/store/adding_up.py",
        function="add_up_some",
        old="require(transaction.is_ours() and transaction.remove_counts(taken))",
        new="transaction.remove_counts(taken)",
    ),
    Mutant(
        invariant="Figures are added up once, whatever is killed and however many workers do it",
        test=(
            "integration/test_adding_up.py::"
            "test_a_kill_at_any_moment_loses_nothing_and_adds_nothing_twice"
        ),
        file="worker/store/adding_up.py",
        function="add_up_some",
        old="""with store.adding_up() as transaction:
            require(""",
        new="""with store.adding_up() as first:
            first.remove_counts(taken)
        with store.adding_up() as transaction:
            require(True or """,
    ),
    Mutant(
        invariant="Figures are added up once, whatever is killed and however many workers do it",
        test=(
            "integration/test_adding_up.py::"
            "test_a_kill_at_any_moment_loses_nothing_and_adds_nothing_twice"
        ),
        file="worker/store/adding_up.py",
        function="add_up_some",
        old="require(transaction.is_ours() and transaction.remove_counts(taken))",
        new="require(transaction.is_ours())",
    ),
    Mutant(
        invariant="An event that arrives by both publishing routes counts once",
        test=(
            "integration/test_process.py::test_the_same_bounce_by_both_publishing_routes_counts_once"
        ),
        file="worker/core/unit_of_work.py",
        function="UnitOfWork._is_new",
        old=" and item.route_key not in self._known_keys",
        new="",
    ),
    Mutant(
        invariant="Two workers on one database count once",
        test="integration/test_process.py::test_the_same_message_to_two_workers_at_once_counts_once",
        file="worker/core/batch.py",
        function="decide_batch",
        old="transaction.known_keys(batch.feedback)",
        new="()",
    ),
    Mutant(
        invariant="Two workers on one database count once",
        test=(
            "integration/test_process.py::test_what_two_workers_learn_of_the_same_user_at_once_counts_twice"
        ),
        file="worker/store/postgresql/transaction.py",
        function="",
        old=" ORDER BY email_key FOR NO KEY UPDATE",
        new=" ORDER BY email_key",
    ),
    Mutant(
        invariant="A batch has the same result as its messages processed singly",
        test="unit/test_unit_of_work.py::test_batches_of_any_size_leave_the_same_database",
        file="worker/core/unit_of_work.py",
        function="UnitOfWork._decide",
        old="self._users[after.email_key] = after",
        new="pass",
    ),
    Mutant(
        invariant="Any text decodes to a value; nothing is raised",
        test="unit/test_decode.py::test_any_text_has_a_meaning_and_nothing_is_raised",
        file="worker/core/decode/__init__.py",
        function="decode",
        old="return error.malformed",
        new="raise",
    ),
    Mutant(
        invariant="What is verified is what is decoded, and a forged message is a dead letter",
        test=(
            "unit/test_signatures.py::TestTheOutermostEnvelopeCounts::"
            "test_sess_own_message_in_the_keys_of_a_right_envelope_is_unsigned"
        ),
        file="worker/signatures/envelopes.py",
        function="outermost",
        old="or _has(envelope.notification_type, envelope.event_type)",
        new="",
    ),
    Mutant(
        invariant="What is verified is what is decoded, and a forged message is a dead letter",
        test="unit/test_signatures.py::TestWhereCertificatesMayBe::test_no_bypass_is_accepted",
        file="worker/signatures/origins.py",
        function="may_serve",
        old="(url.startswith(start) and url.endswith(_AFTER))",
        new="url.endswith(_AFTER)",
    ),
    Mutant(
        invariant="An hour without certificates costs a message one receive",
        test=(
            "acceptance/test_signed_messages.py::"
            "test_without_a_certificate_receiving_pauses_and_no_message_is_received_a_third_time"
        ),
        file="worker/consumer/writing.py",
        function="Writer._begin_outage",
        old="SIGNATURES if isinstance(error, NoCertificate) else STORE",
        new="STORE",
    ),
    Mutant(
        invariant="Senders who invent names of certificates neither stop receiving nor have many fetched",
        test=(
            "unit/test_signatures.py::TestWithoutACertificate::"
            "test_what_anybody_can_name_does_not_pause_receiving"
        ),
        file="worker/signatures/verifying.py",
        function="Verifier._is_ours",
        old="return is_near or envelope.topic in acceptance.topics",
        new="return True",
    ),
    Mutant(
        invariant="Senders who invent names of certificates neither stop receiving nor have many fetched",
        test=(
            "integration/test_certificates.py::TestKeeping::"
            "test_names_that_sns_does_not_have_cost_a_few_fetches_a_minute"
        ),
        file="worker/signatures/certificates.py",
        function="Certificates._require_asking",
        old="if self._asks_too_often(asking.sender, now):",
        new="if False:",
    ),
    Mutant(
        invariant="Senders who invent names of certificates neither stop receiving nor have many fetched",
        test=(
            "integration/test_certificates.py::TestKeeping::"
            "test_a_host_that_failed_rests_and_its_messages_do_not_wait"
        ),
        file="worker/signatures/certificates.py",
        function="Certificates._fetched",
        old="if rest and now < rest.until:",
        new="if False:",
    ),
    Mutant(
        invariant=(
            "A dead letter is deleted after it was confirmed to be elsewhere, whatever part of a "
            "call fails"
        ),
        test=(
            "acceptance/test_dead_letters_together.py::"
            "test_what_a_call_does_not_confirm_is_sent_by_itself"
        ),
        file="worker/sqs/queue/__init__.py",
        function="Queue.send_dead_letters",
        old="if str(number) in done",
        new="if done",
    ),
    Mutant(
        invariant=(
            "A dead letter is deleted after it was confirmed to be elsewhere, whatever part of a "
            "call fails"
        ),
        test=(
            "integration/test_dead_letter_queue_calls.py::"
            "test_a_dead_letter_is_there_if_sqs_gives_it_an_id_and_does_not_call_it_failed"
        ),
        file="worker/sqs/queue/__init__.py",
        function="Queue.send_dead_letters",
        old='if entry.get("MessageId")',
        new="if entry",
    ),
    Mutant(
        invariant="A subscription of another endpoint does not stay confirmed, and a subscription that was there before stays",
        test=(
            "acceptance/test_subscription.py::"
            "test_a_subscription_of_another_endpoint_that_was_there_before_is_left"
        ),
        file="worker/commands/subscription.py",
        function="_require_endpoint",
        old="if arn in before:",
        new="if arn in ():",
    ),
    Mutant(
        invariant="A subscription of another endpoint does not stay confirmed, and a subscription that was there before stays",
        test=(
            "acceptance/test_subscription.py::"
            "test_what_turns_out_to_be_another_endpoints_subscription_is_ended_again"
        ),
        file="worker/commands/subscription.py",
        function="_require_endpoint",
        old="if _is_queue(endpoint, queue):",
        new="if endpoint:",
    ),
    Mutant(
        invariant="A user's record does not depend on the order or the batches of its events",
        test="unit/test_order_of_events.py::test_any_order_in_any_batches_gives_the_same_record",
        file="worker/core/decide.py",
        function="_bounced",
        old="elif occurred_at < before:",
        new="elif False:",
    ),
    Mutant(
        invariant="A user's record does not depend on the order or the batches of its events",
        test=(
            "unit/test_policies_with_a_past.py::"
            "test_any_order_in_any_batches_with_any_redelivery_gives_the_same_record"
        ),
        file="worker/core/decide.py",
        function="_paused_by",
        old="if pause == before or (now.ends_after(before) and now.ends_after(pause)):",
        new="if now.ends_after(pause):",
    ),
    Mutant(
        invariant=(
            "After a purge what comes again is a duplicate, and nobody's record or answer changes"
        ),
        test=(
            "integration/test_purging.py::"
            "test_after_a_purge_whatever_arrives_again_is_a_duplicate_and_nobody_s_answer_changes"
        ),
        file="worker/store/purging/writing.py",
        function="write",
        old="_begin_anew(connection, planned.first)",
        new="",
    ),
    Mutant(
        invariant="A purge that is killed leaves each event, or both its keys",
        test=(
            "integration/test_purging.py::"
            "test_a_kill_at_any_moment_leaves_each_event_or_both_its_keys"
        ),
        file="worker/store/purging/writing.py",
        function="write",
        old="keep_keys(connection, planned.keys)",
        new="keep_keys(connection, planned.keys[1:])",
    ),
    Mutant(
        invariant="A fold over the events on record gives the record that live processing gave",
        test=(
            "integration/test_folding.py::"
            "test_a_fold_equals_live_processing_whatever_came_and_in_whatever_order"
        ),
        file="worker/core/folding.py",
        function="Fold.add",
        old="self.user = lifted(self.user, event.occurred_at)",
        new="pass",
    ),
    Mutant(
        invariant="A second policy decides as if it were in force, and changes nothing of the users",
        test=(
            "integration/test_shadow.py::"
            "test_it_decides_as_if_it_were_in_force_and_changes_nothing_of_the_users"
        ),
        file="worker/core/shadow.py",
        function="Shadow._record",
        old="self._records.get(key) or before.get(key)",
        new="before.get(key) or self._records.get(key)",
    ),
    Mutant(
        invariant="A second policy decides as if it were in force, and changes nothing of the users",
        test=(
            "integration/test_shadow.py::"
            "test_it_decides_as_if_it_were_in_force_and_changes_nothing_of_the_users"
        ),
        file="worker/core/batch.py",
        function="decide_batch",
        old="unit.shadowed = _followed(shadow, unit, {**unit.on_record, **users})",
        new="unit.changed = dict(_followed(shadow, unit, {**unit.on_record, **users}))",
    ),
    Mutant(
        invariant=(
            "The view `do_not_mail` decides about an address that is no user as the rules decide "
            "about a user"
        ),
        test=(
            "integration/test_do_not_mail.py::"
            "test_events_of_an_address_that_is_no_user_bar_it_as_they_would_bar_a_user"
        ),
        file="worker/store/migrations/versions/0012_policies.py",
        function="",
        old="WHEN kind = 'complaint' THEN 'auto_block_spam'",
        new="WHEN kind = 'complaint' THEN 'no_action'",
    ),
    Mutant(
        invariant="Dates of complaints, and of bounces from mailboxes, never move backwards",
        test=(
            "unit/test_decide.py::TestTimes::"
            "test_the_date_of_a_bounce_from_a_mailbox_never_moves_backwards"
        ),
        file="worker/core/decide.py",
        function="_is_kept",
        old="if refused else occurred_at > before",
        new="if refused else True",
    ),
    Mutant(
        invariant="A pause ends although SES goes on refusing",
        test="unit/test_decide.py::TestRefusalsBySes::test_a_pause_ends_although_refusals_go_on",
        file="worker/core/decide.py",
        function="_is_kept",
        old="return before_refused",
        new="return True",
    ),
    Mutant(
        invariant="The visibility of messages in flight is extended; an expired receipt handle is never used",
        test=(
            "acceptance/test_visibility.py::"
            "test_a_suspended_worker_settles_nothing_with_its_old_handle"
        ),
        file="worker/consumer/leases.py",
        function="Leases.lasts",
        old="self.until(message) > clock.now()",
        new="True",
    ),
    Mutant(
        invariant="The visibility of messages in flight is extended; an expired receipt handle is never used",
        test="acceptance/test_visibility.py::test_a_message_that_waits_for_the_store_stays_ours",
        file="worker/consumer/leases.py",
        function="Leases.extend",
        old="self._extend(some)",
        new="pass",
    ),
    Mutant(
        invariant="No body takes longer than ten times the parsing of its JSON",
        test="unit/test_time_of_a_body.py::test_no_field_costs_more_whatever_it_is_full_of",
        file="worker/core/parsing.py",
        function="parse_time",
        old="or len(value) > LONGEST_TIME",
        new='or re.search(r"\\s+Z", value)',
    ),
    Mutant(
        invariant="A bad message harms no other",
        test="integration/test_process.py::test_only_the_guilty_message_of_a_large_batch_suffers",
        file="worker/process/bisection.py",
        function="_Bisection._commit_halves",
        old="half = len(batch) // 2",
        new="return [_broken(one, error) for one in batch]",
    ),
    Mutant(
        invariant="Our SQS client and boto3 behave alike",
        test="contract/test_sqs_clients.py::test_both_clients_report_the_same_refusal",
        file="worker/sqs/client/answers.py",
        function="_code_and_text",
        old="older[0] if len(older) == 2 and older[0] else code",
        new="code",
    ),
    Mutant(
        invariant="Our signatures equal botocore's",
        test="unit/test_sqs_signing.py::test_a_signature_is_botocores",
        file="worker/sqs/client/signing.py",
        function="Signer.authorization",
        old="hashlib.sha256(body)",
        new="hashlib.sha256(body[:1])",
    ),
    Mutant(
        invariant="TLS certificates are always verified",
        test="contract/test_sqs_trust.py::TestTrust",
        file="worker/sqs/client/tls.py",
        function="_make_context",
        old="context.load_verify_locations(cafile=bundle)",
        new="context.load_verify_locations(cafile=bundle); context.check_hostname = False",
    ),
    Mutant(
        invariant="A body that does not match its digest is left on the queue",
        test="contract/test_sqs_clients.py::TestBodies",
        file="worker/sqs/client/digests.py",
        function="is_whole",
        old="return not digest or bool(digest == found)",
        new="return True",
    ),
    Mutant(
        invariant="No secret is shown by `config show`",
        test="unit/test_origins.py::test_no_password_in_a_url_is_shown",
        file="worker/settings/origins.py",
        function="_without_value",
        old='"password" in unquote(parameter).lower()',
        new='"password" in parameter',
    ),
    Mutant(
        invariant="No secret is shown by `config show`",
        test="unit/test_origins.py::test_no_password_in_a_url_is_shown",
        file="worker/settings/origins.py",
        function="without_passwords",
        old='if "/" in before or "?" in before:',
        new='if "@" in scheme:',
    ),
    Mutant(
        invariant="No log line has a whole address",
        test="unit/test_masking.py::test_no_address_survives_wherever_it_stands",
        file="worker/core/masking.py",
        function="mask_addresses",
        old="shown += [text[end:start], MASK, sign[0]]",
        new="shown += [text[end : sign.end()]]",
    ),
    Mutant(
        invariant="No log line has a whole address",
        test="unit/test_masking.py::test_whole_addresses_are_masked",
        file="worker/core/masking.py",
        function="mask_addresses",
        old="if not _may_have_addresses(text):",
        new='if "@" not in text:',
    ),
    Mutant(
        invariant="A replay that is killed loses no dead letter and applies none twice",
        test="acceptance/test_dead_letters_killed.py::TestKills",
        file="worker/commands/dlq/replaying.py",
        function="_Work._apply_them",
        old="""verdicts = self._apply(dead_letters)
        place.remove([verdict.dead_letter for verdict in verdicts if verdict.outcome in _DONE])""",
        new="place.remove(dead_letters); verdicts = self._apply(dead_letters)",
    ),
    Mutant(
        invariant="A dead letter is deleted after it was accepted or applied",
        test=(
            "integration/test_replays.py::"
            "TestSendingBack::test_nothing_is_deleted_before_it_was_accepted"
        ),
        file="worker/commands/dlq/sending.py",
        function="Send.__call__",
        old="unsent = {dead_letter.message_id for dead_letter in self._send(batch)}",
        new="yield batch; self._send(batch); unsent = {one.message_id for one in batch}",
    ),
    Mutant(
        invariant="A dry run prints what the replay then does",
        test=(
            "integration/test_replays.py::"
            "TestDryRuns::test_it_says_what_a_replay_then_does_and_changes_nothing"
        ),
        file="worker/commands/dlq/applying.py",
        function="_WithChanges.known_keys",
        old="{*self._transaction.known_keys(feedback), *self._keys}",
        new="{*self._transaction.known_keys(feedback)}",
    ),
    Mutant(
        invariant="A kill loses no notice and repeats at most a single notice",
        test=(
            "acceptance/test_effects.py::"
            "TestKills::test_a_kill_loses_no_notice_and_repeats_at_most_a_single_notice"
        ),
        file="worker/relay/lane.py",
        function="LaneWorker._run_once",
        old="delivery, follow_ups = self._deliver(claim.effects)",
        new="self._outbox.delivered(claim); delivery, follow_ups = self._deliver(claim.effects)",
    ),
    Mutant(
        invariant="A removal that was interrupted by a kill is reported truthfully",
        test=(
            "acceptance/test_effects.py::"
            "TestKills::test_a_kill_during_a_removal_is_reported_truthfully_afterwards"
        ),
        file="worker/ses/suppression/remover.py",
        function="Remover._remove",
        old="before = self._removal_log.begun(effect.id, removal.key)",
        new="before = None",
    ),
    Mutant(
        invariant="Two workers share the outbox",
        test=(
            "acceptance/test_sharing.py::"
            "test_two_share_a_thousand_effects_and_a_worker_is_killed_with_a_lease"
        ),
        file="worker/store/claims.py",
        function="_lease",
        old='"claim": token, "due_at": lease_until}',
        new='"claim": token}',
    ),
    Mutant(
        invariant="Two workers share the outbox",
        test="integration/test_outbox.py::test_a_claimed_effect_is_nobody_elses_until_the_lease_ends",
        file="worker/store/claims.py",
        function="_lease",
        old="lease_until = now + timedelta(seconds=rate_limit.lease_seconds)",
        new="lease_until = now",
    ),
    Mutant(
        invariant="A flood of events about one address loses its texts, and nothing that decides",
        test="integration/test_floods.py::test_nothing_that_decides_is_lost",
        file="worker/core/floods.py",
        function="Floods.thin",
        old="thinned.append(decision if is_kept else _without_texts(decision))",
        new="thinned += [decision] if is_kept else []",
    ),
    Mutant(
        invariant="No command prints a control character, or a character that turns the direction",
        test=("acceptance/test_untrusted_texts.py::test_no_command_prints_what_has_an_effect"),
        file="worker/cli/screen.py",
        function="_sanitized",
        old="return text if text.isprintable() else",
        new="return text if True else",
    ),
    Mutant(
        invariant="No cell of a file is a formula, and import reads it back equal",
        test=("unit/test_csv_export.py::test_no_cell_is_a_formula_however_the_file_is_split"),
        file="worker/commands/csv_export.py",
        function="",
        old="([;",
        new="([",
    ),
    Mutant(
        invariant="No cell of a file is a formula, and import reads it back equal",
        test="unit/test_csv_export.py::test_what_is_guarded_is_read_back_equal",
        file="worker/commands/csv_export.py",
        function="without_guard",
        old="found[2][1:]",
        new="found[2][2:]",
    ),
    Mutant(
        invariant="A notice is within Slack's limits and has no markup of untrusted senders",
        test=(
            "unit/test_slack_notices.py::TestAnything::"
            "test_whatever_was_reported_the_message_is_within_every_limit_and_holds_no_markup"
        ),
        file="worker/notifiers/slack/text.py",
        function="escape",
        old='.replace("<", "&lt;")',
        new="",
    ),
    Mutant(
        invariant=(
            "A notice that SES stopped sending goes before all others, and never in a digest"
        ),
        test="integration/test_urgent_notices.py::test_none_is_ever_folded_into_a_digest",
        file="worker/store/claims.py",
        function="_due_rows",
        old="return due.where(outbox.c.kind.not_in(_URGENT))",
        new="return due",
    ),
    Mutant(
        invariant="Of what SES reports about sending the newest counts, whatever the order",
        test=("integration/test_verifying.py::test_an_older_status_is_history_whatever_came_first"),
        file="worker/store/account_events.py",
        function="AccountEvents.newer",
        old="rows.occurred_at.desc(), rows.status",
        new="rows.id.desc()",
    ),
    Mutant(
        invariant="The counts of a digest add up",
        test=(
            "unit/test_slack_digest.py::"
            "test_whatever_it_is_made_of_it_is_within_every_limit_and_adds_up"
        ),
        file="worker/notifiers/slack/digest.py",
        function="_section",
        old="rest = groups[shown:]",
        new="rest = groups[shown + 1 :]",
    ),
    Mutant(
        invariant="`check` names the fault of a broken path, and no other",
        test="acceptance/test_check.py::TestSixBrokenPaths",
        file="worker/topology/checks/subscriptions.py",
        function="judge_subscriptions",
        old="return [SUBSCRIPTION.wrong(message, subscribe(queue.arn, topic))]",
        new="return []",
    ),
    Mutant(
        invariant="The calls made to AWS are those that the IAM policies allow",
        test="acceptance/test_iam.py::test_what_the_worker_asks_for_is_what_iam_run_allows",
        file="config/iam-run.json",
        function="",
        old='"ses:GetSuppressedDestination",',
        new="",
    ),
    Mutant(
        invariant="A dry run of `provision` prints what a run then does",
        test=(
            "acceptance/test_provision.py::"
            "test_a_dry_run_says_exactly_what_a_run_then_does_and_changes_nothing"
        ),
        file="worker/cli/provisioned.py",
        function="Run.take",
        old="if self.dry_run:",
        new='if self.dry_run and step.operation != "create_topic":',
    ),
    Mutant(
        invariant="The CloudFormation stack and `provision` create the same",
        test="docs/test_cloudformation.py::test_the_queues_are_the_same",
        file="worker/topology/plan/desired.py",
        function="",
        old="VISIBILITY_SECONDS, WAIT_SECONDS = 60, 20",
        new="VISIBILITY_SECONDS, WAIT_SECONDS = 60, 10",
    ),
    Mutant(
        invariant="A SQLite file has one writer at a time",
        test="integration/test_sqlite.py::test_a_single_process_writes_at_a_time",
        file="worker/store/locks.py",
        function="WriterLock._wait",
        old="fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        new="pass",
    ),
    Mutant(
        invariant=(
            "When a file of the database is removed or replaced, nothing is lost, "
            "or the loss is reported"
        ),
        test="integration/test_files_removed.py::test_between_two_commits_it_costs_none",
        file="worker/store/sqlite/writing.py",
        function="WritingConnection._check_files",
        old="elif gone := opened.misplaced():",
        new="elif gone := ():",
    ),
    Mutant(
        invariant="A commit into a replaced file does not count",
        test=(
            "integration/test_sqlite.py::"
            "test_a_commit_into_a_file_that_was_replaced_meanwhile_does_not_count"
        ),
        file="worker/store/sqlite/__init__.py",
        function="SqliteStore.transaction",
        old="opened.look_where_it_went()",
        new="pass",
    ),
    Mutant(
        invariant="An outage costs a message a single receive",
        test="acceptance/test_problems.py::TestAStoreThatTakesNothing",
        file="worker/consumer/writing.py",
        function="Writer._begin_outage",
        old="self._autoscaler.halt(what)",
        new="Outage(error, 0); self._release(self._waiting); return",
    ),
    Mutant(
        invariant="Nothing is received while deletes are refused",
        test="acceptance/test_problems.py::TestWhatSqsRefuses",
        file="worker/consumer/settling.py",
        function="Settler._delete",
        old="self._refusal.wait_out(why, ours, self._queue, self._pulse)",
        new='self._refusal.log_once("delete", why)',
    ),
    Mutant(
        invariant="Each alert is silent, fires, and is silent again, on a real daemon's metrics",
        test="acceptance/test_alerts.py::test_far_sides_that_fail",
        file="config/prometheus-alerts.yml",
        function="",
        old="ses_worker_ready == 0",
        new="ses_worker_ready == 2",
    ),
    Mutant(
        invariant="Each alert is silent, fires, and is silent again, on a real daemon's metrics",
        test="acceptance/test_alerts.py::test_every_alert_has_its_test",
        file="config/prometheus-alerts.yml",
        function="",
        old="- alert: SesWorkerNotReady",
        new="- alert: SesWorkerUntested",
    ),
    Mutant(
        invariant="An untrusted HTTP request neither hangs nor ends the worker",
        test="integration/test_http.py::TestUntrustedClients",
        file="worker/observability/http/server.py",
        function="_close_old",
        old="channel.handle_close()",
        new="pass",
    ),
    Mutant(
        invariant="systemd does not give up a start that waits for the database",
        test=(
            "service/test_service.py::TestBeingReady::"
            "test_an_unreachable_database_is_waited_for_beyond_the_start_timeout"
        ),
        file="worker/service/watchdog.py",
        function="Watchdog.look",
        old="self._systemd.extend_timeout(EXTENSION_SECONDS)",
        new="pass",
    ),
    Mutant(
        invariant="An answer that arrives byte by byte delays nothing else",
        test=(
            "acceptance/test_slow_answers.py::"
            "test_a_slack_that_drips_delays_notices_and_nothing_else"
        ),
        file="worker/timing/deadlines/__init__.py",
        function="Limits.at_most",
        old="if self.end == math.inf:",
        new="if True:",
    ),
    Mutant(
        invariant="A pulse is longer than the step that it covers",
        test=(
            "unit/test_pulses.py::"
            "test_a_poller_s_step_is_longer_than_a_call_and_than_waiting_for_leases"
        ),
        file="worker/consumer/polling.py",
        function="",
        old="CALL_SECONDS = max(queue.CALL_SECONDS + WAIT_SECONDS, EXTENDING_SECONDS) + 10.0",
        new="CALL_SECONDS = 40.0",
    ),
    Mutant(
        invariant="A stop ends in time, whatever hangs",
        test="acceptance/test_stopping.py::TestWhatHangs",
        file="worker/service/shutdown.py",
        function="leave_in_time",
        old="os._exit(FAILED)",
        new="pass",
    ),
    Mutant(
        invariant="The worker never waits for the reader of its log",
        test="acceptance/test_stopping.py::TestALogThatNobodyReads",
        file="worker/commands/run.py",
        function="run",
        old="        OUT.beside(),\n",
        new="",
    ),
    Mutant(
        invariant="A loop that hangs ends the process; nothing is lost",
        test=(
            "service/test_service.py::TestBeingKilled::"
            "test_a_loop_that_hangs_is_ended_by_the_watchdog_and_nothing_is_lost"
        ),
        file="worker/service/watchdog.py",
        function="Watchdog.look",
        old="if interval and now >= self._beat_at and not self._health.late:",
        new="if interval and now >= self._beat_at:",
    ),
    Mutant(
        invariant="A reload changes settings between messages and loses none",
        test="service/test_service.py::TestReloading::test_settings_change_while_messages_flow",
        file="worker/app/reload.py",
        function="reload",
        old="current.settings, current.policy, current.log_key = after, policy, after.log_key",
        new="current.settings = after",
    ),
    Mutant(
        invariant="A read-only account can always read a SQLite database",
        test=(
            "service/test_service.py::TestReaders::"
            "test_a_reader_of_another_account_reads_while_it_works_and_when_it_does_not"
        ),
        file="worker/store/sqlite/shared.py",
        function="Shared.keep",
        old="if guard and self._guard is None:",
        new="if False:",
    ),
    Mutant(
        invariant="A locked row delays its own message and no other",
        test=(
            "integration/test_locked_rows.py::test_only_the_message_of_a_user_who_is_locked_waits"
        ),
        file="worker/store/postgresql/transaction.py",
        function="",
        old='_FREE_USERS = f"{_USERS} SKIP LOCKED"',
        new="_FREE_USERS = _USERS",
    ),
    Mutant(
        invariant="Users are locked in a fixed order",
        test="integration/test_postgresql.py::test_users_are_locked_in_the_order_of_their_keys",
        file="worker/store/postgresql/transaction.py",
        function="",
        old=" ORDER BY email_key FOR NO KEY UPDATE",
        new=" ORDER BY email_key DESC FOR NO KEY UPDATE",
    ),
    Mutant(
        invariant=(
            "Whoever a text names is found by `users forget` and by a data request, in whatever "
            "spelling"
        ),
        test=(
            "integration/test_mentions.py::test_the_search_finds_every_spelling_that_the_core_knows"
        ),
        file="worker/core/naming.py",
        function="signs_of",
        old="return [*_ESCAPES, *sorted(plain)]",
        new="return sorted(plain)",
    ),
    Mutant(
        invariant="Nobody waits while it is worked out how a person is taken out of a row",
        test="integration/test_mentions.py::TestOthersWaitOnlyForTheWriting",
        file="worker/store/traces.py",
        function="Search._change",
        old="if found.changes is None:",
        new="if self.redact(found.row, self.keys) is None:",
    ),
]
