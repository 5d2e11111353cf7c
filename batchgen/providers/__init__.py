"""The providers, by the names that jobs and tables use.

Some are part of batchgen. Installed packages add others by entry points of the group
`batchgen.providers`. Each is loaded at its first use.
"""

from __future__ import annotations

from types import MappingProxyType

from batchgen.providers.registry import Registry, variable_of

PROVIDERS = Registry(
    MappingProxyType(
        {
            "aimlapi": "batchgen.providers.aimlapi:AimlApi",
            "apiai": "batchgen.providers.apiai:ApiAi",
            "foxapi": "batchgen.providers.foxapi:FoxApi",
            "nanobananaapi": "batchgen.providers.nanobananaapi:NanoBananaApi",
            "gccai": "batchgen.providers.gccai:Gccai",
            "gemini": "batchgen.providers.gemini:Gemini",
            "openai": "batchgen.providers.openai:OpenAi",
            "fal": "batchgen.providers.fal:Fal",
        }
    ),
)


def key_variable(name: str) -> str:
    """Return the environment variable that holds a provider's key."""
    provider = PROVIDERS.get(name)
    variable = provider and provider.defaults.key_variable
    return variable or variable_of(name)
