"""The providers that batchgen speaks, by the name that jobs and tables use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from batchgen.provider import Provider
from batchgen.providers.aimlapi import AimlApi
from batchgen.providers.apiai import ApiAi
from batchgen.providers.foxapi import FoxApi
from batchgen.providers.gccai import Gccai
from batchgen.providers.gemini import Gemini
from batchgen.providers.nanobananaapi import NanoBananaApi
from batchgen.providers.openai import OpenAi

PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        "aimlapi": AimlApi(),
        "apiai": ApiAi(),
        "foxapi": FoxApi(),
        "nanobananaapi": NanoBananaApi(),
        "gccai": Gccai(),
        "gemini": Gemini(),
        "openai": OpenAi(),
    }
)
