"""Verifies the signatures of SNS, before a body is decoded.

`envelopes` finds the outermost envelopes of a body, `canonical` writes the text that SNS signed,
`origins` says which certificate may have signed it: all pure. `certificates` fetches certificates
and keeps them, `chain` checks them, `verifying` puts it together.

A valid signature proves that a topic of SNS sent the message; `sns.topic_arns` says which topics
count. https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""
