"""SQS, SES and Slack, simulated on loopback: one simulator each, shared by demo, tests and bench.

Each listens on a free port, speaks the real protocol, keeps the requests that it received, and
fails as a script says (`faults`). `sns` has the envelope in which SNS delivers a message.

Two others stay, each for a reason:

- Tests use moto for services that are not simulated here (SNS, SES's configuration, STS, IAM), and
  in `tests/contract` as a second opinion on SQS: our simulator and our client have one author.
- `bench/stubsqs.mjs` is an SQS in a process of Node's that costs a twentieth of what boto3 itself
  costs. The simulator is strict, keeps a journal and is written in Python: a benchmark would
  measure the simulator.
"""
