"""What a provider can do, as data, and whether a request fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from batchgen.model.request import ImageRequest, OptionValue

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


Carrier = Literal["link", "inline", "part", "upload"]
"""How a reference image travels: as a URL that the provider fetches, as base64 within
JSON, as a part of a form, or uploaded first to the provider, whose link then stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRules:
    """What a provider takes as reference images.

    Attributes:
        most: Most of them in one request; 0 where none is taken.
        carriers: How they may travel, the preferred one first; an http(s) URL goes as
            a link wherever `link` is among them.
        media_types: Formats that it takes.
        most_bytes: Size of one file, as bytes before base64; None if not documented.
        most_bytes_together: Size of all files of one request; None if not documented.
    """

    most: int
    carriers: tuple[Carrier, ...]
    # [assumed] where a provider documents no formats: the three that each takes.
    media_types: tuple[str, ...] = ("image/png", "image/jpeg", "image/webp")
    most_bytes: int | None = None
    most_bytes_together: int | None = None

    def carrier_of(self, reference: str) -> Carrier:
        """Return how a reference (URL, data URI or path) travels."""
        is_url = reference.lower().startswith(("https://", "http://"))
        if is_url and "link" in self.carriers:
            return "link"
        return next(it for it in self.carriers if it != "link")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRule:
    """What a provider takes as the value of one option.

    Attributes:
        choices: Allowed words; empty where any is.
        least: Smallest number, with `most` the largest; None where there is none.
        needs: Another option that must be true beside it.
    """

    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    needs: str | None = None

    def misfit(self, value: OptionValue) -> str | None:
        """Return why a provider cannot take a value, None if it can."""
        if self.choices and value not in self.choices:
            return f"has no {value} (it has {', '.join(self.choices)})"
        if isinstance(value, int | float) and not isinstance(value, bool):
            least, most = self.least, self.most
            too_small = least is not None and value < least
            if too_small or (most is not None and value > most):
                return f"takes {least or 0:g} to {most:g}, not {value:g}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider can do.

    Attributes:
        aspect_ratios: In batchgen's words, `auto` included where the provider has it.
        resolutions: In batchgen's words (`512`, not `0.5K`).
        default_resolution: What the provider makes, and charges, if nothing is said.
        images_per_request: Most images that one request can buy.
        options: By names of `type_of_option`, those that it understands.
        models: Model by resolution, where the model's id is what chooses it.
    """

    aspect_ratios: tuple[str, ...]
    resolutions: tuple[str, ...]
    default_resolution: str
    images_per_request: int
    references: ReferenceRules
    options: Mapping[str, OptionRule] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)

    def misfits(self, request: ImageRequest) -> Iterator[tuple[str, str]]:
        """Yield column and reason for all of a request that cannot be done.

        A reason completes a sentence that begins with the provider's name.
        An option that the provider lacks is not among them: see `lacking`. Nor is
        what only the bytes of a reference tell: see `references`.
        """
        ratio, resolution = request.aspect_ratio, request.resolution
        if ratio is not None and ratio not in self.aspect_ratios:
            have = ", ".join(self.aspect_ratios)
            yield "aspect_ratio", f"has no {ratio} (it has {have})"
        if resolution is not None and resolution not in self.resolutions:
            have = ", ".join(self.resolutions)
            yield "resolution", f"has no {resolution} (it has {have})"
        if len(request.references) > self.references.most:
            most, given = self.references.most, len(request.references)
            noun = "reference image" if most == 1 else "reference images"
            yield "references", f"takes at most {most} {noun}, not {given}"
        for name, value in request.options.items():
            rule = self.options.get(name, OptionRule())
            if (reason := rule.misfit(value)) is not None:
                yield name, reason
            if value and rule.needs and not request.options.get(rule.needs):
                yield name, f"has {name} only together with {rule.needs}"

    def lacking(self, request: ImageRequest) -> tuple[str, ...]:
        """Return the options of a request that the provider does not have.

        One that is false asks for nothing.
        """
        stated = (name for name, value in request.options.items() if value is not False)
        return tuple(name for name in stated if name not in self.options)

    def sale(self, request: ImageRequest, stated: str | None) -> tuple[str | None, str]:
        """Return the model to be sent, None for the provider's own, and the resolution.

        Where the model's id chooses the resolution, a row's resolution chooses among
        the ids, and an id without a resolution beside it stands for its own.

        Args:
            request: What is asked for.
            stated: The model that the row, or else the job, names.
        """
        by_model = {model: size for size, model in self.models.items()}
        meant = by_model.get(stated or "", self.default_resolution)
        resolution = request.resolution or meant
        if stated is None or stated in by_model:
            return self.models.get(resolution, stated), resolution
        return stated, resolution
