"""The one server of the tests that plays a provider on loopback.

`http` reads requests and writes answers, `server` is where they are answered: in the
event loop of a test, so that it can look at a run under way, or in threads, for runs in
processes of their own. What is answered is said by two kinds of provider: `Shop` of
`tests.runs.shop`, whose hooks a test replaces, and `Service` of
`tests.cases.server`, whose answers stand in scripts for single rows. `fast` is what the
servers of benchmarks and of thousands of sockets share. Those that break the rules of
HTTP itself are in `tests.wire`.
"""
