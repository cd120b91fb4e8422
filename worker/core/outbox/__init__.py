"""Decides which entries a message, a removal or a dead letter adds to the outbox. Pure.

A notice goes to every channel of `Policy.notify`: an entry for each.
"""
