"""Names that a job may use, and what somebody meant who wrote another one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType

from batchgen.manifest.wording import did_you_mean
from batchgen.providers import PROVIDERS

PROVIDER_ALIASES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(
        ("google", "googleai", "aistudio", "vertex", "vertexai", "genai", "imagen"),
        "gemini",
    )
    | dict.fromkeys(("chatgpt", "gpt", "dalle", "azure"), "openai")
    | dict.fromkeys(("aiml", "aimlapicom"), "aimlapi")
    | dict.fromkeys(("apiaime", "apiai.me"), "apiai")
)
"""Other names of providers, without blanks, hyphens and dots."""

_MODELS = re.compile(r"nanobanana(pro|2|21)?|gemini.+|gptimage.*|dalle\d")
_KEY_ALIASES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(
        ("source", "table", "csv", "input", "file", "data", "products"), "manifest"
    )
    | dict.fromkeys(
        ("budget_usd", "max_budget", "max_usd", "max_spend", "cost_limit"), "max_cost"
    )
    | dict.fromkeys(("output", "output_dir", "outdir", "folder"), "out")
    | dict.fromkeys(("workers", "threads", "parallel", "jobs"), "concurrency")
    | dict.fromkeys(("size", "image_size"), "resolution")
    | dict.fromkeys(("ratio", "aspect"), "aspect_ratio")
    | dict.fromkeys(("template", "prompt_template"), "prompt")
    | dict.fromkeys(("service", "vendor", "engine"), "provider")
    | dict.fromkeys(("rate", "rate_limit", "requests_per_minute"), "rpm")
    | dict.fromkeys(("retries", "max_retries", "attempts"), "max_attempts")
    | dict.fromkeys(("url", "api_base", "api_url"), "base_url")
    | dict.fromkeys(("images", "count", "num_images"), "n")
)
_SECRET = re.compile(
    r"(?i)(.*[_-])?(api|secret|access|auth|private|account)[_-]?(key|token)s?"
    r"|keys?|tokens?|(.*[_-])?(secret|password)|bearer|authorization"
)
MOST_NAMES = 20
"""Names that a message lists at most."""


def check_names(
    names: Collection[object],
    known: Collection[str],
    what: str,
    elsewhere: Mapping[str, str] | None = None,
) -> None:
    """Refuse a name that is not known.

    Args:
        names: As they stand in the job.
        known: Those that may stand there.
        what: What they are names of: `key` or `provider`.
        elsewhere: What to say of names that belong to another place.

    Raises:
        ValueError: with the nearest known name, or all of them.
    """
    for name in names:
        if name not in known:
            hint = (elsewhere or {}).get(str(name))
            if hint is not None:
                raise ValueError(f"unknown {what} `{name}`{hint}")
            raise ValueError(unknown_name(str(name), known, what))


def unknown_name(name: str, known: Collection[str], what: str) -> str:
    """Return what to say of a name that is not known, with what was meant.

    Args:
        name: As it was written.
        known: Names that may stand there.
        what: What they are names of: `key` or `provider`.
    """
    return f"unknown {what} `{name}`{_hint(name, known, what)}"


def is_secret(name: str) -> bool:
    """Say whether a key of a job file seems to be meant for a secret."""
    return _SECRET.fullmatch(name) is not None


def _hint(name: str, known: Collection[str], what: str) -> str:
    if what == "provider":
        return _hint_of_provider(name, known)
    alias = _KEY_ALIASES.get(name.lower().replace("-", "_"))
    if alias in known:
        return f": did you mean `{alias}`?"
    return did_you_mean(name, known) or f": known are {listed(known)}"


def _hint_of_provider(name: str, known: Collection[str]) -> str:
    if (problem := PROVIDERS.problem_of(name)) is not None:
        return f": {problem}"
    several = [part for part in re.split(r"[\s,;+|/&]+", name) if part]
    if len(several) > 1 and all(part in known for part in several):
        if "," in name:  # where several may stand, commas part them before this
            return f": one is taken here: {' or '.join(several)}"
        return f": did you mean `{','.join(several)}`?"
    plain = re.sub(r"[\s_.-]", "", name.lower())
    if plain in PROVIDER_ALIASES and PROVIDER_ALIASES[plain] in known:
        return f": did you mean `{PROVIDER_ALIASES[plain]}`?"
    if _MODELS.fullmatch(plain) and plain not in known:
        makers = "openai makes it" if "gpt" in plain else "gemini and others make it"
        return (
            f": this is a model, and {makers}: choose from {', '.join(known)}, and "
            "name a model by --model or `model`"
        )
    return did_you_mean(name, known) or f": choose from {', '.join(known)}"


def listed(names: Collection[str]) -> str:
    """Return names for a message, the first of many."""
    first = list(names)[:MOST_NAMES]
    more = len(names) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")
