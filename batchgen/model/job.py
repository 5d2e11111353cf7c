"""What the user asks for as a whole: manifest, providers, defaults, limits, output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

from batchgen.model.capabilities import Capabilities
from batchgen.model.price import PriceList
from batchgen.model.request import OptionValue

Empty = Literal["buy", "skip"]
OnUnknown = Literal["retry", "hold"]
Auto = Literal["auto"]
Route = Literal["cheapest", "fastest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceTerms:
    """What the job says of reference images.

    Attributes:
        folder: Local files must lie below it, links followed; None for the manifest's.
        shrink: Whether one that a provider would not take may be re-encoded or scaled
            down until it does.
    """

    folder: Path | None = None
    shrink: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the job says of one provider; None leaves it to the provider's defaults.

    Attributes:
        rpm: Purchase requests per minute; `auto` finds what the provider takes.
        concurrency: Purchases between SENT and DELIVERED; `auto` likewise.
        prices: Prices that stand above the provider's own list.
        endpoint: A path, or a word that the provider knows, for its purchases.
        images_per_request: Most images that one request may buy.
        max_references: Most reference images of one request.
        max_reference_bytes: Size of one reference image.
        references: How files travel where the provider takes both: `inline` sends
            them with each request, `upload` once, to the provider's own store.
        rates: US dollars for each unit in which the provider reports what it charged.
        failed_tasks: What a task that failed is taken to have cost: `unknown` puts its
            price at risk, `free` does not; None for what the provider documents.
        shutdowns: Whether rows are refused whose model is known to be shut down.
    """

    base_url: str | None = None
    model: str | None = None
    rpm: float | Auto | None = None
    concurrency: int | Auto | None = None
    prices: PriceList = ()
    endpoint: str | None = None
    images_per_request: int | None = None
    max_references: int | None = None
    max_reference_bytes: int | None = None
    references: Literal["inline", "upload"] | None = None
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    failed_tasks: Literal["unknown", "free"] | None = None
    shutdowns: Literal["refuse", "ignore"] = "refuse"

    def adapt(self, able: Capabilities) -> Capabilities:
        """Return what a provider can do under these terms."""
        rules = able.references
        rules = replace(
            rules,
            most=rules.most if self.max_references is None else self.max_references,
            most_bytes=self.max_reference_bytes or rules.most_bytes,
            carriers=tuple(
                sorted(rules.carriers, key=lambda carrier: carrier != self.references)
            ),
        )
        images = self.images_per_request or able.images_per_request
        return replace(able, references=rules, images_per_request=images)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job, with every path absolute and every default filled in.

    Attributes:
        source: The job file or manifest that the user named.
        out: The run folder.
        options: By names of `type_of_option`, for rows that say nothing of them.
        prompt: Jinja2 template; None takes the column `prompt` as it is.
        columns: The manifest's own name for a known column (`prompt`: `Description`).
        aspect_ratio: Default for rows that say nothing; so are resolution and n.
        allow_http: Whether plain http is allowed on private addresses.
        route: How rows are spread over several providers: each to the cheapest that can
            do it, or over all by what each may do in a minute.
        dedupe: Whether rows that ask for the same are bought once.
        max_cost: US dollars over the whole run folder; None for no budget.
        max_cost_per_day: US dollars for what is sent on one UTC day.
        on_day_full: Whether the run ends then, or waits for the next day.
        max_cost_by: US dollars for each value of a column of the manifest, by column;
            `*` stands for values that are not named.
        max_attempts: Purchases of one part.
        on_unknown: What to do after an outcome that nobody can know.
        max_unknown: Purchases of one part again after unknown outcomes.
        empty: Whether rows are bought that lack some of the values which the template
            uses; None refuses the run where there are many.
        unsupported: Whether a row is refused whose options its provider lacks, or
            bought without them, with a warning.
        max_failures: Share of the last rows whose failure for their own sake stops the
            run; None for no such stop.
        memory_mb: Megabytes that replies and downloads may take until they are stored;
            None for what fits into the container, at most 256.
        limit: Only the first rows of the manifest; None for all.
        grace_s: Seconds to wait for replies after the first signal.
        image_folder: See `images_at`; None for `references` in the run folder.
    """

    source: Path
    manifest: Path
    out: Path
    providers: tuple[str, ...]
    terms: Mapping[str, Terms] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    prompt: str | None = None
    aspect_ratio: str | None = None
    resolution: str | None = None
    n: int | None = None
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    allow_http: bool = False
    route: Route = "cheapest"
    dedupe: bool = False
    max_cost: Decimal | None = None
    max_cost_per_day: Decimal | None = None
    on_day_full: Literal["stop", "wait"] = "stop"
    max_cost_by: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    max_attempts: int = 5
    on_unknown: OnUnknown = "retry"
    max_unknown: int = 1
    max_failures: float | None = 0.9
    empty: Empty | None = None
    unsupported: Literal["refuse", "drop"] = "refuse"
    references: ReferenceTerms = field(default_factory=ReferenceTerms)
    memory_mb: int | None = None
    limit: int | None = None
    grace_s: float = 60.0
    image_folder: Path | None = None

    @property
    def images_at(self) -> Path:
        """Where images are kept whose bytes stand in the table itself."""
        return self.image_folder or self.out / "references"

    def terms_of(self, provider: str) -> Terms:
        """Return what the job says of a provider."""
        return self.terms.get(provider) or Terms()
