"""The only place that opens sockets to providers."""

from batchgen.wire.limits import DEFAULT_LIMITS, WireLimits
from batchgen.wire.memory import MEGABYTE, Lease, Memory
from batchgen.wire.network import Reach, check_base_url, is_loopback_host
from batchgen.wire.scrub import Scrubber
from batchgen.wire.sender import LOOPBACK_ONLY_VARIABLE, Offload, Wire
from batchgen.wire.transport import AiohttpTransport

__all__ = [
    "DEFAULT_LIMITS",
    "LOOPBACK_ONLY_VARIABLE",
    "MEGABYTE",
    "AiohttpTransport",
    "Lease",
    "Memory",
    "Offload",
    "Reach",
    "Scrubber",
    "Wire",
    "WireLimits",
    "check_base_url",
    "is_loopback_host",
]
