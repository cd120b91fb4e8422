"""What must be true of the path from SES to the database: facts in, findings out. Pure.

One module a topic. `worker.commands.check` fetches the facts and calls these.
"""
