"""Add a provider from Python code."""

from __future__ import annotations

from batchgen.providers import PROVIDERS
from batchgen.providers.base import Provider


def add_provider(provider: Provider) -> None:
    """Add a provider to this process, for all its jobs.

    A package adds one to every process by an entry point of the group
    `batchgen.providers`.

    Raises:
        SpecError: it is no provider, or its name is invalid or taken.
    """
    PROVIDERS.add(provider)
