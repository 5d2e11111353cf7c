"""What a provider can do, as data, and whether a request fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from batchgen.model.request import ImageRequest

RESOLUTIONS = ("512", "1K", "2K", "4K")
_SCALE = MappingProxyType({"512": (1, 2), "1K": (1, 1), "2K": (2, 1), "4K": (4, 1)})

# Google's table for Gemini 3.1 Flash Image, column 1K (ai.google.dev image guide,
# stored copies read 2026-11-20); 512 is half of it, 2K double, 4K four times.
PIXELS_AT_1K: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "1:1": (1024, 1024),
        "1:4": (512, 2048),
        "1:8": (384, 3072),
        "2:3": (848, 1264),
        "3:2": (1264, 848),
        "3:4": (896, 1200),
        "4:1": (2048, 512),
        "4:3": (1200, 896),
        "4:5": (928, 1152),
        "5:4": (1152, 928),
        "8:1": (3072, 384),
        "9:16": (768, 1376),
        "16:9": (1376, 768),
        "21:9": (1584, 672),
    }
)


def pixel_size(aspect_ratio: str, resolution: str) -> tuple[int, int] | None:
    """Return width and height in pixels that were paid for, or None if not tabled."""
    base = PIXELS_AT_1K.get(aspect_ratio)
    scale = _SCALE.get(resolution)
    if base is None or scale is None:
        return None
    times, over = scale
    return base[0] * times // over, base[1] * times // over


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider can do.

    Attributes:
        aspect_ratios: In batchgen's words, `auto` included where the provider has it.
        resolutions: In batchgen's words (`512`, not `0.5K`).
        default_resolution: What the provider makes, and charges, if nothing is said.
        images_per_request: Most images that one request can buy.
        max_references: Most reference images of one request.
        reference_schemes: Schemes of references that it takes as they are.
        options: Names of `type_of_option` that it understands.
    """

    aspect_ratios: tuple[str, ...]
    resolutions: tuple[str, ...]
    default_resolution: str
    images_per_request: int
    max_references: int
    reference_schemes: tuple[str, ...]
    options: frozenset[str] = frozenset()

    def misfits(self, request: ImageRequest) -> Iterator[tuple[str, str]]:
        """Yield column and reason for all of a request that cannot be done."""
        ratio, resolution = request.aspect_ratio, request.resolution
        if ratio is not None and ratio not in self.aspect_ratios:
            yield "aspect_ratio", f"no {ratio}; it has {', '.join(self.aspect_ratios)}"
        if resolution is not None and resolution not in self.resolutions:
            have = ", ".join(self.resolutions)
            yield "resolution", f"no {resolution}; it has {have}"
        if len(request.references) > self.max_references:
            count = len(request.references)
            yield "references", f"{count} given, at most {self.max_references} taken"
        for reference in request.references:
            scheme = reference.partition(":")[0].lower()
            if scheme not in self.reference_schemes:
                have = ", ".join(self.reference_schemes)
                yield "references", f"{reference[:80]!r} is not taken; it takes {have}"
        for option in request.options:
            if option not in self.options:
                yield option, "the provider has no such option"
