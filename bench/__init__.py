"""The worker beside a floor and its peers; RESULTS.md has what came out, and how to repeat it.

run        `make bench`: takes turns, writes the results
profile    where a message's microseconds go, inside a drain
micro      what the parts cost alone
"""
