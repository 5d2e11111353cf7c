"""Cases from the world, judged from outside.

A real server answers as services were seen to answer, the real command buys there, and
only contracts are judged: exit code, result table, archive, `kept/`, the server's own
bill and the words on the terminal. Nothing here knows batchgen's code but its command.

`replies/` holds the cases themselves, rebuilt in our own words from public reports; the
other cases are siblings of the same kinds: other words, other services, other places.
"""
