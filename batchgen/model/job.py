"""A job: manifest, providers, defaults, limits, output.

`batchgen.job.settings` declares what each setting means; the defaults are here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

from batchgen.model.capabilities import Capabilities
from batchgen.model.price import PriceList
from batchgen.model.request import OptionValue

Auto = Literal["auto"]
Empty = Literal["buy", "skip"]
FailedTasks = Literal["unknown", "free"]
OnDayFull = Literal["stop", "wait"]
OnUnknown = Literal["retry", "hold"]
ReferenceTransport = Literal["inline", "upload"]
Route = Literal["cheapest", "fastest"]
Shutdowns = Literal["refuse", "ignore"]
Unsupported = Literal["refuse", "drop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceTerms:
    """Settings of reference images.

    Attributes:
        folder: Local files must be inside it, also behind symbolic links; None for the
            manifest's folder.
        shrink: Whether an image that a provider does not accept may be re-encoded or
            scaled down.
    """

    folder: Path | None = None
    shrink: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Settings of one provider; None leaves one to the provider's defaults.

    Attributes:
        prices: Prices that override the provider's own list.
        rates: US dollars for each unit in which the provider reports charges.
        failed_tasks: `unknown` puts the price of a failed task at risk, `free` does
            not; None for the provider's documented rule.
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
    references: ReferenceTransport | None = None
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    failed_tasks: FailedTasks | None = None
    shutdowns: Shutdowns = "refuse"

    def adapt(self, capabilities: Capabilities) -> Capabilities:
        """Return what a provider supports under these terms."""
        rules, max_count = capabilities.references, self.max_references
        # The carrier that the job names comes first.
        carriers = sorted(rules.carriers, key=lambda name: name != self.references)
        return replace(
            capabilities,
            references=replace(
                rules,
                max_count=rules.max_count if max_count is None else max_count,
                max_bytes=self.max_reference_bytes or rules.max_bytes,
                carriers=tuple(carriers),
            ),
            images_per_request=self.images_per_request
            or capabilities.images_per_request,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """How one row of the table becomes several: all combinations of some values.

    Attributes:
        values: The values of a new column, by its name.
        list_columns: The column of the table whose cells list the values of a new
            column, by the name of the new one; both may have the same name.
        table: A second table, each of whose rows is combined with each row; None if
            there is none.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    list_columns: Mapping[str, str] = field(default_factory=dict)
    table: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job, with every path absolute and every default filled in.

    Attributes:
        source: The job file or manifest that the user named.
        terms: Settings that hold for one provider, by its name.
        columns: The manifest's own name for a known column (`prompt`: `Description`).
        filename: Template of file names; None for the column `filename`.
        max_cost: None for no budget, as with the other amounts.
        max_cost_by: US dollars for each value of a column of the manifest, by column;
            `*` stands for values that are not named.
        expand: None where each row of the table is one row.
        empty: None refuses the run where many rows lack values of the template.
        max_failures: None never stops a run because rows fail.
        memory_mb: None for what fits into the container, at most 256.
        limit: None for all rows.
        from_defaults: Names of settings that only the user's defaults state.
        tables: Formats of the result table besides Parquet; None for those that the
            run folder has.
        notify_on: `end`, `budget`, `outage`.
        image_folder: See `images_folder`; None for `references` in the run folder.
    """

    source: Path
    manifest: Path
    out: Path
    providers: tuple[str, ...]
    terms: Mapping[str, Terms] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    prompt: str | None = None
    filename: str | None = None
    aspect_ratio: str | None = None
    resolution: str | None = None
    n: int | None = None
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    allow_http: bool = False
    route: Route = "cheapest"
    dedupe: bool = False
    max_cost: Decimal | None = None
    max_cost_per_day: Decimal | None = None
    on_day_full: OnDayFull = "stop"
    max_cost_by: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    max_attempts: int = 5
    on_unknown: OnUnknown = "retry"
    max_unknown: int = 1
    max_failures: float | None = 0.9
    expand: Expansion | None = None
    empty: Empty | None = None
    unsupported: Unsupported = "refuse"
    references: ReferenceTerms = field(default_factory=ReferenceTerms)
    memory_mb: int | None = None
    limit: int | None = None
    grace_s: float = 60.0
    from_defaults: tuple[str, ...] = ()
    notify_on: tuple[str, ...] = ()
    notify_outage_minutes: float = 10.0
    tables: tuple[str, ...] | None = None
    image_folder: Path | None = None

    @property
    def images_folder(self) -> Path:
        """The folder of images that came in cells of the table."""
        return self.image_folder or self.out / "references"

    def terms_of(self, provider: str) -> Terms:
        return self.terms.get(provider) or Terms()
