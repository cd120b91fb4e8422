"""The worker beside a floor and its peers; RESULTS.md has what came out, and how to repeat it.

run        `make bench`: all that follows, then the report
compare    the worker, the floor and the peers take turns
growth     what a message costs as the records grow, and one that is known already
idle       a worker that waits: its cost, and how soon a message is on record
start      how long a command takes to answer, and a worker to poll
profile    where a message's microseconds go, inside a drain
report     RESULTS.md and its pictures, from what the parts have left

micro      what the parts of the path cost alone
soak       memory over an hour of empty polls and a million messages; the report takes it in
outage     what an outage of Slack costs
"""
