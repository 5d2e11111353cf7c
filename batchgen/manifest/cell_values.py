"""Read the text of one cell as a value; ValueError if it is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal, InvalidOperation
from math import isnan
from types import MappingProxyType

from batchgen.model import RESOLUTIONS, OptionValue

MAX_IMAGES = 1000
"""Images that one row may ask for."""

_RATIO = re.compile(r"(\d{1,4})\s*:\s*(\d{1,4})", re.ASCII)
_RESOLUTION_NAMES: Mapping[str, str] = MappingProxyType(
    {"0.5k": "512", "512px": "512"} | {name.lower(): name for name in RESOLUTIONS}
)
_SIDES_PX: Mapping[str, str] = MappingProxyType(
    {"1024": "1K", "2048": "2K", "4096": "4K"}
)
_OUTPUT_FORMATS: Mapping[str, str] = MappingProxyType(
    {"png": "png", "jpg": "jpg", "jpeg": "jpg", "webp": "webp"}
)
_BOOLEANS: Mapping[str, bool] = MappingProxyType(
    dict.fromkeys(("true", "1", "yes"), True)
    | dict.fromkeys(("false", "0", "no"), False)
)


def text_of(cell: object) -> str:
    """Return a cell as text, an empty one as `""`.

    Raises:
        ValueError: the cell is no text, number or date.
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
        return ""  # some programs write NaN for an empty cell in a column of numbers
    # Whole numbers in a column with empty cells come as 7.0.
    return str(int(number)) if number == number // 1 else str(number)


def read_ratio(text: str) -> str:
    """Read `W:H` or `auto`."""
    if text.lower() in ("auto", "match_input_image"):
        return "auto"
    match = _RATIO.fullmatch(text)
    width, height = (int(side) for side in match.groups()) if match else (0, 0)
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
    """Read the number of images."""
    return _whole_number(text, 1, MAX_IMAGES)


def read_option(name: str) -> Callable[[str], OptionValue]:
    """Return the function that reads an option column; free text is read as it is."""
    return _OPTION_READERS.get(name, str)


def _number(text: str, min_value: float, max_value: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not min_value <= value <= max_value:
        raise ValueError(
            f"{text[:40]!r} is no number from {min_value:g} to {max_value:g}"
        )
    return value


def _whole_number(text: str, min_value: int, max_value: int | None = None) -> int:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    # 2.0 is 2: programs write whole numbers so in a column with empty cells.
    is_whole = (
        number.is_finite() and number.adjusted() < 18 and number == number.to_integral()
    )
    is_small = is_whole and number < min_value
    is_large = is_whole and max_value is not None and number > max_value
    if not is_whole or is_small or is_large:
        bounds = f"of {min_value} or more"
        if max_value is not None:
            bounds = f"from {min_value} to {max_value}"
        raise ValueError(f"{text[:40]!r} is no whole number {bounds}")
    return int(number)


def _boolean(text: str) -> bool:
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise ValueError(f"{text[:40]!r} is neither true nor false")
    return value


def _format(text: str) -> str:
    if name := _OUTPUT_FORMATS.get(text.lower()):
        return name
    raise ValueError(f"{text[:40]!r} is none of png, jpg, webp")


_OPTION_READERS: Mapping[str, Callable[[str], OptionValue]] = MappingProxyType(
    {
        "output_format": _format,
        "web_search": _boolean,
        "image_search": _boolean,
        "official_fallback": _boolean,
        "temperature": lambda text: _number(text, 0, 2),
        "top_p": lambda text: _number(text, 0, 1),
        "top_k": lambda text: _whole_number(text, 1),
        "max_output_tokens": lambda text: _whole_number(text, 1),
        "quality": str.lower,
        "background": str.lower,
        "moderation": str.lower,
        "output_compression": lambda text: _whole_number(text, 0, 100),
        "thinking_level": str.lower,
    }
)
