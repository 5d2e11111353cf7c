"""Turn names into addresses, and leave out those that a request may not reach."""

from __future__ import annotations

import errno
import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from batchgen.threads import few_threads_words
from batchgen.wire.address_scope import AddressForbidden, AddressScope, allows


class ScopedResolver(AbstractResolver):
    """Hand on only addresses within reach.

    The addresses that leave here are the ones that are connected to, so a name that
    answers differently the next time cannot slip through.
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
        """Return the addresses of a name that are within reach.

        Raises:
            AddressForbidden: the name has none.
            OSError: it cannot be resolved, or not now.
        """
        try:
            found = await self._resolver.resolve(host, port, family)
        except RuntimeError as error:  # no thread can be started to ask in
            raise OSError(errno.ENOMEM, few_threads_words()) from error
        allowed = [each for each in found if allows(self._scope, each["host"])]
        if found and not allowed:
            raise AddressForbidden(f"{host} does not lead to a {self._scope} address")
        return allowed

    async def close(self) -> None:
        await self._resolver.close()
