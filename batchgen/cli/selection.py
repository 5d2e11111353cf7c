"""Read which rows, and which images of them, somebody picked."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from batchgen.errors import UsageError
from batchgen.manifest.wording import refuse_irregular
from batchgen.output.spreadsheet_cells import plain_cell
from batchgen.runner.retry_marks import SelectedRow


def read_selection(path: Path) -> list[SelectedRow]:
    """Read one id a line, or a .csv with a column `id`, and maybe `image`.

    Raises:
        UsageError: it is neither, or empty.
    """
    refuse_irregular(path)
    try:
        if path.suffix.lower() == ".csv":
            selection = list(_of_csv(path))
        else:
            lines = path.read_text("utf-8-sig").splitlines()
            selection = [SelectedRow(line.strip()) for line in lines if line.strip()]
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: one id a line") from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except csv.Error as error:
        raise UsageError(f"{path} is no CSV: {error}") from error
    if not selection:
        raise UsageError(f"{path} holds no id: one id a line")
    return selection


def _of_csv(path: Path) -> Iterator[SelectedRow]:
    # Ids may hold line breaks and spaces of their own: nothing of them is stripped.
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if "id" not in (reader.fieldnames or ()):
            raise UsageError(
                f"{path} has no column `id`: a .csv needs one (other files have one id "
                "a line)"
            )
        for line in reader:
            if line["id"]:
                name = plain_cell(line["id"])
                yield SelectedRow(
                    name, _image(line.get("image"), path, reader.line_num)
                )


def _image(text: str | None, path: Path, line: int) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{path}, line {line}: image is {text!r}, not a number from 1")
    return int(text)
