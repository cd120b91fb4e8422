"""Encryption by KMS: who writes must be let in by the key's own policy.

https://docs.aws.amazon.com/sns/latest/dg/sns-enable-encryption-for-topic-sqs-queue-subscriptions.html
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from worker.checks.commands import cancel_key_deletion, enable_key
from worker.checks.facts import Absent, Away, Blank, KeyFacts, Unseen
from worker.checks.findings import Check, Finding
from worker.checks.statements import Caller, Verdict, judge, read_policy

ENCRYPTION = Check("encryption")
ACTIONS = ("kms:GenerateDataKey", "kms:Decrypt")


class Encrypted(Struct, frozen=True):
    """A queue or a topic, with who writes to it."""

    what: str
    """Such as `the queue ses-feedback`."""
    caller: Caller
    key: KeyFacts | Unseen | Away | None
    """None: no key of KMS."""
    mend: str = ""
    """What encrypts it, where nothing does."""


def judge_encryption(*those: Encrypted) -> list[Finding]:
    """Judge the keys of queue, dead-letter queue and topics."""
    faults = [fault for one in those if one.key for fault in _faults(one, one.key)]
    faults += [
        ENCRYPTION.note(f"{one.what} is not encrypted", one.mend) for one in those if one.mend
    ]
    if faults:
        return list(dict.fromkeys(faults))
    keys = dict.fromkeys(
        f"{one.what}: {one.key.id}" for one in those if isinstance(one.key, KeyFacts)
    )
    return [ENCRYPTION.ok(", ".join(keys) if keys else "no key of KMS is in the way")]


def _faults(one: Encrypted, key: KeyFacts | Unseen | Away) -> Iterator[Finding]:
    if isinstance(key, Unseen | Away):
        yield ENCRYPTION.blind(f"{one.what}: whether a key of KMS encrypts it", key)
        return
    service = one.caller.service
    if key.id.endswith(("alias/aws/sqs", "alias/aws/sns")) or _is_awss(key.metadata):
        said = f"{one.what} is encrypted with {key.id}, AWS's own key, which {service} may not use"
        yield ENCRYPTION.wrong(said, "use SSE-SQS, or a key of yours whose policy lets it in")
        return
    yield from _state(one, key)
    match key.policy:
        case Unseen() | Away() as why:
            yield ENCRYPTION.blind(f"{one.what}: whether {service} may use {key.id}", why)
        case Absent(said) if not isinstance(key.metadata, Absent):
            yield ENCRYPTION.wrong(f"{one.what}: {key.id}: {said}", "choose another key")
        case str() as policy:
            yield from _policy(one, key.id, policy)


def _is_awss(metadata: Mapping[str, object] | Blank) -> bool:
    return isinstance(metadata, Mapping) and metadata.get("KeyManager") == "AWS"


def _state(one: Encrypted, key: KeyFacts) -> Iterator[Finding]:
    match key.metadata:
        case Unseen() | Away() as why:
            yield ENCRYPTION.blind(f"{one.what}: whether {key.id} is enabled", why)
        case Absent(said):
            yield ENCRYPTION.wrong(f"{one.what}: {key.id}: {said}", "choose another key")
        case metadata if (state := metadata.get("KeyState", "Enabled")) != "Enabled":
            # EnableKey and CancelKeyDeletion take no alias.
            mend = _revive(str(state), str(metadata.get("Arn", key.id)))
            yield ENCRYPTION.wrong(f"{one.what}: {key.id} is {state}", mend)


def _revive(state: str, key: str) -> str:
    match state:
        case "Disabled":
            return enable_key(key)
        case "PendingDeletion":
            return f"{cancel_key_deletion(key)} && {enable_key(key)}"
        case "PendingImport":
            return "import the key's material again, or choose another key"
    return "see why in KMS, or choose another key"


def _policy(one: Encrypted, key: str, policy: str) -> Iterator[Finding]:
    statements = read_policy(policy)
    if statements is None:
        yield ENCRYPTION.unseen(f"{one.what}: the policy of {key} cannot be read")
        return
    verdicts = {judge(statements, one.caller, action) for action in ACTIONS}
    if verdicts & {Verdict.NO, Verdict.DENIED}:
        said = f"{one.what}: the policy of {key} does not let {one.caller.service} use it"
        mend = (
            f"add to the key's policy: Allow {one.caller.service} "
            "kms:GenerateDataKey* and kms:Decrypt, "
            f"with StringEquals aws:SourceAccount {one.caller.account}"
        )
        yield ENCRYPTION.wrong(said, mend)
    elif Verdict.PERHAPS in verdicts:
        said = f"{one.what}: the policy of {key} has conditions that are not judged here"
        yield ENCRYPTION.unseen(said)
