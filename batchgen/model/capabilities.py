"""What a provider can do, as data, and whether a request fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import Literal

from batchgen.addresses import is_url
from batchgen.model.model_limits import ModelLimits, Shutdown
from batchgen.model.option import OptionRule
from batchgen.model.request import COMMON_WORDS, ImageRequest

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

    def is_sent_as_link(self, reference: str) -> bool:
        """Tell whether the provider fetches a reference itself."""
        return is_url(reference) and "link" in self.carriers

    def carrier_of(self, reference: str) -> Carrier:
        """Return how a reference (URL, data URI or path) is sent."""
        if self.is_sent_as_link(reference):
            return "link"
        return next(carrier for carrier in self.carriers if carrier != "link")


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
        by_model: What single models take, where that differs.
        model_prefix: What an id may begin with that is no part of it.
        shutdowns: Models that are, or will be, switched off at the provider's own
            address.
    """

    aspect_ratios: tuple[str, ...]
    resolutions: tuple[str, ...]
    default_resolution: str
    images_per_request: int
    references: ReferenceRules
    options: Mapping[str, OptionRule] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    by_model: Mapping[str, ModelLimits] = field(default_factory=dict)
    model_prefix: str = ""
    shutdowns: Mapping[str, Shutdown] = field(default_factory=dict)

    def for_model(self, model: str | None) -> Capabilities:
        """Return what can be done with one model."""
        limits = self.by_model.get(model or "")
        if limits is None:
            return self
        options = {**self.options, **limits.options}
        return replace(
            self,
            resolutions=limits.resolutions or self.resolutions,
            options={name: rule for name, rule in options.items() if rule is not None},
            by_model={},
        )

    def elsewhere(self) -> Capabilities:
        """Return what can be done at an address that is not the provider's own.

        There the provider's shutdowns and limits of pixels are not known to hold.
        """
        by_model = {
            model: replace(limits, pixels=None)
            for model, limits in self.by_model.items()
        }
        return replace(self, by_model=by_model, shutdowns={})

    def on(self, day: date) -> Capabilities:
        """Return what can be done on a day: shutdowns that are to come are left out."""
        past = {
            model: shutdown
            for model, shutdown in self.shutdowns.items()
            if shutdown.day <= day
        }
        return replace(self, shutdowns=past)

    def misfits(
        self, request: ImageRequest, model: str | None = None
    ) -> Iterator[tuple[str, str]]:
        """Yield column and reason for all of a request that cannot be done.

        A reason completes a sentence that begins with the provider's name.
        An option that the provider lacks is not among them: see `lacking`. Nor is
        what only the bytes of a reference tell: see `references`.
        """
        if (end := self.shutdowns.get(model or "")) is not None:
            verb = "reports" if end.is_observed else "announced"
            use = f"; use {end.successor}" if end.successor else ""
            off = f"{verb} that {model} was shut down on {end.day}{use}"
            yield "model", f'{off} (`shutdowns = "ignore"` sends it all the same)'
        able = self.for_model(model)
        named = f" with {model}" if able.resolutions != self.resolutions else ""
        yield from _misfits(able, request, named)
        yield from self._pixel_misfits(request, model)

    def _pixel_misfits(
        self, request: ImageRequest, model: str | None
    ) -> Iterator[tuple[str, str]]:
        limits = self.by_model.get(model or "")
        if limits is None or limits.pixels is None:
            return
        ratio = request.aspect_ratio or "1:1"
        resolution = request.resolution or self.default_resolution
        size = pixel_size(ratio, resolution)
        if size is None or (problem := limits.pixels.problem(size)) is None:
            return
        square = pixel_size("1:1", resolution)
        is_ratio = square is not None and limits.pixels.problem(square) is None
        wanted = f"{ratio} at {resolution} is {size[0]}x{size[1]} px"
        yield (
            "aspect_ratio" if is_ratio else "resolution",
            f"{problem} with {model}, and {wanted}",
        )

    def lacking(self, request: ImageRequest) -> tuple[str, ...]:
        """Return the options of a request that the provider does not have.

        One that is false asks for nothing, and what may be no option is left out.
        """
        stated = (name for name, value in request.options.items() if value is not False)
        return tuple(
            name
            for name in stated
            if name not in self.options and name not in COMMON_WORDS
        )

    def sale(self, request: ImageRequest, stated: str | None) -> tuple[str | None, str]:
        """Return the model to be sent, None for the provider's own, and the resolution.

        Where the model's id chooses the resolution, a row's resolution chooses among
        the ids, and an id without a resolution beside it stands for its own.

        Args:
            request: What is asked for.
            stated: The model that the row, or else the job, names.
        """
        if stated is not None:
            stated = stated.removeprefix(self.model_prefix)
        by_model = {model: size for size, model in self.models.items()}
        meant = by_model.get(stated or "", self.default_resolution)
        resolution = request.resolution or meant
        if stated is None or stated in by_model:
            return self.models.get(resolution, stated), resolution
        return stated, resolution


def _misfits(
    able: Capabilities, request: ImageRequest, named: str
) -> Iterator[tuple[str, str]]:
    ratio, resolution = request.aspect_ratio, request.resolution
    if ratio is not None and ratio not in able.aspect_ratios:
        have = ", ".join(able.aspect_ratios)
        yield "aspect_ratio", f"has no {ratio} (it has {have})"
    if resolution is not None and resolution not in able.resolutions:
        have = ", ".join(able.resolutions)
        yield "resolution", f"has no {resolution}{named} (it has {have})"
    if len(request.references) > able.references.most:
        most, given = able.references.most, len(request.references)
        noun = "reference image" if most == 1 else "reference images"
        yield "references", f"takes at most {most} {noun}, not {given}"
    for name, value in request.options.items():
        rule = able.options.get(name, OptionRule())
        if (reason := rule.misfit(value)) is not None:
            yield name, reason
        if value and rule.needs and not request.options.get(rule.needs):
            yield name, f"has {name} only together with {rule.needs}"
        if (
            rule.beside is not None
            and request.options.get(rule.beside[0]) not in (rule.beside[1])
        ):
            other, values = rule.beside
            words = " or ".join(values)
            yield name, f"has {name} only together with {other} {words}"
