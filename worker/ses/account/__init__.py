"""What SES's own API says about the account: whether it may send, and its tenants.

`asking` is the client, `verifying` compares its answers with what was reported.
"""

from worker.ses.account.asking import Answer, SendingStatusApi
from worker.ses.account.verifying import LONGEST_SECONDS, StatusVerifier

__all__ = ["LONGEST_SECONDS", "Answer", "SendingStatusApi", "StatusVerifier"]
