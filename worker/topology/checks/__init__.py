"""The checks of the path from SES to the database: facts in, findings out. Pure.

A module for each check. `worker.commands.check` fetches the facts and calls them.
"""
