"""Names in the archive: each is one row's, on whatever system the ZIP is unpacked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter

from batchgen.ledger.known import Known
from batchgen.ledger.ledger import Ledger
from batchgen.ledger.reader import Reader

Claims = Callable[[str, int], Iterable[str]]
"""Stem and number of images to the names that they take, as clashes are judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The name that a new row would like.

    Attributes:
        key: The row's, which its versions share.
        lent: Stems of older versions that other rows have the images of.
    """

    key: int
    stem: str
    images: int
    lent: frozenset[str] = frozenset()


def digests(claims: Claims, stem: str, images: int) -> list[int]:
    """Return what the names of a row's images are known by, from 0 to 2**63 - 1."""
    return [_digest(name.encode()) for name in claims(stem, images)]


def grant(wishes: Sequence[Wish], known: Known, claims: Claims) -> list[str]:
    """Return the stem of each row, its own wish where no other row has it; taken now.

    Versions of one row share their names: only one of them is in the manifest. But
    what other rows have the images of stays in the ZIP.
    """
    if not wishes:
        return []  # to know who has which names takes long where there are many
    asked = [digests(claims, it.stem, it.images) for it in wishes]
    owners = known.owners([digest for each in asked for digest in each])
    stems, granted = [], []
    for wish, wanted in zip(wishes, asked, strict=True):
        stem, taken, salt = wish.stem, wanted, 0
        while stem in wish.lent or any(
            owners.get(it, wish.key) != wish.key for it in taken
        ):
            text = hashlib.sha256(f"{wish.key}:{salt}".encode()).hexdigest()
            stem, salt = f"{wish.stem}~{text[:8]}", salt + 1
            taken = digests(claims, stem, wish.images)
            owners |= known.owners(taken)
        owners |= dict.fromkeys(taken, wish.key)
        granted += [(it, wish.key) for it in taken]
        stems.append(stem)
    known.take(granted)
    return stems


@dataclass(frozen=True, slots=True, kw_only=True)
class NewName:
    """The name that a row gets because another has its own."""

    row_id: int
    old: str
    stem: str


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image of a row in the archive.

    Attributes:
        images: How many its attempt has.
        place: Of its member.
    """

    attempt_id: int
    image: int
    images: int
    name: str
    place: int


def images_of(ledger: Reader, row_id: int) -> list[NamedImage]:
    """Return the images of a row that are in the archive."""
    return [NamedImage(*row) for row in ledger.execute("row_members", (row_id,))]


def new_names(ledger: Reader, generation: int, claims: Claims) -> list[NewName]:
    """Return names for rows of a reading whose own name is another row's.

    Versions of one row have one name, until an edit makes rows of their own of them.
    """
    values = {"generation": generation, "adopted": ledger.generation}
    met = ledger.execute("names_met_twice", values).fetchall()
    others = [
        row for _, rows in groupby(met, itemgetter("stem")) for row in [*rows][1:]
    ]
    if not others:
        return []
    wishes = [
        Wish(
            key=-row["row_id"],  # which other versions of the row do not share
            stem=row["stem"],
            images=row["n"],
            lent=frozenset({row["stem"]}),
        )
        for row in others
    ]
    with closing(Known(ledger, partial(digests, claims))) as known:
        stems = grant(wishes, known, claims)
    return [
        NewName(row_id=row["row_id"], old=row["stem"], stem=stem)
        for row, stem in zip(others, stems, strict=True)
    ]


def rename_row(ledger: Ledger, name: NewName) -> None:
    """Let a row have its new name; a step of a commit."""
    ledger.execute("row_rename", (name.stem, name.row_id))


def rename_image(ledger: Ledger, image: NamedImage, name: str, place: int) -> None:
    """Write down where the copy of an image lies that has its new name; likewise."""
    values = (name, place, image.attempt_id, image.image)
    ledger.execute("image_rename", values)


def _digest(name: bytes) -> int:
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big") >> 1
