"""Make `tables/*.csv`: one invented shop, as five kinds of software export it.

Run it after an edit, of `shop.py` too: `python samples/make_tables.py`. Each table has
the header, the delimiter, the line ends and the habits of a real export, and on purpose
what spoils a careless reader: rows without a title, two of one SKU, HTML, line breaks
within cells, errors of a spreadsheet, several pictures in one cell.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from shop import PICTURES, PRODUCTS, Product

TABLES = Path(__file__).parent / "tables"

Cells = Mapping[str, str]


# -- Shopify: a line for each variant and each picture of a product


SHOPIFY = (
    *("Handle", "Title", "Body (HTML)", "Vendor", "Product Category", "Type", "Tags"),
    *("Published", "Option1 Name", "Option1 Value", "Option2 Name", "Option2 Value"),
    *("Variant SKU", "Variant Grams", "Variant Inventory Qty", "Variant Price"),
    *("Variant Taxable", "Variant Barcode", "Image Src", "Image Position"),
    *("Image Alt Text", "Gift Card", "SEO Title", "SEO Description", "Variant Image"),
    "Status",
)


def shopify() -> Iterator[Cells]:
    """Yield lines of which only the first of a product has its title."""
    for product in PRODUCTS:
        for number in range(max(product.pictures, len(product.options))):
            yield {
                "Handle": product.handle,
                **(_shopify_product(product) if number == 0 else {}),
                **_shopify_variant(product, number),
                **_shopify_picture(product, number),
            }
    # A formula of a spreadsheet that found nothing, and a product that is only begun.
    yield {"Handle": "lost", "Title": "#N/A", "Vendor": "Tarnbeck", "Status": "draft"}
    yield {"Handle": "wool-blanket", "Title": "Wool Blanket", "Status": "draft"}


def _shopify_product(product: Product) -> Cells:
    return {
        "Title": product.title,
        "Body (HTML)": product.body,
        "Vendor": "Tarnbeck",
        "Type": product.kind,
        "Tags": ", ".join(product.tags),
        "Published": "true",
        "Option1 Name": product.option or "Title",
        "Gift Card": "false",
        "SEO Title": f"{product.title} | Tarnbeck",
        "Status": "active",
    }


def _shopify_variant(product: Product, number: int) -> Cells:
    options = product.options or ("Default Title",)
    if number >= len(options):
        return {}  # a line that has only a picture
    # Whoever typed them in began anew with the third: its SKU stands there twice.
    sku = f"TB-{product.handle[:3].upper()}-{number % 2:02}"
    return {
        "Option1 Value": options[number],
        "Variant SKU": sku,
        "Variant Grams": "420.0",
        "Variant Inventory Qty": str(7 * number),
        "Variant Price": product.price,
        "Variant Taxable": "true",
    }


def _shopify_picture(product: Product, number: int) -> Cells:
    if number >= product.pictures:
        return {}
    return {
        "Image Src": product.links[number],
        "Image Position": str(number + 1),
        "Image Alt Text": product.title if number == 0 else "",
    }


# -- WooCommerce: a line for each product and variation, all pictures in one cell


WOOCOMMERCE = (
    *("ID", "Type", "SKU", "GTIN, UPC, EAN, or ISBN", "Name", "Published"),
    *("Is featured?", "Visibility in catalog", "Short description", "Description"),
    *("Tax status", "In stock?", "Stock", "Weight (kg)", "Regular price"),
    *("Categories", "Tags", "Images", "Parent", "Position", "Attribute 1 name"),
    *("Attribute 1 value(s)", "Attribute 1 visible", "Attribute 1 global"),
)


def woocommerce() -> Iterator[Cells]:
    """Yield products, and below each its variations, which point to it by SKU."""
    number = 214
    for product in PRODUCTS:
        sku = f"tb-{product.handle}"
        yield {
            "ID": str(number),
            "Type": "variable" if product.options else "simple",
            "SKU": sku,
            "Name": product.title,
            **_woocommerce_shown(product),
            "Images": ", ".join(product.links),
            "Attribute 1 name": product.option,
            "Attribute 1 value(s)": ", ".join(product.options),
        }
        for place, value in enumerate(product.options, start=1):
            yield {
                "ID": str(number + place),
                "Type": "variation",
                "SKU": f"{sku}-{value.lower()}",
                "Name": f"{product.title} - {value}",
                "Published": "1",
                "Regular price": product.price,
                # Only some variations have a picture of their own.
                "Images": product.links[place % product.pictures] if place < 3 else "",
                "Parent": sku,
                "Position": str(place),
                "Attribute 1 name": product.option,
                "Attribute 1 value(s)": value,
            }
        number += 10
    # A draft without a name, and a picture whose address broke over two lines: such a
    # cell is read as two addresses, of which the second is none.
    yield {"ID": "398", "Type": "simple", "SKU": "tb-draft", "Published": "0"}
    broken = f"{PICTURES}/files/wool-\nblanket.jpg"
    yield {"ID": "399", "Type": "simple", "Name": "Wool Blanket", "Images": broken}


def _woocommerce_shown(product: Product) -> Cells:
    # It writes line breaks as a backslash and an n.
    return {
        "Published": "1",
        "Is featured?": "0",
        "Visibility in catalog": "visible",
        "Description": product.body.replace("\n", "\\n"),
        "Tax status": "taxable",
        "In stock?": "1",
        "Regular price": product.price,
        "Categories": f"Home > {product.kind}",
        "Tags": ", ".join(product.tags),
        "Attribute 1 visible": "1" if product.options else "",
        "Attribute 1 global": "0" if product.options else "",
    }


# -- Etsy: a line for each listing, ten columns of pictures


ETSY_PICTURES = tuple(f"IMAGE{number}" for number in range(1, 11))
ETSY = (
    *("TITLE", "DESCRIPTION", "PRICE", "CURRENCY_CODE", "QUANTITY", "TAGS"),
    *("MATERIALS", *ETSY_PICTURES, "VARIATION 1 TYPE", "VARIATION 1 NAME"),
    *("VARIATION 1 VALUES", "VARIATION 2 TYPE", "VARIATION 2 NAME"),
    *("VARIATION 2 VALUES", "SKU"),
)


def etsy() -> Iterator[Cells]:
    """Yield listings; descriptions have line breaks, and quotes as HTML writes them."""
    for product in PRODUCTS:
        yield _listing(product)
    # Listed twice; then a shop's second pass over its table, which lost some titles.
    yield _listing(PRODUCTS[3])
    for product, title in zip(PRODUCTS[:4], ("", "NULL", "nan", " "), strict=True):
        yield {**_listing(product), "TITLE": title}


def _listing(product: Product) -> Cells:
    words = product.body.replace('"', "&quot;").replace("<p>", "").replace("</p>", "")
    kind = product.option.upper()
    skus = ",".join(f"TB-{value}" for value in product.options)
    return {
        "TITLE": product.title,
        "DESCRIPTION": f"{words}\n\nMade by hand; it&#39;s never quite the same.\n",
        "PRICE": product.price,
        "CURRENCY_CODE": "EUR",
        "QUANTITY": "4",
        "TAGS": ",".join(tag.replace(" ", "_") for tag in product.tags),
        **dict(zip(ETSY_PICTURES, product.links, strict=False)),
        "VARIATION 1 TYPE": "Custom Property" if kind else "",
        "VARIATION 1 NAME": product.option,
        "VARIATION 1 VALUES": ",".join(product.options),
        "SKU": skus,
    }


# -- A feed for Google Merchant Center, as CSV


MERCHANT = (
    *("id", "title", "description", "link", "image_link", "additional_image_link"),
    *("availability", "price", "sale_price", "brand", "gtin", "mpn", "condition"),
    *("google_product_category", "product_type", "item_group_id", "color", "size"),
)


def merchant() -> Iterator[Cells]:
    """Yield a line for each variant; the feed's own ids are unique but for one."""
    for product in PRODUCTS:
        for number, value in enumerate(product.options or ("",)):
            yield _offer(product, number, value)
    yield {**_offer(PRODUCTS[0], 1, "Chalk"), "title": "Fell Mug, second import"}
    yield {**_offer(PRODUCTS[3], 9, ""), "title": "", "color": ""}
    yield {**_offer(PRODUCTS[6], 9, ""), "title": "#REF!", "color": ""}
    yield {**_offer(PRODUCTS[7], 9, ""), "id": "", "title": "Badge without an id"}


def _offer(product: Product, number: int, value: str) -> Cells:
    link = f"https://shop.example.com/products/{product.handle}"
    is_size = product.option == "Size"
    return {
        "id": f"{product.handle}-{number}",
        "title": product.title,
        "description": product.body.replace("\n", " "),
        "link": f"{link}?variant={number}" if value else link,
        "image_link": product.links[number % product.pictures],
        "additional_image_link": ",".join(product.links[1:]),
        "availability": "in_stock",
        "price": f"{product.price} EUR",
        "brand": "Tarnbeck",
        "condition": "new",
        "product_type": f"Home > {product.kind}",
        "item_group_id": product.handle if value else "",
        "color": "" if is_size else value,
        "size": value if is_size else "",
    }


# -- A German merchandise management system, by way of a spreadsheet


GERMAN_WORDS = {
    **{"Mugs": "Küche", "Teapots": "Küche", "Bottles": "Küche", "Shoes": "Schuhe"},
    **{"Lamps": "Beleuchtung", "Bags": "Taschen", "Chairs": "Möbel"},
    **{"Badges": "Ansteckbares", "Moss": "Moosgrün", "Chalk": "Kreideweiß"},
    **{"Ink": "Tintenblau", "Rust": "Rost", "Tar": "Teer"},
}
GERMAN = ("Artikelnummer", "Bezeichnung", "Warengruppe", "Ausführung", "Preis", "Bild")


def german() -> Iterator[Cells]:
    """Yield articles; their numbers begin with zeros, prices have a decimal comma."""
    number = 417
    for product in PRODUCTS:
        for value in product.options or ("",):
            yield {
                "Artikelnummer": f"{number:06}",
                "Bezeichnung": product.german,
                "Warengruppe": GERMAN_WORDS[product.kind],
                "Ausführung": GERMAN_WORDS.get(value, value),
                "Preis": product.price.replace(".", ","),
                "Bild": f"../references/{product.drawing}.png",
            }
            number += 1
    wool = {"Warengruppe": "Decken", "Preis": "1.249,00"}
    yield {"Artikelnummer": "417", "Bezeichnung": "Wolldecke, weiß", **wool}
    yield {"Artikelnummer": "000417", "Bezeichnung": "Becher, zweimal", **wool}
    yield {"Artikelnummer": "000500", "Bezeichnung": "#N/A", **wool}
    yield {"Artikelnummer": "000501", "Bezeichnung": "#BEZUG!", **wool}
    yield {"Artikelnummer": "000502", "Bezeichnung": "", **wool}
    missing = {"Bild": "../references/wolldecke.png"}
    yield {
        "Artikelnummer": "000503",
        "Bezeichnung": "Decke ohne Bild",
        **wool,
        **missing,
    }
    note = "Kissen\r\n(zwei Zeilen; ein Strichpunkt)"
    yield {"Artikelnummer": "000504", "Bezeichnung": note, **wool}


def written(
    columns: Sequence[str],
    rows: Iterable[Cells],
    *,
    delimiter: str = ",",
    end: str = "\n",
    quoting: int = csv.QUOTE_MINIMAL,
) -> str:
    """Return a table as text; a column that a row does not name is empty."""
    file = io.StringIO()
    writer = csv.DictWriter(
        *(file, columns, ""),
        delimiter=delimiter,
        lineterminator=end,
        quoting=quoting,  # type: ignore[arg-type]
    )
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def tables() -> dict[str, bytes]:
    """Return the content of each table by its file's name."""
    semicolons = written(GERMAN, german(), delimiter=";", end="\r\n")
    return {
        "shopify.csv": written(SHOPIFY, shopify()).encode(),
        "woocommerce.csv": written(WOOCOMMERCE, woocommerce()).encode("utf-8-sig"),
        "etsy.csv": written(ETSY, etsy(), quoting=csv.QUOTE_ALL).encode(),
        "merchant.csv": written(MERCHANT, merchant()).encode(),
        "german.csv": semicolons.encode("utf-8-sig"),
        # Some spreadsheets are told the delimiter so.
        "german_sep.csv": f"sep=;\r\n{semicolons}".encode("utf-8-sig"),
    }


def main(folder: Path = TABLES) -> None:
    """Write all tables into a folder."""
    folder.mkdir(exist_ok=True)
    for name, content in tables().items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
