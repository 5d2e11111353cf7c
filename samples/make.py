"""Make the sample files that follow from others: the Parquet twin and the drawings.

Run it after an edit of `catalog.csv`: `python samples/make.py`.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
from PIL import Image, ImageDraw

SAMPLES = Path(__file__).parent

SIDE_PX = 512
# Drawn four times as large and scaled down, for Pillow's own lines have hard edges.
OVERSIZE = 4
STROKE_PX = 7
PAPER = (250, 247, 240)
INK = (38, 42, 54)

Stroke = tuple[str, tuple[float, ...]]

# Strokes on a sheet of 100 by 100: `line` takes points, `oval` a box, `arc` a box
# with start and end in degrees, clockwise from three o'clock.
DRAWINGS: dict[str, tuple[Stroke, ...]] = {
    "shoe": (
        ("line", (12, 70, 12, 46, 20, 38, 31, 40, 40, 46, 56, 55, 76, 59)),
        ("arc", (64, 58.5, 92, 90, 270, 360)),
        ("line", (76, 59, 79, 59)),
        ("line", (10, 71, 92, 71, 92, 79, 10, 79, 10, 71)),
        ("line", (42, 54, 48, 47)),
        ("line", (49, 58, 55, 51)),
        ("line", (56, 61, 62, 54)),
        ("line", (12, 58, 24, 71)),
    ),
    "mug": (
        ("oval", (22, 22, 66, 34)),
        ("line", (22, 28, 22, 74)),
        ("line", (66, 28, 66, 74)),
        ("arc", (22, 66, 66, 82, 0, 180)),
        ("arc", (46, 36, 86, 66, 270, 90)),
        ("arc", (54, 42, 78, 60, 270, 90)),
        ("arc", (36, 4, 44, 12, 90, 270)),
        ("arc", (36, 12, 44, 20, 270, 90)),
    ),
    "lamp": (
        ("line", (38, 16, 62, 16, 78, 48, 22, 48, 38, 16)),
        ("line", (50, 48, 50, 84)),
        ("oval", (32, 82, 68, 92)),
        ("line", (64, 48, 64, 60)),
        ("oval", (62.5, 60, 65.5, 63)),
    ),
    "bag": (
        ("line", (18, 40, 82, 40, 88, 84, 12, 84, 18, 40)),
        ("arc", (34, 14, 66, 66, 180, 360)),
        ("line", (17, 56, 40, 56)),
        ("line", (60, 56, 83, 56)),
        ("line", (40, 50, 60, 50, 60, 62, 40, 62, 40, 50)),
    ),
    "teapot": (
        ("oval", (24, 36, 72, 84)),
        ("line", (34, 40, 62, 40)),
        ("oval", (45, 27, 51, 34)),
        ("arc", (12, 44, 44, 74, 88, 280)),
        ("line", (70, 66, 80, 58, 90, 40)),
        ("line", (67, 48, 76, 46, 82, 36, 90, 40)),
        ("line", (36, 84, 60, 84)),
    ),
    "bottle": (
        ("line", (43, 10, 57, 10, 57, 20, 43, 20, 43, 10)),
        ("line", (45, 20, 45, 30)),
        ("line", (55, 20, 55, 30)),
        ("arc", (34, 30, 56, 52, 180, 270)),
        ("arc", (44, 30, 66, 52, 270, 360)),
        ("line", (34, 41, 34, 90, 66, 90, 66, 41)),
        ("line", (34, 54, 66, 54)),
        ("line", (34, 76, 66, 76)),
    ),
    "chair": (
        ("arc", (28, 8, 72, 40, 180, 360)),
        ("line", (28, 24, 30, 54)),
        ("line", (72, 24, 70, 54)),
        ("line", (43, 9, 44, 54)),
        ("line", (57, 9, 56, 54)),
        ("line", (24, 54, 76, 54, 82, 64, 18, 64, 24, 54)),
        ("line", (22, 64, 16, 94)),
        ("line", (78, 64, 84, 94)),
        ("line", (36, 64, 34, 88)),
        ("line", (64, 64, 66, 88)),
    ),
    "emblem": (
        ("oval", (10, 10, 90, 90)),
        ("oval", (16, 16, 84, 84)),
        ("line", (30, 66, 42, 36, 50, 54, 58, 36, 70, 66)),
        ("line", (30, 74, 70, 74)),
        ("oval", (47, 24, 53, 30)),
    ),
}


def draw(strokes: tuple[Stroke, ...]) -> Image.Image:
    """Return a line drawing on paper, in few colours so that its file is small."""
    side = SIDE_PX * OVERSIZE
    sheet = Image.new("RGB", (side, side), PAPER)
    pen = ImageDraw.Draw(sheet)
    width = STROKE_PX * OVERSIZE
    for kind, numbers in strokes:
        scaled = [number * side / 100 for number in numbers]
        if kind == "line":
            pen.line(scaled, fill=INK, width=width, joint="curve")
        elif kind == "oval":
            pen.ellipse(scaled, outline=INK, width=width)
        else:
            start, end = numbers[4:]
            pen.arc(scaled[:4], start, end, fill=INK, width=width)
    small = sheet.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    return small.quantize(32)


def twin(catalog: Path) -> pl.DataFrame:
    """Return the CSV's rows with the types that its text stands for."""
    # Without inference: the article number 004201 is no number.
    text = pl.read_csv(catalog, infer_schema=False)
    return text.with_columns(
        pl.col("n").cast(pl.Int64),
        pl.col("tags").str.split("|"),
        pl.col("price_eur").cast(pl.Decimal(10, 2)),
    )


def main() -> None:
    """Write `catalog.parquet` and `references/*.png`."""
    twin(SAMPLES / "catalog.csv").write_parquet(SAMPLES / "catalog.parquet")
    references = SAMPLES / "references"
    references.mkdir(exist_ok=True)
    for name, strokes in DRAWINGS.items():
        draw(strokes).save(references / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
