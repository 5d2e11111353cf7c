"""Names in the archive: no two rows share one, on any system that unpacks the ZIP."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter

from batchgen.ledger.ledger import Ledger
from batchgen.ledger.plan_index import PlanIndex
from batchgen.ledger.reader import Reader

MemberNames = Callable[[str, int], Iterable[str]]
"""Base name and number of images to the images' names, in the form that clashes use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRequest:
    """The name that a new row requests.

    Attributes:
        key: Of the row; its versions have the same.
        base_name: The requested name.
        images: How many images need names.
        shared: Base names of older versions whose images other rows have.
    """

    key: int
    base_name: str
    images: int
    shared: frozenset[str] = frozenset()


def name_digests(member_names: MemberNames, base_name: str, images: int) -> list[int]:
    """Return digests of the names of a row's images, from 0 to 2**63 - 1."""
    digests = [
        hashlib.sha256(name.encode()).digest()
        for name in member_names(base_name, images)
    ]
    return [int.from_bytes(digest[:8], "big") >> 1 for digest in digests]


def assign_names(
    requests: Sequence[NameRequest], index: PlanIndex, member_names: MemberNames
) -> list[str]:
    """Return a base name for each row, and store the names in the index.

    A row gets the requested name, unless another row has that name. Versions of one row
    share their names, because only one of them is in the manifest; but images that
    other rows have stay in the ZIP under their names.
    """
    if not requests:
        return []  # reading all names takes long if there are many
    digests_of = partial(name_digests, member_names)
    requested = [digests_of(request.base_name, request.images) for request in requests]
    owners = index.owners([digest for digests in requested for digest in digests])
    base_names, added = [], []
    for request, digests in zip(requests, requested, strict=True):
        base_name, salt = request.base_name, 0
        while base_name in request.shared or any(
            owners.get(digest, request.key) != request.key for digest in digests
        ):
            text = hashlib.sha256(f"{request.key}:{salt}".encode()).hexdigest()
            base_name, salt = f"{request.base_name}~{text[:8]}", salt + 1
            digests = digests_of(base_name, request.images)
            owners |= index.owners(digests)
        owners |= dict.fromkeys(digests, request.key)
        added += [(digest, request.key) for digest in digests]
        base_names.append(base_name)
    index.add_names(added)
    return base_names


@dataclass(frozen=True, slots=True, kw_only=True)
class NewName:
    """A new name for a row, because another row has the old one."""

    row_id: int
    old: str
    base_name: str


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


def new_names(
    ledger: Reader, generation: int, member_names: MemberNames
) -> list[NewName]:
    """Return new names for rows of a reading that have the name of another row.

    Versions of one row have the same name; an edit can make separate rows of them.
    """
    values = {"generation": generation, "adopted": ledger.generation}
    repeated = ledger.execute("names_repeated", values).fetchall()
    others = [
        row for _, rows in groupby(repeated, itemgetter("stem")) for row in [*rows][1:]
    ]
    if not others:
        return []
    requests = [
        NameRequest(
            key=-row["row_id"],  # no other version of the row has this key
            base_name=row["stem"],
            images=row["n"],
            shared=frozenset({row["stem"]}),
        )
        for row in others
    ]
    digests = partial(name_digests, member_names)
    with closing(PlanIndex(ledger, digests)) as index:
        base_names = assign_names(requests, index, member_names)
    return [
        NewName(row_id=row["row_id"], old=row["stem"], base_name=base_name)
        for row, base_name in zip(others, base_names, strict=True)
    ]


def rename_row(ledger: Ledger, name: NewName) -> None:
    """Write down a row's new name; a step of a commit."""
    ledger.execute("row_rename", (name.base_name, name.row_id))


def rename_image(ledger: Ledger, image: NamedImage, name: str, place: int) -> None:
    """Write down the new name and place of an image; a step of a commit."""
    ledger.execute("image_rename", (name, place, image.attempt_id, image.image))
