"""The channels that notices go to, a package each; `worker.notifiers.channel` defines a channel.

`worker.notifiers.registry` lists them. The relay delivers each on a lane of its own and knows none
of them. Removals from the suppression list are another lane of the outbox, and no channel.
"""
