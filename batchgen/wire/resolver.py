"""Resolve names, and leave out addresses that a request may not be sent to."""

from __future__ import annotations

import errno
import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from batchgen.threads import few_threads_message
from batchgen.wire.address_scope import AddressForbidden, AddressScope, allows


class ScopedResolver(AbstractResolver):
    """Return only addresses in the scope.

    The connection uses the very addresses that are returned here. So a name cannot
    escape the check by resolving differently the next time.
    """

    def __init__(self, resolver: AbstractResolver, scope: AddressScope) -> None:
        self._resolver = resolver
        self._scope = scope

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        """Return the addresses of a name that are in the scope.

        Raises:
            AddressForbidden: the name has only others.
            OSError: the name cannot be resolved, or not now.
        """
        try:
            addresses = await self._resolver.resolve(host, port, family)
        except RuntimeError as error:  # no thread can be started for the lookup
            raise OSError(errno.ENOMEM, few_threads_message()) from error
        allowed = [
            address for address in addresses if allows(self._scope, address["host"])
        ]
        if addresses and not allowed:
            raise AddressForbidden(f"{host} does not lead to a {self._scope} address")
        return allowed

    async def close(self) -> None:
        await self._resolver.close()
