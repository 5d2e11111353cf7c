"""The only place that opens sockets to providers.

`Wire` itself is in `batchgen.wire.sender` and not imported here: it imports aiohttp,
for which a command that sends nothing should not wait.
"""

from batchgen.addresses.url import is_loopback_host
from batchgen.wire.address_scope import AddressScope, check_base_url
from batchgen.wire.link_scope import LinkSource
from batchgen.wire.memory import MEGABYTE, MemoryBudget, MemoryLease
from batchgen.wire.redaction import Redactor, redactor_for
from batchgen.wire.wire_limits import DEFAULT_LIMITS, WireLimits

__all__ = [
    "DEFAULT_LIMITS",
    "MEGABYTE",
    "AddressScope",
    "LinkSource",
    "MemoryBudget",
    "MemoryLease",
    "Redactor",
    "WireLimits",
    "check_base_url",
    "is_loopback_host",
    "redactor_for",
]
