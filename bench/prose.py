"""What RESULTS.md says around its figures."""

HEAD = """\
# What a message costs

Written by `make bench`; every figure is a median [least-most]. The ratios are taken inside each
round and only then brought to their median, since the speed of a shared machine drifts by half
between minutes: read them first. Differences of less than some 15 % are within that noise,
whatever their median; what disagrees with it is in the spread.
"""

HOW = """\
## How it is measured

- An SQS stub in memory (`stubsqs.mjs`) serves all contestants over plain HTTP on loopback. What
  TLS, AWS's own latency and its throttling cost is in none of these figures. TLS would add about
  the same to every contestant that asks for ten at a time, so ratios would come nearer to 1 (not
  measured).
- Messages are SNS envelopes of about 3 KB, each about another one of 100,000 users; of twenty one
  is a complaint and one a soft bounce. Their ids begin with their time, as SES's do.
- Contestants take turns in an order that is shuffled in each round. After each run the queue must
  be empty and the store must hold exactly one event and one count for each message.
- The worker is the installed command, `ses-worker drain --max-messages N`, with default settings,
  its JSON log in a file. Slack is set: the stub answers as an incoming webhook. So a notice is
  enqueued and written for every message.
- **CPU** is user and system time. The worker's processes are read by their own clocks when the
  stub has seen the last delete; what a process needs to start is measured in the same round, on
  10 messages, and subtracted. Two processes share one queue until it is empty. Scripts (floor,
  peers) measure their own loop.
- `drain` tells Slack only after its last message. That is not in the window from the first receive
  to the last delete, and is cut short there by SIGTERM; it is measured apart, with a drain that is
  left to its end ("As the records grow"): Slack's pace, one post a second and digests above 20 a
  minute, bounds it. The last few log lines are written after the last delete, and not counted.
- The floor and the peers do less: they write no log, enqueue no notice, decide nothing
  and know a duplicate by one key. (They keep each message whole, which the worker does not.)
- **messages/s** is from the first receive to the last delete, as the stub saw them.
- **own, stub, database, others**: CPU of the contestant, the stub, the database server and of all
  programs that have no part in this, as shares of all cores. A contestant of one process that
  has one core for itself shows 50 % on two. The last one is over the whole run, start-up included;
  "all cores full" is the sum of the four.
- **As the records grow**: store of all sizes take turns; the worker's own schema and indexes, rows
  written by SQL, with the file in the system's cache as far as it fits. Messages are about users
  all over the table. *In the system* is of the CPU what the kernel had. *Passed* is what all calls
  of write had in them (store, log, sockets); *written* and *read* are what the kernel charged the
  process for its disk (`/proc/PID/io`), by whole folios of its cache: more than the disk may get.
  Store of more than 100,000 events are not copied for each run: they grow by what is drained.
- **Idle**: latency is from before the send until another program reads the row, so it contains the
  send and a look. **Longest from handing out to delete** is by the stub's clock and contains the
  delete's call, which comes after the commit. Its bound: what all pollers may hold (200 messages
  each), at the rate of that run, and the calls one poller makes for its 200, at the added latency.
- **Start**: files are in the system's cache, the schema and 100,000 users in the store; the first
  of each kind does not count.
- **Profile**: one drain inside the benchmark's own process, by the clock of each thread; what
  measuring costs is taken out. It is of one run: its shares say more than its sum, which drifts as
  all figures do. *Main thread* is what the parts leave of the whole.
- **Soak** is a run of its own, against the emulator of the tests; its date is above. A `drain` of a
  million messages about 100,000 users, with Slack set and the whole log in a file, is looked at ten
  times before its last delete. With `--told` it is `run`, which tells Slack meanwhile: what a
  digest of 5,000 notices takes while it is made, the allocator keeps.

## How to repeat it

    make bench                               # all parts but the peers and the soak
    make bench ARGS="--peers"                # with aiobotocore and sqs-consumer
    make bench ARGS="--quick"                # proves that it works; figures mean nothing
    make bench ARGS="--only compare,report"  # compare, growth, idle, start, profile, report
    .venv/bin/python -m bench.soak           # a million messages, for goal 5
    .venv/bin/python -m bench.soak --told    # the same by a daemon that tells Slack
    .venv/bin/python -m bench.compare --rounds 1 --variants floor1,worker-sqlite-1 --delay 0

It needs Linux, Node 20 or newer on PATH, 10 GB of disk for a while, and nothing that listens
anywhere but on loopback. Parts leave their results in `bench/out/parts/`, each over what it left
before; `.venv/bin/python -m bench.report` puts this file together from what is there, and says
nothing of a goal for which there were fewer than five rounds. `.venv/bin/python -m bench.micro`
tells what parts cost alone.
"""
