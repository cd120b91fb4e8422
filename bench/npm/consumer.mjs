// A peer: bbc/sqs-consumer with batches, on the AWS SDK for JavaScript and Node's own SQLite.
// Does what bench/yardstick.py does.   node consumer.mjs QUEUE_URL DATABASE MESSAGES
import { DatabaseSync } from 'node:sqlite';
import { SQSClient } from '@aws-sdk/client-sqs';
import { Consumer } from 'sqs-consumer';

const [queueUrl, path, messages] = process.argv.slice(2);

const database = new DatabaseSync(path);
database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
const addEvent = database.prepare(`
  INSERT INTO events (
    dedupe_key, kind, subtype, email, feedback_id, ses_message_id, occurred_at, sqs_message_id, raw
  ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (dedupe_key) DO NOTHING`);
const bounced = database.prepare(`
  UPDATE users SET bounces = bounces + 1, updated_at = ?,
    status = CASE WHEN ? = 'Permanent' THEN 'suppressed' ELSE status END
  WHERE email = ?`);
const complained = database.prepare(`
  UPDATE users SET complaints = complaints + 1, updated_at = ?, status = 'suppressed'
  WHERE email = ?`);
const begin = database.prepare('BEGIN IMMEDIATE');
const commit = database.prepare('COMMIT');

function rows(message) {
  const text = JSON.parse(message.Body).Message;
  const said = JSON.parse(text);
  const kind = said.eventType;
  const report = kind === 'Bounce' ? said.bounce : said.complaint;
  const subtype = kind === 'Bounce' ? report.bounceType : report.complaintFeedbackType;
  const recipients = kind === 'Bounce' ? report.bouncedRecipients : report.complainedRecipients;
  return recipients.map(({ emailAddress }) => {
    const email = emailAddress.toLowerCase();
    return [
      `${report.feedbackId}|${email}`, kind, subtype, email, report.feedbackId,
      said.mail.messageId, report.timestamp, message.MessageId, text,
    ];
  });
}

function apply(received) {
  const all = received.flatMap(rows);
  begin.run();
  for (const row of all) {
    const [, kind, subtype, email, , , occurredAt] = row;
    if (!addEvent.run(...row).changes) continue;
    if (kind === 'Bounce') bounced.run(occurredAt, subtype, email);
    else complained.run(occurredAt, email);
  }
  commit.run();
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

let left = Number(messages);
const consumer = Consumer.create({
  queueUrl,
  sqs: new SQSClient({}),
  batchSize: 10,
  waitTimeSeconds: 1,
  messageSystemAttributeNames: ['ApproximateReceiveCount'],
  handleMessageBatch: async received => {
    apply(received);
    return received;
  },
});
consumer.on('error', fail);
consumer.on('processing_error', fail);
consumer.on('message_processed', () => {
  left -= 1;
  if (left) return;
  const { user, system } = process.cpuUsage(before);
  console.log(JSON.stringify({ cpu_seconds: (user + system) / 1e6 }));
  process.exit();
});
const before = process.cpuUsage();
consumer.start();
