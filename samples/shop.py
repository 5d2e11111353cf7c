"""What the invented shop sells whose exports `make_tables.py` makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PICTURES = "https://cdn.example.com"


@dataclass(frozen=True, slots=True)
class Product:
    """One thing that the shop sells.

    Attributes:
        options: Its variants, as the values of one option each; empty if it has none.
        german: Its title in German.
        body: HTML, as the editor of a shop writes it.
        pictures: How many it has.
        drawing: A line drawing under `references/` that looks a little like it.
    """

    handle: str
    title: str
    german: str
    kind: str
    price: str
    body: str
    option: str = ""
    options: Sequence[str] = ()
    pictures: int = 1
    drawing: str = ""
    tags: Sequence[str] = ()

    @property
    def links(self) -> list[str]:
        """Return where its pictures are, as a shop's own page names them."""
        names = [f"{self.handle}-{number}.jpg" for number in range(self.pictures)]
        return [f"{PICTURES}/files/{name}?v=17004{len(self.title)}" for name in names]


PRODUCTS = (
    Product(
        *("fell-mug", "Fell Mug, 350 ml", "Becher „Fell“, 350 ml", "Mugs", "18.00"),
        body='<p>Stoneware, "speckled".</p>\n<ul>\n<li>350 ml</li>\n</ul>',
        option="Glaze",
        options=("Moss", "Chalk", "Ink"),
        pictures=5,
        drawing="mug",
        tags=("stoneware", "kitchen"),
    ),
    Product(
        *("brook-teapot", "Brook Teapot", "Teekanne Brook", "Teapots", "54.00"),
        body="<p>Holds 1.1&nbsp;l; the lid stays on when you pour.</p>",
        option="Glaze",
        options=("Moss", "Chalk"),
        pictures=3,
        drawing="teapot",
        tags=("stoneware", "tea"),
    ),
    Product(
        *(
            "dunlin-runner",
            "Dunlin Trail Runner",
            "Laufschuh Dunlin",
            "Shoes",
            "119.00",
        ),
        body="<p>A grippy sole, and a heel loop that you find with cold fingers.</p>",
        option="Size",
        options=("38", "39", "40", "41"),
        pictures=2,
        drawing="shoe",
        tags=("running", "vegan"),
    ),
    Product(
        *("heron-lamp", "Heron Table Lamp", "Tischleuchte Heron", "Lamps", "139.00"),
        body="<p>Brushed brass; switch at the foot.</p>",
        pictures=4,
        drawing="lamp",
        tags=("brass",),
    ),
    Product(
        *("ferry-bag", "Ferry Bag", "Tasche „Ferry“ für Überfahrten", "Bags", "89.50"),
        body="<p>Waxed canvas.<br>\nOne pocket within, one without.</p>",
        option="Colour",
        options=("Rust", "Tar"),
        pictures=1,
        drawing="bag",
        tags=("canvas", "waxed"),
    ),
    Product(
        *("spring-bottle", "Spring Bottle, 0.75 l", "Trinkflasche, 0,75 l"),
        *("Bottles", "24.90"),
        body="<p>Steel, double-walled; keeps tea warm for 12 hours.</p>",
        pictures=2,
        drawing="bottle",
        tags=("steel",),
    ),
    Product(
        *("rook-chair", "Rook Chair", "Stuhl Rook, Esche geölt", "Chairs", "249.00"),
        body="<p>Ash, oiled. Seat 45 cm high; takes 130&nbsp;kg.</p>",
        pictures=3,
        drawing="chair",
        tags=("ash", "dining"),
    ),
    Product(
        *("club-badge", "Hill Club Badge", "Abzeichen „Bergverein“", "Badges", "6.00"),
        body="",
        pictures=1,
        drawing="emblem",
    ),
)
