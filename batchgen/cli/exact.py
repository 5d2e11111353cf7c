"""JSON whose amounts are exact numbers; Python's own writes no Decimal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isfinite

from batchgen.model import dollars


def exact_json(value: object) -> str:
    """Write a value as JSON: a Decimal as a number of dollars, a date as text."""
    match value:
        case Decimal():
            return dollars(value).replace("$", "")
        case float() if not isfinite(value):
            return json.dumps(str(value))
        case None | bool() | int() | float() | str():
            return json.dumps(value)
        case Mapping():
            pairs = (f"{json.dumps(it)}: {exact_json(value[it])}" for it in value)
            return f"{{{', '.join(pairs)}}}"
        case Sequence():
            return f"[{', '.join(map(exact_json, value))}]"
        case _:
            return json.dumps(str(value))
