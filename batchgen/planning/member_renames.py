"""Make file names differ again after an edit turned versions of one row into rows.

In the ZIP a member's name precedes its bytes, and the archive is only appended to. So
the image is appended again under the new name; its purchase and cost do not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from batchgen.ledger import Ledger, NamedImage, NewName, Reader, images_of, new_names
from batchgen.ledger.naming import rename_image, rename_row
from batchgen.output.archive import Archive, Member, NewImage, Tag
from batchgen.output.member_names import folded_base_names

if TYPE_CHECKING:
    from batchgen.storage.writer import Writer
    from batchgen.wire.offload import Offload


async def rename_rows(
    ledger: Reader,
    archive: Archive,
    writer: Writer,
    offload: Offload,
    generation: int,
) -> None:
    """Make the names of all rows of a generation differ, before it comes into use.

    Raises:
        StorageError: the images cannot be read, or cannot be written again.
    """
    for name in await offload(lambda: new_names(ledger, generation, folded_base_names)):
        images = images_of(ledger, name.row_id)
        await _rename(archive, writer, offload, name, images)


async def _rename(
    archive: Archive,
    writer: Writer,
    offload: Offload,
    name: NewName,
    images: Sequence[NamedImage],
) -> None:
    def read() -> list[NewImage]:
        return [
            NewImage(
                name=name.base_name + image.name.removeprefix(name.old),
                data=archive.read(image.place),
                tag=Tag(
                    attempt_id=image.attempt_id,
                    image=image.image,
                    images=image.images,
                ),
            )
            for image in images
        ]

    def step(ledger: Ledger, members: Sequence[Member]) -> None:
        for image, member in zip(images, members, strict=True):
            rename_image(ledger, image, member.name, member.offset)
        rename_row(ledger, name)
        ledger.meta.outputs = "stale"

    copies = await offload(read)
    if copies:
        await writer.store(copies, step)
    else:
        await writer.commit(lambda ledger: step(ledger, ()))
