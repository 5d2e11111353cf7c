"""Let Python code bring a provider of its own."""

from __future__ import annotations

from batchgen.providers import PROVIDERS
from batchgen.providers.base import Provider


def add_provider(provider: Provider) -> None:
    """Let jobs of this process name a provider that is no part of batchgen.

    A package can bring one for every process, by an entry point of the group
    `batchgen.providers`.

    Raises:
        SpecError: it is no provider, or its name cannot be.
    """
    PROVIDERS.add(provider)
