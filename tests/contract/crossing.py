"""All that one provider can be asked for, crossed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import cycle, product
from typing import Any

from batchgen.model import ImageRequest
from batchgen.providers import PROVIDERS
from batchgen.verify.requests import rates_of, values_of
from tests.books import Record
from tests.contract.arrived import Figures, check_crossing
from tests.contract.customer import Customer
from tests.contract.pairs import pairwise
from tests.contract.references import References, make_references


def levels_of(provider: str, references: References) -> dict[str, list[Any]]:
    """Return all that each column can say, the cheapest first."""
    capabilities = PROVIDERS[provider].capabilities

    def fits(**stated: str) -> bool:
        request = ImageRequest(prompt="", **stated)  # type: ignore[arg-type]
        return not any(
            capabilities.unsupported(request, PROVIDERS[provider].defaults.model)
        )

    return {
        "aspect_ratio": [
            *(
                aspect_ratio
                for aspect_ratio in capabilities.aspect_ratios
                if fits(aspect_ratio=aspect_ratio)
            ),
            None,
        ],
        "resolution": [
            *(
                resolution
                for resolution in capabilities.resolutions
                if fits(resolution=resolution)
            ),
            None,
        ],
        "n": list(range(1, capabilities.images_per_request + 2)),
        "references": list(references.kinds.values()),
        **{name: values_of(name, rule) for name, rule in capabilities.options.items()},
    }


def _clash(provider: str, row: Mapping[str, Any]) -> bool:
    """Tell whether a row states an option without the one that it needs."""
    options = PROVIDERS[provider].capabilities.options
    needs = any(
        row.get(name) and rule.needs in row and not row[rule.needs]
        for name, rule in options.items()
        if rule.needs
    )
    return needs or any(
        row.get(name) is not None
        and rule.beside[0] in row
        and row[rule.beside[0]] not in rule.beside[1]
        for name, rule in options.items()
        if rule.beside
    )


def pairwise_rows(provider: str, references: References) -> list[Record]:
    """Return rows in which each level of a column meets each of every other.

    Of the numbers of images, those stand for all that lie next to a limit; where they
    are many and large, only one ratio is drawn.
    """
    levels = levels_of(provider, references)
    counts, ratio = levels["n"], levels["aspect_ratio"][0]
    levels["n"] = sorted({*counts[:2], *counts[-2:]})

    def clashes(row: Mapping[str, Any]) -> bool:
        is_dear = row.get("n", 1) > 2 and row.get("resolution") in ("2K", "4K")
        drawn_often = is_dear and row.get("aspect_ratio", ratio) != ratio
        return drawn_often or _clash(provider, row)

    return _numbered(pairwise(levels, clashes))


def all_rows(provider: str, references: References) -> list[Record]:
    """Return every ratio, resolution, number and kind of reference with all others.

    The options, crossed pairwise among themselves, are dealt out in turn.
    """
    levels = levels_of(provider, references)
    crossed = {name: levels.pop(name) for name in list(levels)[:4]}
    # One factor alone has no pairs: beside another of one level it has.
    options = pairwise({**levels, "id": [None]}, partial(_clash, provider))
    rows = [
        dict(zip(crossed, combination, strict=True))
        for combination in product(*crossed.values())
    ]
    return _numbered(
        {**dealt, **row} for row, dealt in zip(rows, cycle(options), strict=False)
    )


def a_row_for_each_kind(provider: str, references: References) -> list[Record]:
    """Return small rows, one for each kind of reference."""
    levels = levels_of(provider, references)
    cheapest = {name: values[0] for name, values in levels.items()}
    return _numbered(
        {**cheapest, "references": reference} for reference in levels["references"]
    )


def _numbered(rows: Iterable[Record]) -> list[Record]:
    return [
        {**row, "id": f"x{number:05}", "prompt": f"{number}: a “naïve” 青 cup"}
        for number, row in enumerate(rows)
    ]


async def cross(
    customer: Customer,
    choose: Callable[[str, References], list[Record]],
    **terms: object,
) -> Figures:
    """Buy the rows that are chosen, check all that comes of it, return the figures."""
    rules = PROVIDERS[customer.provider].capabilities.references
    references = make_references(customer.folder, customer.sandbox, rules.max_count)
    rows = choose(customer.provider, references)
    customer.write(rows)
    usual = {"concurrency": 16, "rates": rates_of(customer)}
    await customer.run(terms={**usual, **terms})
    return check_crossing(customer, rows, references)
