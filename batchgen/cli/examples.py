"""Examples that end the help of each command."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EXAMPLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "run": (
            "batchgen run products.csv --provider gemini --rehearse",
            "batchgen run products.csv --provider gemini --prompt '{{ name }}, blue'",
            "batchgen run products.toml --limit 5 --max-cost 1",
            "batchgen run products.toml",
        ),
        "check": (
            "batchgen check products.toml",
            "batchgen check products.csv --provider openai --id SKU",
        ),
        "status": (
            "batchgen status out/products",
            "batchgen status products.toml --json",
        ),
        "report": ("batchgen report out/products --html",),
        "recover": ("batchgen recover out/products",),
        "retry": (
            "batchgen retry out/products",
            "batchgen retry out/products --status refused",
        ),
        "reconcile": ("batchgen reconcile out/products --bill usage.csv",),
        "try": (
            "batchgen try 'a red lamp' --provider gemini --max-cost 1",
            "batchgen try 'this logo on a cup' --reference logo.png --provider openai "
            "--rehearse",
        ),
        "curl": ("batchgen curl products.toml --row 0",),
        "providers": (
            "batchgen providers",
            "batchgen providers gemini",
        ),
        "sandbox": ("batchgen sandbox --port 8000",),
        "help": ("batchgen help", "batchgen help manifest"),
    }
)
"""By command; the help of others holds its own."""


def epilog_of(command: str) -> str | None:
    """Return the end of a command's help; None where its help has examples itself."""
    lines = EXAMPLES.get(command)
    if lines is None:
        return None
    title = "Example:" if len(lines) == 1 else "Examples:"
    # What follows click's mark keeps its line breaks.
    return "\n".join(["\b", title, *(f"  {line}" for line in lines)])
