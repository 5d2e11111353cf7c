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
from batchgen.model.row_scope import RowScope

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
        table_formats: Of the result table besides Parquet; None for those that the run
            folder has.
        notify_on: `end`, `budget`, `outage`.
        more_tables: Further files of the manifest; see `tables`.
        base_folder: See `folder`; None for the manifest's.
        encoding: Of a text table, as Python names it; None finds it out.
        delimiter: Between the cells of a text table; None finds it out.
        where: Condition in SQL that rows in scope fulfil.
        rows: Positions in scope; empty for all.
        ids: A file with the ids in scope.
        first_by: Of the rows in scope, only the first with each value of this column.
        sample: Of the rows in scope, only so many, at random by `sample_seed`.
        scope: The rows that these settings chose, once the table was read; else None.
        sheet: Of a workbook; None for the first with cells.
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
    table_formats: tuple[str, ...] | None = None
    image_folder: Path | None = None
    more_tables: tuple[Path, ...] = ()
    base_folder: Path | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    where: str | None = None
    rows: tuple[range, ...] = ()
    ids: Path | None = None
    first_by: str | None = None
    sample: int | None = None
    sample_seed: int = 0
    scope: RowScope | None = None

    @property
    def has_choice(self) -> bool:
        """Whether the table must be read to know which rows are in scope."""
        choices = (self.where, self.ids, self.first_by, self.sample)
        return bool(self.rows) or any(choice is not None for choice in choices)

    @property
    def rows_in_scope(self) -> RowScope:
        """The rows that the run is about."""
        if self.scope is not None:
            return self.scope
        return RowScope() if self.limit is None else RowScope(self.limit)

    @property
    def tables(self) -> tuple[Path, ...]:
        """All files of the manifest."""
        return (self.manifest, *self.more_tables)

    @property
    def folder(self) -> Path:
        """Where relative paths in cells begin: as a rule beside the (first) table."""
        return self.base_folder or self.manifest.parent

    @property
    def images_folder(self) -> Path:
        """The folder of images that came in cells of the table."""
        return self.image_folder or self.out / "references"

    def terms_of(self, provider: str) -> Terms:
        return self.terms.get(provider) or Terms()
