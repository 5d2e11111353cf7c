"""Read a run folder from Python code, also while a run works on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from batchgen.api.folder_records import FolderStatus, Image, Outputs
from batchgen.drives import storage_errors
from batchgen.errors import (
    ArchiveDamaged,
    LedgerLocked,
    SpecError,
    StorageError,
    UsageError,
)
from batchgen.ledger import Reader
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.ledger.lookup import find_row, place_of
from batchgen.model import ResultRow, now_micros, to_usd
from batchgen.output import ARCHIVE, PURCHASES, TABLE
from batchgen.runner.folder import is_locked, open_folder, read_ledger, require_run
from batchgen.runner.folder_checks import refuse_linked_folder
from batchgen.runner.retry_marks import REJECT, STATUSES, SelectedRow, mark_rows
from batchgen.runner.run_folders import run_folders

if TYPE_CHECKING:
    import polars as pl

    from batchgen.report.contact_sheets import ContactSheets, SheetFormat
    from batchgen.report.unpacking import Unpacked

IMAGES = "images"
"""Folder in the run folder where images are unpacked."""


class Folder:
    """A run folder: its tables, its images and its money, also while a run works on it.

    Nothing stays open between two calls.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).resolve()

    @classmethod
    def named(cls, path: Path) -> Folder:
        """Return a folder that messages name as the user does."""
        folder = cls(path)
        folder.path = path
        return folder

    def __repr__(self) -> str:
        return f"Folder({str(self.path)!r})"

    @property
    def status(self) -> FolderStatus:
        """The state of the folder now."""
        with self.reading() as ledger:
            totals = ledger.totals(EVERY_ROW)
        return FolderStatus(
            rows=dict(totals.rows),
            images=totals.images,
            spent_usd=to_usd(totals.spent + totals.superseded),
            at_risk_usd=to_usd(totals.at_risk),
            is_running=is_locked(self.path),
            is_rehearsal=totals.rehearsed,
        )

    def results(self) -> pl.DataFrame:
        """Return the current result table: a line for each row."""
        return self._table(TABLE)

    def attempts(self) -> pl.DataFrame:
        """Return the current table of purchases: a line for each attempt."""
        return self._table(PURCHASES)

    def row(self, row_id: str) -> ResultRow:
        """Return the row with an id, as in the result table.

        Raises:
            SpecError: no row has it.
        """
        with self.reading() as ledger:
            row = find_row(ledger, ARCHIVE, row_id)
        if row is None:
            raise SpecError(f"{self.path}: no row has the id {row_id!r}")
        return row

    def image(self, row_id: str, number: int = 1) -> Image:
        """Return an image of a row.

        Args:
            row_id: The row's id, as in the result table.
            number: Of the image within its row.

        Raises:
            SpecError: no row has this id, or it has no such image (yet).
            ArchiveDamaged: the ZIP does not have it.
        """
        file = next(
            (file for file in self.row(row_id).files if file.image == number), None
        )
        if file is None:
            raise SpecError(
                f"{self.path}: the row {row_id!r} has no image {number} (yet)"
            )
        return Image(
            name=file.name,
            number=number,
            media_type=file.media_type,
            width_px=file.width_px,
            height_px=file.height_px,
            sha256=file.sha256,
            content=self._content(file.name),
        )

    def retry(
        self,
        *,
        status: str | Iterable[str] | None = None,
        ids: Iterable[str | SelectedRow] | None = None,
        with_children: bool = False,
    ) -> int:
        """Mark rows to be tried again by the next run, and return how many.

        Args:
            status: One or several of `failed`, `held`, `refused` and, with `ids`,
                `succeeded`, which gives up images and buys others. None for the rows
                that can succeed when they are tried again.
            ids: Only these rows.
            with_children: Whether rows that were made from images which are bought
                again (`row:<id>`) are bought again, too.

        Raises:
            UsageError: there is no such status, or no row has such an id.
            LedgerLocked: a run works on the folder.
        """
        statuses = _statuses(status)
        selection = None if ids is None else [*map(_selected, ids)]
        if selection is None and REJECT in statuses:
            raise UsageError(
                f"{REJECT!r} gives up images that were paid for: say which by `ids`"
            )
        require_run(self.path)
        with (
            storage_errors(),
            open_folder(self.path, None, None) as run_folder,
            run_folder.ledger.transaction(),
        ):
            return mark_rows(
                run_folder.ledger, statuses, selection, with_children=with_children
            )

    def write_outputs(self) -> Outputs:
        """Finish the ZIP and write the tables from the ledger; nothing is bought.

        While a run works on the folder, only the tables are written.
        """
        from batchgen.runner.resume import recover
        from batchgen.storage.outputs import write_outputs, write_tables_beside

        require_run(self.path)
        with storage_errors():
            try:
                with open_folder(self.path, None, None) as opened:
                    adopted = recover(opened.ledger, opened.archive, now_micros())
                    write_outputs(opened.ledger, opened.archive, self.path)
                return Outputs(adopted_images=adopted)
            except LedgerLocked:
                with closing(read_ledger(self.path)) as ledger:
                    has_tables = write_tables_beside(ledger, self.path)
                return Outputs(is_running=True, has_tables=has_tables)

    def write_page(self) -> Path:
        """Write `report.html`, a page with sums, plots and all images."""
        # What draws the page is slow to load.
        from batchgen.report.page import write_page

        with self.reading() as ledger:
            return write_page(ledger, self.path, datetime.now(UTC))

    def costs(self, by: str | Iterable[str] = ()) -> pl.DataFrame:
        """Sum the cost of the rows, grouped by any columns of the result table.

        Args:
            by: Names of columns, also of your own, or `day`.

        Raises:
            SpecError: there is no such column.
        """
        from batchgen.output.cost_report import ResultTables

        columns = [by] if isinstance(by, str) else [*by]
        with self._current_table(TABLE) as path:
            with self.reading() as ledger:
                is_rehearsal = ledger.is_rehearsal
            tables = ResultTables([path], [path] if is_rehearsal else [])
            for name in columns:
                if name not in tables.columns:
                    raise SpecError(
                        f"no column {name!r}: choose from {', '.join(tables.columns)}"
                    )
            return tables.costs(columns, rehearsed=is_rehearsal).frame()

    def unpack(
        self,
        to: str | Path | None = None,
        *,
        by: str | Iterable[str] = (),
        where: str | None = None,
    ) -> Unpacked:
        """Write the images into files of their own; called again, only new ones.

        Args:
            to: The folder; None for `images` in the run folder. A file that is there
                already is never replaced.
            by: Columns of the result table whose values name folders.
            where: Which rows: a condition on the columns in SQL; None for all.

        Raises:
            SpecError: there is no such column, or `where` is no condition.
            StorageError: a file cannot be read or written.
        """
        from batchgen.output.table_selection import Selection
        from batchgen.report.unpacking import unpack

        columns = (by,) if isinstance(by, str) else tuple(by)
        target = self.path / IMAGES if to is None else Path(to)
        if to is None:
            refuse_linked_folder(target)
        with self._current_table(TABLE) as path, self.reading() as ledger:
            return unpack(ledger, target.absolute(), Selection(path, columns, where))

    def contact_sheets(
        self,
        to: str | Path | None = None,
        *,
        by: str | Iterable[str] = (),
        where: str | None = None,
        sheet_format: SheetFormat = "png",
        per_row: int = 4,
    ) -> ContactSheets:
        """Make contact sheets of the images: PNG pages, or one PDF.

        Args:
            to: The folder of the pages, or the PDF, which must not be there yet; None
                for `contact` or `contact.pdf` in the run folder.
            by: Columns of the result table whose values make groups.
            where: Which rows: a condition on the columns in SQL; None for all.
            sheet_format: `png` or `pdf`.
            per_row: Images beside one another.

        Raises:
            SpecError: there is no such column, or `where` is no condition.
            UsageError: `to` has contact sheets already, or there is no such format.
            StorageError: a page cannot be written.
        """
        from batchgen.output.table_selection import Selection
        from batchgen.report.contact_sheets import (
            check_sheets,
            make_contact_sheets,
            refuse_replacing,
        )

        check_sheets(sheet_format, per_row)
        columns = (by,) if isinstance(by, str) else tuple(by)
        target = self.path / ("contact.pdf" if sheet_format == "pdf" else "contact")
        if to is not None:
            target = Path(to).absolute()
            refuse_replacing(target, sheet_format)
        elif sheet_format == "png":
            refuse_linked_folder(target)
        with self._current_table(TABLE) as path, self.reading() as ledger:
            selection = Selection(path, columns, where)
            return make_contact_sheets(ledger, selection, target, sheet_format, per_row)

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """Open the ledger for reading, also while a run writes it."""
        with storage_errors(), closing(read_ledger(self.path)) as ledger:
            yield ledger

    def _table(self, name: str) -> pl.DataFrame:
        import polars as pl

        with self._current_table(name) as path:
            try:
                return pl.read_parquet(path, glob=False, hive_partitioning=False)
            except pl.exceptions.PolarsError as error:
                raise StorageError(f"cannot read {path}: {error}") from error

    @contextmanager
    def _current_table(self, name: str) -> Iterator[Path]:
        """Yield the path of a table that agrees with the ledger."""
        from batchgen.storage.outputs import write_parquet_tables

        with self.reading() as ledger:
            path = self.path / name
            if ledger.meta.outputs == "fresh" and path.is_file():
                yield path
                return
            with TemporaryDirectory(prefix="batchgen-tables-") as folder:
                with ledger.snapshot():
                    write_parquet_tables(ledger, Path(folder))
                yield Path(folder) / name

    def _content(self, name: str) -> bytes:
        from batchgen.output.archive import Archive

        with self.reading() as ledger:
            place, end = place_of(ledger, name), ledger.meta.archive_end
        if place is None:
            raise ArchiveDamaged(f"{self.path / ARCHIVE} holds no {name}")
        with Archive(self.path / ARCHIVE, end) as archive:
            return archive.read(place)


def _selected(row: str | SelectedRow) -> SelectedRow:
    return SelectedRow(row) if isinstance(row, str) else row


def _statuses(status: str | Iterable[str] | None) -> tuple[str, ...]:
    if status is None:
        return ()
    statuses = (status,) if isinstance(status, str) else tuple(status)
    for name in statuses:
        if name not in STATUSES:
            raise UsageError(f"no status {name!r}: choose from {', '.join(STATUSES)}")
    return statuses


def find_runs(below: str | Path = "out") -> list[Folder]:
    """Return all run folders at or below a folder, in the order of their names.

    Some may be damaged or without a ledger: then their methods raise StorageError.
    """
    folder = Path(below)
    with storage_errors():
        return [*map(Folder, run_folders(folder))] if folder.is_dir() else []


def open_run_folder(path: str | Path) -> Folder:
    """Open a run folder, also while a run works on it.

    Raises:
        SpecError: there is no run in it.
    """
    folder = Folder(path)
    with storage_errors():
        require_run(folder.path)
    return folder
