"""The request of one row, independent of any provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

type_of_option: Mapping[str, type] = MappingProxyType(
    {
        "negative_prompt": str,
        "output_format": str,
        "web_search": bool,
        "image_search": bool,
        "temperature": float,
        "top_p": float,
        "top_k": int,
        "max_output_tokens": int,
        "person_generation": str,
        "safety_filter_level": str,
        "service_tier": str,
        "official_fallback": bool,
        "quality": str,
        "background": str,
        "moderation": str,
        "output_compression": int,
        "thinking_level": str,
    }
)
"""The option columns of a manifest and the types of their cells."""

OptionValue = str | int | float | bool

COMMON_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "quality": ("low", "medium", "high", "xhigh", "max", "auto"),
        "background": ("transparent", "opaque", "auto"),
        "moderation": ("low", "auto"),
        "output_compression": tuple(map(str, range(101))),
        "thinking_level": ("minimal", "low", "medium", "high"),
    }
)
"""Options whose names are common words, with all their values.

A table may use such a column name for something else: a column that the job does not
map is the option only if its value is one of these. A provider without such an option
leaves it out.
"""


MAX_REFERENCE_BYTES = 100_000_000
"""Of one reference image. No provider accepts as much: a larger file is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """The request of one row, the same for every provider.

    Attributes:
        prompt: The text that is sent, after the template was rendered.
        references: http(s) URLs, data URIs or file paths, in the row's order.
        aspect_ratio: `W:H` or `auto`; None for the provider's default.
        resolution: `512`, `1K`, `2K` or `4K`; None for the provider's default.
        n: Number of images, at least 1.
        model: As the row or the job states it; None for the provider's default.
        options: Options that are stated, by names of `type_of_option`.
    """

    prompt: str
    references: tuple[str, ...] = ()
    aspect_ratio: str | None = None
    resolution: str | None = None
    n: int = 1
    model: str | None = None
    options: Mapping[str, OptionValue] = field(default_factory=dict)


def too_large_message(size_bytes: int) -> str:
    """Say that a reference image is larger than the maximum."""
    megabytes = MAX_REFERENCE_BYTES // 1_000_000
    return f"{size_bytes / 1e6:,.1f} MB are too large (at most {megabytes} MB)"
