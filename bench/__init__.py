"""The benchmark; README.md says how to run it, RESULTS.md has the figures.

run        `make bench`: all that follows, then the report
compare    the worker, the floor and the peers take turns
growth     what a message costs as the store grows, and what a duplicate costs
idle       a worker that waits: its cost, and how soon a message is on record
start      how long a command takes to answer, and a worker to poll
profile    where a message's microseconds go, inside a drain
report     RESULTS.md and its plot, from what the parts have left

micro      what the parts of the path cost alone
soak       memory over an hour of empty polls and a million messages; the report shows it
pair       what a message costs in two checkouts of this project
hostile    how long good messages wait among hostile ones
large      memory with ten thousand bodies of 1 MiB
outage     what an outage of Slack costs
"""
