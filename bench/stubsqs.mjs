// An SQS in memory (AWS JSON 1.0), for load and nothing else. It costs a client of boto3 a twentieth
// of its own time, so what is measured beside it is the client. Node >= 20, no dependencies.
//
//   node stubsqs.mjs [--users 100000] [--until-stdin-ends]   listens on a free port of 127.0.0.1,
//                                                            prints {"port": …}
//   node stubsqs.mjs --print 2000 [--seed x]                 prints message bodies, one JSON string a line
//
//   GET /_control?op=load&queue=Q&n=N&seed=S&users=U   N messages, each of another user, with ids of their own
//   GET /_control?op=await&queue=Q&receives=N&deleted=N&ms=1000   answers when it is so, or then
//   GET /_control?op=delay&ms=8                a round trip that every later reply takes
//   GET /_control?op=stats&queue=Q             what is left, what was called, when, and our own CPU
//   GET /_control?op=held&queue=Q              milliseconds from hand to delete: half, most, all of them; the longest from load to delete
//   GET /_control?op=fates&queue=Q             [id, sent, deleted] of what was deleted since the last time
//   GET /_control?op=drop&queue=Q              forgets the queue
//   POST /slack                                "ok", as an incoming webhook says
//
// It has long polls, visibility timeouts, receive counts and receipt handles that go stale. It has
// no signatures, no redrive, no FIFO and no validation: a yardstick, not an emulator.
import crypto from 'node:crypto';
import net from 'node:net';

const HOST = '127.0.0.1';
const ACCOUNT = '123456789012';
const FIRST_EVENT = 1_790_000_000_000;

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const USERS = Number(option('users', 100_000));

// --- messages -----------------------------------------------------------------------------------

const md5 = text => crypto.createHash('md5').update(text).digest('hex');
const sha512 = text => crypto.createHash('sha512').update(text).digest('base64');
const uuid = text => md5(text).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');

// What SES says through SNS, about 3 KB; of twenty one is a complaint and one a soft bounce.
function snsBody(number, seed, users = USERS) {
  const user = (number * 7919) % users;
  const address = `user${user}@example${user % 977}.com`;
  const time = new Date(FIRST_EVENT + number * 1000).toISOString();
  // SES's ids begin with their time: an index on them grows near its end.
  const stamp = `0100${(FIRST_EVENT + number * 1000).toString(16).padStart(12, '0')}`;
  const messageId = `${stamp}-${uuid(number + seed + 's')}-000000`;
  const feedbackId = `${stamp}-${uuid(number + seed + 'f')}-000000`;
  const about = { feedbackId, messageId, address, time, user };
  const said = number % 20 === 0 ? complaint(about) : bounce(about, number % 20 === 1);
  const message = JSON.stringify({ ...said, mail: mail(about, number) }) + '\n';
  const signer = 'https://sns.us-east-1.amazonaws.com';
  const topic = `arn:aws:sns:us-east-1:${ACCOUNT}:ses-feedback`;
  return JSON.stringify({
    Type: 'Notification',
    MessageId: uuid(number + seed + 'n'),
    TopicArn: topic,
    Subject: 'Amazon SES Email Event Notification',
    Message: message,
    Timestamp: time,
    SignatureVersion: '1',
    Signature: sha512(messageId) + sha512(feedbackId) + sha512(time),
    SigningCertURL: `${signer}/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem`,
    UnsubscribeURL: `${signer}/?Action=Unsubscribe&SubscriptionArn=${topic}:4d6e3b4b-e2e3-4f8d-8a4e-b4f8e4b2f0aa`,
  }, null, 2);
}

function bounce({ feedbackId, address, time, user }, soft) {
  const diagnosticCode = `smtp; 550 5.1.1 The email account that you tried to reach does not exist. user${user}`;
  return {
    eventType: 'Bounce',
    bounce: {
      feedbackId,
      bounceType: soft ? 'Transient' : 'Permanent',
      bounceSubType: soft ? 'MailboxFull' : 'General',
      bouncedRecipients: [
        { emailAddress: address, action: 'failed', status: soft ? '4.2.2' : '5.1.1', diagnosticCode },
      ],
      timestamp: time,
      remoteMtaIp: '198.51.100.23',
      reportingMTA: 'dns; a8-70.smtp-out.amazonses.com',
    },
  };
}

function complaint({ feedbackId, address, time }) {
  return {
    eventType: 'Complaint',
    complaint: {
      feedbackId,
      complaintSubType: null,
      complainedRecipients: [{ emailAddress: address }],
      timestamp: time,
      userAgent: 'Amazon SES Mailbox Simulator',
      complaintFeedbackType: 'abuse',
      arrivalDate: time,
    },
  };
}

function mail({ messageId, address, time }, number) {
  const from = 'Example Shop <no-reply@mail.example-shop.com>';
  const subject = `Your order #${100_000 + number} has shipped`;
  const short = messageId.slice(4, 16);
  const header = (name, value) => ({ name, value });
  return {
    timestamp: time,
    source: from,
    sourceArn: `arn:aws:ses:us-east-1:${ACCOUNT}:identity/mail.example-shop.com`,
    sourceIp: '203.0.113.17',
    callerIdentity: 'shop-mailer',
    sendingAccountId: ACCOUNT,
    messageId,
    destination: [address],
    headersTruncated: false,
    headers: [
      header('Received', `from ip-10-0-3-17.ec2.internal ([203.0.113.17]) by email-smtp.amazonaws.com with SMTP id q${short}`),
      header('From', from),
      header('To', address),
      header('Subject', subject),
      header('MIME-Version', '1.0'),
      header('Content-Type', 'multipart/alternative; boundary="----=_Part_12_1398452.1790000000000"'),
      header('List-Unsubscribe', `<https://mail.example-shop.com/u/${short}>`),
      header('X-SES-CONFIGURATION-SET', 'transactional'),
    ],
    commonHeaders: { from: [from], date: 'Mon, 21 Sep 2026 10:13:20 +0000', to: [address], subject },
    tags: {
      'ses:operation': ['SendSmtpEmail'],
      'ses:configuration-set': ['transactional'],
      'ses:source-ip': ['203.0.113.17'],
      'ses:from-domain': ['mail.example-shop.com'],
      'ses:caller-identity': ['shop-mailer'],
      campaign: ['order-shipped'],
    },
  };
}

// --- queues -------------------------------------------------------------------------------------

class Queue {
  constructor(name) {
    this.name = name;
    this.waiting = [];
    this.head = 0; // of `waiting`; shifting an array of 10,000 would cost
    this.inFlight = new Map();
    this.polls = [];
    this.visibilitySeconds = 30;
    this.calls = {};
    this.emptyReceives = 0;
    this.deleted = 0;
    this.firstReceive = null;
    this.lastDelete = null;
    this.heldFor = [];
    this.longestWait = 0;
    this.fates = [];
    this.watchers = [];
  }

  get depth() { return this.waiting.length - this.head; }

  add(body, id = crypto.randomUUID()) {
    // Written out once: a receive only has to join it.
    const fragment = `"MessageId":"${id}","MD5OfBody":"${md5(body)}","Body":${JSON.stringify(body)}`;
    this.waiting.push({ id, fragment, receives: 0, firstReceived: 0, sent: Date.now(), sentAt: performance.now() });
    return id;
  }

  take(most, visibilitySeconds) {
    const now = Date.now();
    const taken = [];
    while (taken.length < most && this.depth) {
      const message = this.waiting[this.head];
      this.waiting[this.head++] = undefined;
      message.receives += 1;
      message.firstReceived ||= now;
      message.takenAt = performance.now();
      message.visibleAt = now + visibilitySeconds * 1000;
      message.handle = `${message.id}.${message.receives}`;
      this.inFlight.set(message.id, message);
      taken.push(message);
    }
    if (!taken.length) this.emptyReceives += 1;
    return taken;
  }

  held(handle) {
    const message = this.inFlight.get(handle.slice(0, 36));
    return message?.handle === handle ? message : undefined;
  }

  delete(handle) {
    const message = this.held(handle);
    if (!message) return;
    this.inFlight.delete(message.id);
    this.deleted += 1;
    this.lastDelete = performance.now();
    this.heldFor.push(this.lastDelete - message.takenAt);
    this.longestWait = Math.max(this.longestWait, Date.now() - message.sent);
    this.fates.push([message.id, message.sentAt, this.lastDelete]);
    this.notice();
  }

  // Whoever waits for it learns that enough was received and deleted.
  notice() {
    this.watchers = this.watchers.filter(tellIfSo => !tellIfSo());
  }

  // What is visible again goes back, and long polls that wait for it are answered.
  sweep() {
    const now = Date.now();
    for (const message of this.inFlight.values()) {
      if (message.visibleAt > now) continue;
      this.inFlight.delete(message.id);
      this.waiting.push(message);
    }
    while (this.polls.length && this.depth) this.polls.shift()();
  }
}

const queues = new Map();
function queueNamed(name) {
  if (!queues.has(name)) queues.set(name, new Queue(name));
  return queues.get(name);
}

// --- operations ---------------------------------------------------------------------------------

function receive(queue, asked, reply) {
  queue.firstReceive ??= performance.now();
  const most = asked.MaxNumberOfMessages ?? 1;
  const visibility = asked.VisibilityTimeout ?? queue.visibilitySeconds;
  const withAttributes = Boolean(asked.MessageSystemAttributeNames || asked.AttributeNames);
  const answer = () => reply(written(queue.take(most, visibility), withAttributes));
  if (queue.depth || !asked.WaitTimeSeconds) return answer();
  const poll = () => { clearTimeout(end); answer(); };
  const end = setTimeout(() => {
    queue.polls.splice(queue.polls.indexOf(poll), 1);
    answer();
  }, asked.WaitTimeSeconds * 1000);
  queue.polls.push(poll);
}

function written(messages, withAttributes) {
  if (!messages.length) return '{}';
  const parts = messages.map(message => {
    const attributes = !withAttributes ? '' : ',"Attributes":{"SenderId":"AIDAIT2UOQQY3AUEKVGXU"'
      + `,"ApproximateFirstReceiveTimestamp":"${message.firstReceived}"`
      + `,"ApproximateReceiveCount":"${message.receives}","SentTimestamp":"${message.sent}"}`;
    return `{${message.fragment},"ReceiptHandle":"${message.handle}"${attributes}}`;
  });
  return `{"Messages":[${parts.join(',')}]}`;
}

const inEntries = act => (queue, asked, reply) => {
  const answer = { Successful: [] };
  for (const entry of asked.Entries) {
    if (/^[0-9a-f-]{36}\.\d+$/.test(entry.ReceiptHandle)) {
      act(queue, entry);
      answer.Successful.push({ Id: entry.Id });
    } else {
      answer.Failed = [...(answer.Failed ?? []), { Id: entry.Id, SenderFault: true, Code: 'ReceiptHandleIsInvalid' }];
    }
  }
  queue.sweep();
  reply(JSON.stringify(answer));
};

function hide(queue, entry) {
  const message = queue.held(entry.ReceiptHandle);
  if (message) message.visibleAt = Date.now() + entry.VisibilityTimeout * 1000;
}

const OPERATIONS = {
  ReceiveMessage: receive,
  DeleteMessageBatch: inEntries((queue, entry) => queue.delete(entry.ReceiptHandle)),
  ChangeMessageVisibilityBatch: inEntries(hide),
  DeleteMessage(queue, asked, reply) {
    queue.delete(asked.ReceiptHandle);
    reply('');
  },
  SendMessage(queue, asked, reply) {
    const MessageId = queue.add(asked.MessageBody);
    queue.sweep();
    reply(JSON.stringify({ MessageId, MD5OfMessageBody: md5(asked.MessageBody) }));
  },
  SendMessageBatch(queue, asked, reply) {
    const Successful = asked.Entries.map(entry => ({
      Id: entry.Id, MessageId: queue.add(entry.MessageBody), MD5OfMessageBody: md5(entry.MessageBody),
    }));
    queue.sweep();
    reply(JSON.stringify({ Successful }));
  },
  GetQueueAttributes(queue, _, reply) {
    const Attributes = {
      ApproximateNumberOfMessages: String(queue.depth),
      ApproximateNumberOfMessagesNotVisible: String(queue.inFlight.size),
      ApproximateNumberOfMessagesDelayed: '0',
    };
    reply(JSON.stringify({ Attributes }));
  },
};

let delay = 0;
let slackPosts = 0;

const CONTROLS = {
  load(queue, asked) {
    const seed = asked.get('seed');
    const users = Number(asked.get('users') ?? USERS);
    for (let number = 0; number < Number(asked.get('n')); number++) {
      queue.add(snsBody(number, seed, users), uuid(number + seed + 'q'));
    }
    queue.sweep();
    return { depth: queue.depth };
  },
  delay(_, asked) {
    delay = Number(asked.get('ms'));
    return { delay };
  },
  held(queue) {
    const sorted = queue.heldFor.sort((one, other) => one - other);
    const share = part => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
    return { median: share(0.5), p95: share(0.95), most: share(1), waited: queue.longestWait };
  },
  fates(queue) {
    const fates = queue.fates;
    queue.fates = [];
    return { fates };
  },
  drop(queue) {
    queues.delete(queue.name);
    return {};
  },
  stats(queue) {
    const { user, system } = process.cpuUsage();
    return {
      left: queue.depth + queue.inFlight.size,
      deleted: queue.deleted,
      calls: queue.calls,
      empty_receives: queue.emptyReceives,
      seconds: queue.lastDelete === null ? 0 : (queue.lastDelete - queue.firstReceive) / 1000,
      cpu_seconds: (user + system) / 1e6,
      slack_posts: slackPosts,
    };
  },
};

// --- HTTP, as much of it as SDKs speak ----------------------------------------------------------

const HEAD = 'Server: stub\r\nx-amzn-RequestId: 00000000-0000-4000-8000-000000000000\r\n'
  + 'Content-Type: application/x-amz-json-1.0\r\nContent-Length: ';

function serve() {
  setInterval(() => queues.forEach(queue => queue.inFlight.size && queue.sweep()), 250).unref();
  if (process.argv.includes('--until-stdin-ends')) {
    process.stdin.on('end', () => process.exit()).resume();
  }
  const server = net.createServer(converse);
  server.listen(0, HOST, () => console.log(JSON.stringify({ port: server.address().port })));
}

function converse(socket) {
  let unread = null;
  socket.setNoDelay(true);
  socket.on('error', () => {});
  const send = (text, status = '200 OK') => {
    if (!socket.destroyed) socket.write(`HTTP/1.1 ${status}\r\n${HEAD}${Buffer.byteLength(text)}\r\n\r\n${text}`);
  };
  socket.on('data', chunk => {
    unread = unread ? Buffer.concat([unread, chunk]) : chunk;
    while (unread) {
      const end = unread.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = unread.latin1Slice(0, end);
      const bodyEnd = end + 4 + Number(header(head, 'content-length') || 0);
      if (unread.length < bodyEnd) {
        if (header(head, 'expect')) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
        return;
      }
      const body = unread.utf8Slice(end + 4, bodyEnd);
      unread = unread.length > bodyEnd ? unread.subarray(bodyEnd) : null;
      answer(head, body, send);
    }
  });
}

function header(head, name) {
  const lower = head.toLowerCase();
  const at = lower.indexOf(`\r\n${name}:`);
  if (at < 0) return '';
  const end = head.indexOf('\r\n', at + 2);
  return head.slice(at + name.length + 3, end < 0 ? undefined : end).trim();
}

function answer(head, body, send) {
  const target = header(head, 'x-amz-target');
  if (!target) {
    const { pathname, searchParams: asked } = new URL(head.split(' ', 2)[1], `http://${HOST}`);
    if (pathname === '/slack') {
      slackPosts += 1;
      return send('ok');
    }
    if (asked.get('op') === 'await') return awaitIt(queueNamed(asked.get('queue')), asked, send);
    const control = CONTROLS[asked.get('op')];
    return control ? send(JSON.stringify(control(queueNamed(asked.get('queue') ?? ''), asked))) : send('{}', '404 Not Found');
  }
  const name = target.slice(target.indexOf('.') + 1);
  const operation = OPERATIONS[name];
  if (!operation) return send('{"__type":"com.amazonaws.sqs#UnsupportedOperation"}', '400 Bad Request');
  const asked = JSON.parse(body);
  const queue = queueNamed(asked.QueueUrl.slice(asked.QueueUrl.lastIndexOf('/') + 1));
  queue.calls[name] = (queue.calls[name] ?? 0) + 1;
  queue.notice();
  operation(queue, asked, delay ? text => setTimeout(send, delay, text) : send);
}

function awaitIt(queue, asked, send) {
  const isSo = () => queue.deleted >= Number(asked.get('deleted') ?? 0)
    && (queue.calls.ReceiveMessage ?? 0) >= Number(asked.get('receives') ?? 0);
  const tell = () => { clearTimeout(end); send(JSON.stringify({ so: isSo() })); };
  const end = setTimeout(() => {
    queue.watchers.splice(queue.watchers.indexOf(tellIfSo), 1);
    tell();
  }, Number(asked.get('ms')));
  const tellIfSo = () => isSo() && (tell(), true);
  queue.watchers.push(tellIfSo);
  queue.notice();
}

if (option('print')) {
  const seed = option('seed', 'print');
  const lines = Array.from({ length: Number(option('print')) }, (_, number) => JSON.stringify(snsBody(number, seed)));
  process.stdout.write(lines.join('\n') + '\n');
} else {
  serve();
}
