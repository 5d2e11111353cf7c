"""The only place that opens sockets to providers.

`Wire` itself is in `batchgen.wire.sender`, its transport in `batchgen.wire.transport`:
aiohttp comes with them, which a command that sends nothing should not wait for.
"""

from batchgen.wire.limits import DEFAULT_LIMITS, WireLimits
from batchgen.wire.links import LinkSource
from batchgen.wire.memory import MEGABYTE, Lease, Memory
from batchgen.wire.network import Reach, check_base_url, is_loopback_host
from batchgen.wire.scrub import Scrubber, scrubber_of

__all__ = [
    "DEFAULT_LIMITS",
    "MEGABYTE",
    "Lease",
    "LinkSource",
    "Memory",
    "Reach",
    "Scrubber",
    "WireLimits",
    "check_base_url",
    "is_loopback_host",
    "scrubber_of",
]
