"""Names that a job may use, and the likely one for a wrong name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from batchgen.manifest.wording import did_you_mean
from batchgen.providers import PROVIDERS, key_variable

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
_MAX_LISTED = 20
"""Names that a message lists."""


def check_names(
    names: Collection[object],
    valid: Collection[str],
    kind: str,
    hints: Mapping[str, str] | None = None,
) -> None:
    """Refuse a name that is not valid.

    Args:
        names: As they stand in the job.
        valid: Names that may stand there.
        kind: What they are names of: `key`, `setting` or `provider`.
        hints: Ends of the message for names that belong to another place.

    Raises:
        ValueError: with the nearest valid name, or all of them.
    """
    for name in names:
        if name in valid:
            continue
        hint = (hints or {}).get(str(name))
        if hint is not None:
            raise ValueError(f"unknown {kind} `{name}`{hint}")
        raise ValueError(unknown_name(str(name), valid, kind))


def unknown_name(name: str, valid: Collection[str], kind: str) -> str:
    """Return a message about a name that is not valid, with the likely one.

    Args:
        name: As it was written.
        valid: Names that may stand there.
        kind: What they are names of: `key`, `setting` or `provider`.
    """
    if kind == "provider":
        return f"unknown {kind} `{name}`{_hint_of_provider(name, valid)}"
    return f"unknown {kind} `{name}`{_hint_of_key(name, valid)}"


def refuse_secrets(
    table: Mapping[str, Any], known_providers: Collection[str], remedy: str
) -> None:
    """Refuse the key of an account, wherever it stands; it is not repeated.

    Args:
        table: A job, laid out as in a job file.
        known_providers: Names that a provider may have.
        remedy: What to do about the key, for the message.

    Raises:
        ValueError: there is one.
    """
    for name in _secrets_in(table):
        names = table.get("provider", "")
        first = names[0] if isinstance(names, list) and names else names
        provider = str(first).partition(",")[0].strip()
        variable = key_variable(provider if provider in known_providers else "gemini")
        raise ValueError(
            f"`{name}`: a key stands in the environment, {remedy} and say "
            f"export {variable}=your-key"
        )


def _secrets_in(table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of all entries that seem to hold secrets."""
    for name, value in table.items():
        if isinstance(value, str) and _SECRET.fullmatch(name):
            yield name
        if isinstance(value, Mapping) and name != "columns":
            yield from _secrets_in(value)


def _hint_of_key(name: str, valid: Collection[str]) -> str:
    alias = _KEY_ALIASES.get(name.lower().replace("-", "_"))
    if alias in valid:
        return f": did you mean `{alias}`?"
    return did_you_mean(name, valid) or f": known are {_list_of(valid)}"


def _hint_of_provider(name: str, valid: Collection[str]) -> str:
    if (problem := PROVIDERS.problem_of(name)) is not None:
        return f": {problem}"
    several = [part for part in re.split(r"[\s,;+|/&]+", name) if part]
    if len(several) > 1 and all(part in valid for part in several):
        if "," in name:  # where several are allowed, the text was split at commas
            return f": one is taken here: {' or '.join(several)}"
        return f": did you mean `{','.join(several)}`?"
    plain = re.sub(r"[\s_.-]", "", name.lower())
    if plain in PROVIDER_ALIASES and PROVIDER_ALIASES[plain] in valid:
        return f": did you mean `{PROVIDER_ALIASES[plain]}`?"
    if _MODELS.fullmatch(plain) and plain not in valid:
        makers = "openai makes it" if "gpt" in plain else "gemini and others make it"
        return (
            f": this is a model, and {makers}: choose from {', '.join(valid)}, and "
            "name a model by --model or `model`"
        )
    return did_you_mean(name, valid) or f": choose from {', '.join(valid)}"


def _list_of(names: Collection[str]) -> str:
    """Return names for a message: all, or the first of many."""
    first = list(names)[:_MAX_LISTED]
    more = len(names) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")
