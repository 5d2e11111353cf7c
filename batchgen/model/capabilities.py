"""What a provider supports, as data, and why it does not support a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import Literal

from batchgen.addresses import is_url
from batchgen.model.model_limits import ModelLimits, OptionRule, Shutdown
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
    """Return the width and height in pixels that a purchase buys, if they are known."""
    size = PIXELS_AT_1K.get(aspect_ratio)
    scale = _SCALE.get(resolution)
    if size is None or scale is None:
        return None
    numerator, denominator = scale
    width, height = (side * numerator // denominator for side in size)
    return width, height


Carrier = Literal["link", "inline", "part", "upload"]
"""How a reference image is sent: as a URL that the provider fetches, as base64 in JSON,
as a part of a form, or as the link of an earlier upload to the provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRules:
    """Which reference images a provider accepts.

    Attributes:
        max_count: Maximum number in one request; 0 if none is accepted.
        carriers: How they may be sent, the preferred way first; an http(s) URL is sent
            as a link if `link` is among them.
        media_types: Accepted formats.
        max_bytes: Maximum size of one file before base64; None if not documented.
        max_total_bytes: Maximum size of all files of one request together.
    """

    max_count: int
    carriers: tuple[Carrier, ...]
    # [assumed] if a provider documents no formats: the three that all accept.
    media_types: tuple[str, ...] = ("image/png", "image/jpeg", "image/webp")
    max_bytes: int | None = None
    max_total_bytes: int | None = None

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
    """What a provider supports.

    Attributes:
        aspect_ratios: In batchgen's spelling, with `auto` if the provider has it.
        resolutions: In batchgen's spelling (`512`, not `0.5K`).
        default_resolution: What the provider makes, and charges, by default.
        images_per_request: Maximum number of images in one request.
        options: Rules of the supported options, by names of `type_of_option`.
        models: Model by resolution, if the model id selects the resolution.
        by_model: What differs for single models.
        model_prefix: An optional prefix of model ids, ignored when they are compared.
        shutdowns: Models that are, or will be, shut down at the provider's own address.
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
        """Return what is supported with one model."""
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
        """Return what is supported at another address than the provider's own.

        Its shutdowns and limits of pixels may not apply there.
        """
        by_model = {
            model: replace(limits, pixels=None)
            for model, limits in self.by_model.items()
        }
        return replace(self, by_model=by_model, shutdowns={})

    def on(self, day: date) -> Capabilities:
        """Return what is supported on a day: later shutdowns are left out."""
        past = {
            model: shutdown
            for model, shutdown in self.shutdowns.items()
            if shutdown.day <= day
        }
        return replace(self, shutdowns=past)

    def unsupported(
        self, request: ImageRequest, model: str | None = None
    ) -> Iterator[tuple[str, str]]:
        """Yield column and reason for each part of a request that is not supported.

        A reason completes a sentence that begins with the provider's name. Options that
        the provider does not know are not included: see `missing_options`. Neither are
        facts that only the bytes of a reference show: see `batchgen.references`.
        """
        if (shutdown := self.shutdowns.get(model or "")) is not None:
            verb = "reports" if shutdown.is_observed else "announced"
            use = f"; use {shutdown.successor}" if shutdown.successor else ""
            fact = f"{verb} that {model} was shut down on {shutdown.day}{use}"
            yield "model", f'{fact} (`shutdowns = "ignore"` sends it all the same)'
        supported = self.for_model(model)
        differs = supported.resolutions != self.resolutions
        yield from _unsupported_shape(supported, request, model if differs else None)
        yield from _unsupported_options(supported, request)
        yield from self._unsupported_pixels(request, model)

    def _unsupported_pixels(
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
        # If a square image is possible at this resolution, the ratio is the problem.
        is_ratio = square is not None and limits.pixels.problem(square) is None
        yield (
            "aspect_ratio" if is_ratio else "resolution",
            f"{problem} with {model}, and {ratio} at {resolution} is "
            f"{size[0]}x{size[1]} px",
        )

    def missing_options(self, request: ImageRequest) -> tuple[str, ...]:
        """Return the options of a request that the provider does not know.

        An option that is false requests nothing. A column with a name of
        `COMMON_WORDS` may mean something else, so it is not reported.
        """
        stated = (name for name, value in request.options.items() if value is not False)
        return tuple(
            name
            for name in stated
            if name not in self.options and name not in COMMON_WORDS
        )

    def resolve_model(
        self, request: ImageRequest, stated: str | None
    ) -> tuple[str | None, str]:
        """Return the model to send (None for the default) and the resolution to buy.

        If the model id selects the resolution, the resolution of a row selects the id,
        and an id without a resolution keeps its own.

        Args:
            request: The request.
            stated: The model that the row, or else the job, names.
        """
        if stated is not None:
            stated = stated.removeprefix(self.model_prefix)
        resolution_of = {model: size for size, model in self.models.items()}
        resolution = request.resolution or resolution_of.get(
            stated or "", self.default_resolution
        )
        if stated is None or stated in resolution_of:
            return self.models.get(resolution, stated), resolution
        return stated, resolution


def _unsupported_shape(
    supported: Capabilities, request: ImageRequest, model: str | None
) -> Iterator[tuple[str, str]]:
    """Yield column and reason for ratio, resolution and number of references.

    Args:
        supported: What the provider supports.
        request: The request.
        model: To be named in the message; None if the message holds for all models.
    """
    ratio, resolution = request.aspect_ratio, request.resolution
    if ratio is not None and ratio not in supported.aspect_ratios:
        values = ", ".join(supported.aspect_ratios)
        yield "aspect_ratio", f"has no {ratio} (it has {values})"
    if resolution is not None and resolution not in supported.resolutions:
        values = ", ".join(supported.resolutions)
        place = "" if model is None else f" with {model}"
        yield "resolution", f"has no {resolution}{place} (it has {values})"
    count, max_count = len(request.references), supported.references.max_count
    if count > max_count:
        noun = "reference image" if max_count == 1 else "reference images"
        yield "references", f"takes at most {max_count} {noun}, not {count}"


def _unsupported_options(
    supported: Capabilities, request: ImageRequest
) -> Iterator[tuple[str, str]]:
    for name, value in request.options.items():
        rule = supported.options.get(name, OptionRule())
        if (reason := rule.why_unsupported(value)) is not None:
            yield name, reason
        if value and rule.needs and not request.options.get(rule.needs):
            yield name, f"has {name} only together with {rule.needs}"
        if (
            rule.beside is not None
            and request.options.get(rule.beside[0]) not in (rule.beside[1])
        ):
            other, values = rule.beside
            yield name, f"has {name} only together with {other} {' or '.join(values)}"
