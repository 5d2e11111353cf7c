"""A reading that was cut short is carried on to the plan that it would have made."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import polars as pl
import pytest
from PIL import Image

from batchgen.ledger import Ledger, Reader
from batchgen.ledger.resuming import bookmark_of, count_opening
from batchgen.manifest.manifest import Manifest
from batchgen.model import Status
from batchgen.output.archive import Archive
from batchgen.planning import planner as planner_module
from batchgen.planning.planner import Planner, ReadingStopped
from batchgen.planning.routing import Router
from batchgen.providers import PROVIDERS
from batchgen.storage.writer import Writer, to_thread
from tests.ledger.books import buy_images, row_ids
from tests.planning.test_routing import router_for
from tests.references.pictures import written

pytestmark = pytest.mark.anyio

SLICE, ROWS = 7, 40

Columns = dict[str, Sequence[Any]]


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner_module, "SLICE", SLICE)


@dataclass(frozen=True, slots=True)
class Case:
    """What a manifest holds, and what its job says."""

    columns: Columns
    providers: tuple[str, ...] = ("aimlapi",)
    settings: dict[str, Any] = field(default_factory=dict)


IDS = [f"id{number % 33}" for number in range(ROWS)]
PROMPTS = [f"cup {number % 9}" for number in range(ROWS)]
RATIOS = ["1:1", "77:3", "1:1", "", "round"] * (ROWS // 5)
"""The second no provider can make, the last cannot be read."""

CASES = {
    "ids": Case({"id": IDS, "prompt": PROMPTS, "aspect_ratio": RATIOS}),
    "without-ids": Case({"prompt": PROMPTS, "aspect_ratio": RATIOS}),
    # A row that nobody can make counts for those that ask for the same below.
    "for-nobody": Case(
        {"prompt": PROMPTS, "provider": ["nobody", "", "aimlapi", ""] * 10}
    ),
    "empty-ids": Case({"id": ["", "a", "b", ""] * 10, "prompt": PROMPTS}),
    "names": Case(
        {"prompt": PROMPTS, "filename": ["cup.png", "CUP", "jar"] * 13 + [""]}
    ),
    "shared": Case(
        {"prompt": PROMPTS, "aspect_ratio": RATIOS}, settings={"dedupe": True}
    ),
    "shared-ids": Case({"id": IDS, "prompt": PROMPTS}, settings={"dedupe": True}),
    "several-providers": Case(
        {"prompt": PROMPTS, "provider": ["", "", "foxapi"] * 13 + [""]},
        providers=("aimlapi", "foxapi", "gemini"),
        settings={"route": "fastest"},
    ),
    "references": Case(
        {"prompt": PROMPTS, "references": ["a.png", "b.png", "gone.png", ""] * 10}
    ),
}


class Table:
    """A manifest, and the folder that its plan is written to."""

    def __init__(self, folder: Path, case: Case, suffix: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.path = folder / f"rows{suffix}"
        self.case = case
        for name, colour in (("a.png", "red"), ("b.png", "blue")):
            self.draw(name, colour)
        self.write(case.columns)

    def draw(self, name: str, colour: str) -> None:
        image = Image.new("RGB", (64, 48), colour)
        (self.folder / name).write_bytes(written(image, "PNG"))

    def write(self, columns: Columns) -> None:
        frame = pl.DataFrame(columns)
        if self.path.suffix == ".csv":
            frame.write_csv(self.path)
        else:
            frame.write_parquet(self.path)

    def router(self) -> Router:
        case = self.case
        router = router_for(self.folder, *case.providers, **case.settings)
        job = replace(router.job, manifest=self.path, source=self.path)
        return Router.of(job, PROVIDERS, router.prices)

    async def read(self, *, slices: int | None = None, propose: bool = False) -> bool:
        """Read the manifest as a run does; return whether it came to its end.

        Args:
            slices: Stop behind so many.
            propose: Whether the plan counts when it is whole, not from the start.
        """
        async with self.planning() as (planner, writer):
            written = 0

            async def pause(_: float) -> None:
                nonlocal written
                written += 1
                if written == slices:
                    planner.stop()

            if planner.is_current():
                planner.finished = True
                return True
            with suppress(ReadingStopped):
                await planner.write(writer, to_thread, at_once=not propose, pause=pause)
                if propose:
                    await planner.adopt(writer)
            return planner.finished

    @asynccontextmanager
    async def planning(self) -> AsyncIterator[tuple[Planner, Writer]]:
        with (
            closing(Ledger(self.folder / "run.db")) as ledger,
            Archive(self.folder / "images.zip", 0) as archive,
        ):
            count_opening(ledger)
            with closing(Reader(ledger.path)) as reader:
                router = self.router()
                writer = Writer(ledger, archive, to_thread)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(writer.run)
                    try:
                        manifest = Manifest.open(router.job)
                        yield Planner(reader, manifest, router), writer
                    finally:
                        await writer.close()

    def plan(self) -> dict[str, Any]:
        """Return all that a reading writes down."""
        with closing(Reader(self.folder / "run.db")) as ledger:
            run = ledger._connection.execute
            tables = ("plan", "rows")
            contents: dict[str, Any] = {
                name: [tuple(row) for row in run(f"SELECT * FROM {name}")]
                for name in tables
            }
            # Whether a file is too young to go by its time is the clock's to say.
            files = run(
                "SELECT generation, path, size_bytes, sha256 FROM reference_files"
            )
            contents["files"] = [tuple(row) for row in files]
            own = run("SELECT ipc FROM own_columns ORDER BY generation, first")
            contents["own"] = [
                row
                for (data,) in own
                for row in pl.read_ipc_stream(io.BytesIO(data)).rows()
            ]
            names = ("plan_digest", "plan_rows", "generation", "own_schema", "reading")
            return contents | {name: ledger.read_meta(name) for name in names}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_reading_that_stops_after_each_slice_makes_the_same_plan(
    tmp_path: Path, case: Case, suffix: str
) -> None:
    whole = Table(tmp_path / "whole", case, suffix)
    cut = Table(tmp_path / "cut", case, suffix)
    assert await whole.read()

    stops = 0
    while not await cut.read(slices=1):
        stops += 1

    assert stops == ROWS // SLICE + 1
    assert cut.plan() == whole.plan()


def bought_first(table: Table, rows: int) -> None:
    """Let the first rows of the plan that counts have their images."""
    with closing(Ledger(table.folder / "run.db")) as ledger, ledger.transaction():
        for row_id in row_ids(ledger)[:rows]:
            buy_images(ledger, row_id)
            ledger.settle(row_id, Status.SUCCEEDED, None, None)


async def edited(table: Table, case: Case) -> None:
    """Read a manifest, buy some of it, and put new rows above and below."""
    assert await table.read()
    bought_first(table, 5)
    table.write(
        {
            name: [*values[-9:], *values, *values]
            for name, values in case.columns.items()
        }
    )


@pytest.mark.parametrize("name", ["ids", "without-ids", "shared"])
async def test_an_edited_manifest_is_carried_on_and_counts_only_when_whole(
    tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    whole = Table(tmp_path / "whole", case, ".csv")
    cut = Table(tmp_path / "cut", case, ".csv")
    for table in (whole, cut):
        await edited(table, case)
    assert await whole.read(propose=True)

    while not await cut.read(slices=2, propose=True):
        with closing(Reader(cut.folder / "run.db")) as ledger:
            assert ledger.generation == 1
            assert len(row_ids(ledger)) <= ROWS

    assert cut.plan() == whole.plan()


async def rows_carried_on(table: Table) -> int:
    """Return how many rows the next reading would not read again."""
    async with table.planning() as (planner, _):
        planner.is_current()
        return planner.rows


async def test_what_was_judged_by_purchases_is_judged_anew_after_another_command(
    tmp_path: Path,
) -> None:
    case = CASES["ids"]
    table = Table(tmp_path / "table", case, ".csv")
    await edited(table, case)
    await table.read(slices=2, propose=True)

    assert await rows_carried_on(table) == 2 * SLICE
    # To look was an opening of the folder, too: what was done there nobody knows.
    assert await rows_carried_on(table) == 0


async def test_a_plan_that_counts_is_carried_on_whatever_was_bought_from_it(
    tmp_path: Path,
) -> None:
    table = Table(tmp_path / "table", CASES["ids"], ".csv")
    await table.read(slices=2)
    bought_first(table, 3)
    for _ in range(3):
        assert await rows_carried_on(table) == 2 * SLICE

    assert await table.read()
    assert await rows_carried_on(table) == 0


@pytest.mark.parametrize("change", ["table", "image", "job"])
async def test_what_changed_since_is_read_from_the_start(
    tmp_path: Path, change: str
) -> None:
    case = CASES["references"]
    table = Table(tmp_path / "table", case, ".csv")
    await table.read(slices=2)
    if change == "table":
        table.path.write_text(table.path.read_text().replace("cup 8", "jar 8"))
    elif change == "image":
        table.draw("a.png", "green")
    else:
        table.case = replace(case, settings={"resolution": "2K"})

    assert await rows_carried_on(table) == 0
    assert await table.read()
    with closing(Reader(table.folder / "run.db")) as ledger:
        assert len(row_ids(ledger)) < ROWS == ledger.meta.plan_rows
        assert bookmark_of(ledger) is None


async def test_what_is_looked_up_before_the_first_row_can_be_stopped(
    tmp_path: Path,
) -> None:
    table = Table(tmp_path / "table", CASES["ids"], ".csv")
    assert await table.read()
    table.write({"id": ["new"], "prompt": ["new"]})
    async with table.planning() as (planner, writer):
        assert not planner.is_current()
        planner.stop()

        with pytest.raises(ReadingStopped):
            planner.is_current()
        with pytest.raises(ReadingStopped):
            await planner.write(writer, to_thread, at_once=True)
        assert planner.rows == 0
