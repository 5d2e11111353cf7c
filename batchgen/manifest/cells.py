"""Read one cell: text in, the value in batchgen's words out, ValueError if it fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal, InvalidOperation
from math import isnan
from types import MappingProxyType

from batchgen.model import RESOLUTIONS, OptionValue

MOST_IMAGES = 1000
"""Images that one row may ask for."""

_RATIO = re.compile(r"(\d{1,4})\s*:\s*(\d{1,4})", re.ASCII)
_RESOLUTION_NAMES: Mapping[str, str] = MappingProxyType(
    {"0.5k": "512", "512px": "512"} | {name.lower(): name for name in RESOLUTIONS}
)
_SIDES_PX: Mapping[str, str] = MappingProxyType(
    {"1024": "1K", "2048": "2K", "4096": "4K"}
)
_FORMATS: Mapping[str, str] = MappingProxyType(
    {"png": "png", "jpg": "jpg", "jpeg": "jpg", "webp": "webp"}
)
_TRUTHS: Mapping[str, bool] = MappingProxyType(
    dict.fromkeys(("true", "1", "yes"), True)
    | dict.fromkeys(("false", "0", "no"), False)
)


def text_of(cell: object) -> str:
    """Return a cell as text, an empty one as ``.

    Raises:
        ValueError: it holds something that is no text, number or date.
    """
    match cell:
        case str():
            return cell
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case int() | float() | Decimal():
            return _number_as_text(cell)
        case date() | time():
            return cell.isoformat()
        case _:
            raise ValueError("holds something that is neither text nor a number")


def _number_as_text(number: float | Decimal) -> str:
    if isinstance(number, Decimal):
        return f"{number:f}"
    if isnan(number):
        return ""  # what some writers leave in the gaps of a column of numbers
    # Whole numbers in a column with gaps come as 7.0.
    return str(int(number)) if number == number // 1 else str(number)


def read_ratio(text: str) -> str:
    """Read `W:H` or `auto`."""
    if text.lower() in ("auto", "match_input_image"):
        return "auto"
    found = _RATIO.fullmatch(text)
    width, height = (int(side) for side in found.groups()) if found else (0, 0)
    if width and height:
        return f"{width}:{height}"
    hint = ""
    if re.fullmatch(r"\d+\s*[xX/\u00d7]\s*\d+", text):
        hint = f"; write {':'.join(re.findall(r'[0-9]+', text))}"
    elif re.fullmatch(r"\d+:\d+:\d+", text):
        hint = "; a spreadsheet made a time of it, so format the column as text"
    raise ValueError(f"{text[:40]!r} is no W:H, like 16:9, and not `auto`{hint}")


def read_resolution(text: str) -> str:
    """Read `512`, `1K`, `2K` or `4K`; `0.5K` is `512`."""
    if name := _RESOLUTION_NAMES.get(text.lower()):
        return name
    hint = ""
    if re.fullmatch(r"\d+\s*[xX*\u00d7]\s*\d+", text):
        hint = "; the shape in pixels follows from the aspect ratio"
    elif text in _SIDES_PX:
        hint = f"; write {_SIDES_PX[text]}"
    raise ValueError(f"{text[:40]!r} is none of {', '.join(RESOLUTIONS)}{hint}")


def read_count(text: str) -> int:
    """Read a number of images."""
    return _whole(text, 1, MOST_IMAGES)


def read_option(name: str) -> Callable[[str], OptionValue]:
    """Return the reader of an option column; those of free text have none."""
    return _OPTION_READERS.get(name, str)


def _number(text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise ValueError(f"{text[:40]!r} is no number from {least:g} to {most:g}")
    return value


def _whole(text: str, least: int, most: int | None = None) -> int:
    try:
        exact = Decimal(text)
    except InvalidOperation:
        exact = Decimal("NaN")
    # 2.0 is 2: what reads a column with gaps as numbers writes it back like that.
    whole = exact.is_finite() and exact.adjusted() < 18 and exact == exact.to_integral()
    if not whole or exact < least or (most is not None and exact > most):
        above = f"from {least} to {most}" if most is not None else f"of {least} or more"
        raise ValueError(f"{text[:40]!r} is no whole number {above}")
    return int(exact)


def _truth(text: str) -> bool:
    value = _TRUTHS.get(text.lower())
    if value is None:
        raise ValueError(f"{text[:40]!r} is neither true nor false")
    return value


def _format(text: str) -> str:
    if name := _FORMATS.get(text.lower()):
        return name
    raise ValueError(f"{text[:40]!r} is none of png, jpg, webp")


_OPTION_READERS: Mapping[str, Callable[[str], OptionValue]] = MappingProxyType(
    {
        "output_format": _format,
        "web_search": _truth,
        "image_search": _truth,
        "official_fallback": _truth,
        "temperature": lambda text: _number(text, 0, 2),
        "top_p": lambda text: _number(text, 0, 1),
        "top_k": lambda text: _whole(text, 1),
        "max_output_tokens": lambda text: _whole(text, 1),
        "quality": str.lower,
        "background": str.lower,
        "moderation": str.lower,
        "output_compression": lambda text: _whole(text, 0, 100),
        "thinking_level": str.lower,
    }
)
