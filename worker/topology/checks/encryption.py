"""Encryption by KMS: the key's own policy must admit the service that writes.

https://docs.aws.amazon.com/sns/latest/dg/sns-enable-encryption-for-topic-sqs-queue-subscriptions.html
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from worker.topology.checks.commands import cancel_key_deletion, enable_key
from worker.topology.checks.facts import Absent, KeyFacts, NotPermitted, Unknown, Unreachable
from worker.topology.checks.findings import Check, Finding
from worker.topology.checks.statements import Caller, Verdict, judge, read_policy

ENCRYPTION = Check("encryption")
ACTIONS = ("kms:GenerateDataKey", "kms:Decrypt")


class Encrypted(Struct, frozen=True):
    """A queue or a topic, and the service that writes to it."""

    what: str
    """Such as `the queue ses-feedback`."""
    caller: Caller
    key: KeyFacts | NotPermitted | Unreachable | None
    """None: not encrypted by KMS."""
    fix: str = ""
    """The command that encrypts it, if it is not encrypted."""


def judge_encryption(*those: Encrypted) -> list[Finding]:
    """Judge the keys of queue, dead-letter queue and topics."""
    faults = [
        fault for resource in those if resource.key for fault in _faults(resource, resource.key)
    ]
    faults += [
        ENCRYPTION.note(f"{resource.what} is not encrypted", resource.fix)
        for resource in those
        if resource.fix
    ]
    if faults:
        return list(dict.fromkeys(faults))
    keys = dict.fromkeys(
        f"{resource.what}: {resource.key.id}"
        for resource in those
        if isinstance(resource.key, KeyFacts)
    )
    return [ENCRYPTION.ok(", ".join(keys) if keys else "nothing is encrypted with a KMS key")]


def _faults(resource: Encrypted, key: KeyFacts | NotPermitted | Unreachable) -> Iterator[Finding]:
    if isinstance(key, NotPermitted | Unreachable):
        yield ENCRYPTION.blind(f"{resource.what}: whether a KMS key encrypts it", key)
        return
    service = resource.caller.service
    if key.id.endswith(("alias/aws/sqs", "alias/aws/sns")) or _is_managed_by_aws(key.metadata):
        text = (
            f"{resource.what} is encrypted with {key.id}, AWS's own key, "
            f"which {service} may not use"
        )
        yield ENCRYPTION.wrong(
            text, f"use SSE-SQS, or a key of your own whose policy admits {service}"
        )
        return
    yield from _state(resource, key)
    match key.policy:
        case NotPermitted() | Unreachable() as why:
            yield ENCRYPTION.blind(f"{resource.what}: whether {service} may use {key.id}", why)
        case Absent(text) if not isinstance(key.metadata, Absent):
            yield ENCRYPTION.wrong(f"{resource.what}: {key.id}: {text}", "choose another key")
        case str() as policy:
            yield from _policy(resource, key.id, policy)


def _is_managed_by_aws(metadata: Mapping[str, object] | Unknown) -> bool:
    return isinstance(metadata, Mapping) and metadata.get("KeyManager") == "AWS"


def _state(resource: Encrypted, key: KeyFacts) -> Iterator[Finding]:
    match key.metadata:
        case NotPermitted() | Unreachable() as why:
            yield ENCRYPTION.blind(f"{resource.what}: whether {key.id} is enabled", why)
        case Absent(text):
            yield ENCRYPTION.wrong(f"{resource.what}: {key.id}: {text}", "choose another key")
        case metadata if (state := metadata.get("KeyState", "Enabled")) != "Enabled":
            # EnableKey and CancelKeyDeletion take no alias.
            fix = _revive(str(state), str(metadata.get("Arn", key.id)))
            yield ENCRYPTION.wrong(f"{resource.what}: {key.id} is {state}", fix)


def _revive(state: str, key: str) -> str:
    match state:
        case "Disabled":
            return enable_key(key)
        case "PendingDeletion":
            return f"{cancel_key_deletion(key)} && {enable_key(key)}"
        case "PendingImport":
            return "import the key's material again, or choose another key"
    return "look up the reason in KMS, or choose another key"


def _policy(resource: Encrypted, key: str, policy: str) -> Iterator[Finding]:
    statements = read_policy(policy)
    if statements is None:
        yield ENCRYPTION.unknown(f"{resource.what}: the policy of {key} cannot be read")
        return
    verdicts = {judge(statements, resource.caller, action) for action in ACTIONS}
    if verdicts & {Verdict.NO, Verdict.DENIED}:
        text = f"{resource.what}: the policy of {key} does not let {resource.caller.service} use it"
        fix = (
            f"add to the key's policy: Allow {resource.caller.service} "
            "kms:GenerateDataKey* and kms:Decrypt, "
            f"with StringEquals aws:SourceAccount {resource.caller.account}"
        )
        yield ENCRYPTION.wrong(text, fix)
    elif Verdict.PERHAPS in verdicts:
        text = f"{resource.what}: the policy of {key} has conditions that check cannot evaluate"
        yield ENCRYPTION.unknown(text)
