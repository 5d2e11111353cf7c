"""The services that the sandbox can stand in for: its own, and those of packages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from types import MappingProxyType

from batchgen.sandbox.aimlapi import Aimlapi
from batchgen.sandbox.apiai import Apiai
from batchgen.sandbox.fal import Fal
from batchgen.sandbox.foxapi import Foxapi
from batchgen.sandbox.gccai import Gccai
from batchgen.sandbox.gemini import Gemini
from batchgen.sandbox.nanobananaapi import Nanobananaapi
from batchgen.sandbox.openai import Openai
from batchgen.sandbox.purchase import Service
from batchgen.sandbox.workshop import Workshop

Builder = Callable[[Workshop], Service]
GROUP = "batchgen.sandboxes"

SERVICES: Mapping[str, Builder] = MappingProxyType(
    {
        "aimlapi": Aimlapi,
        "apiai": Apiai,
        "foxapi": Foxapi,
        "nanobananaapi": Nanobananaapi,
        "gccai": Gccai,
        "gemini": Gemini,
        "openai": Openai,
        "fal": Fal,
    }
)
"""The sandbox's own services."""


def all_services() -> dict[str, Builder]:
    """Return all services; a package's own that cannot be loaded is left out.

    Why, stands in the sandbox's log.
    """
    services = dict(SERVICES)
    for entry in entry_points(group=GROUP):
        if entry.name in SERVICES:
            continue
        try:
            services[entry.name] = entry.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001  another's code
            words = " ".join(str(error).split())
            sys.stderr.write(f"{entry.name}: {type(error).__name__}: {words}\n")
    return services
