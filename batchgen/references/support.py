"""Whether a provider accepts reference images, as they are or converted."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from batchgen.addresses import shown
from batchgen.images import ImageFacts
from batchgen.model import ReferenceRules
from batchgen.references.inspector import Inspector

_READABLE = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
_WRITABLE = frozenset({"image/png", "image/jpeg", "image/webp"})
_AVIF = "image/avif"
_MEBI = 1024 * 1024
_REMEDY = "or say `shrink = true` under [references]"


def why_unsupported(
    references: Sequence[str],
    rules: ReferenceRules,
    inspector: Inspector,
    *,
    shrink: bool,
) -> str | None:
    """Return why a provider cannot take references, None if it can.

    The image of a URL was not fetched yet. How small an image can become is unknown.

    Args:
        references: All references of one row; their number is checked elsewhere.
        rules: What the provider accepts.
        inspector: Reads what each image is.
        shrink: Whether images may be re-encoded and scaled down.

    Raises:
        Unusable: no provider can take one of them.
    """
    files = [each for each in references if not rules.is_sent_as_link(each)]
    if files and set(rules.carriers) <= {"link"}:
        return f"{shown(files[0])}: only http(s) URLs are taken"
    total_bytes = 0
    for reference in files:
        facts = inspector.facts_of(reference)
        if facts is None:
            continue
        reason = why_image_unsupported(facts, rules.media_types, rules.max_bytes)
        is_convertible = shrink and can_convert(facts.media_type, rules.media_types)
        if reason is not None and not is_convertible:
            return f"{shown(reference)}: {reason}"
        total_bytes += facts.size_bytes
    max_bytes = rules.max_total_bytes
    if max_bytes is None or total_bytes <= max_bytes or shrink:
        return None
    return f"{len(files)} files together: {_too_large(total_bytes, max_bytes)}"


def why_image_unsupported(
    facts: ImageFacts, media_types: Sequence[str], max_bytes: int | None
) -> str | None:
    """Return why one image is not accepted as it is, None if it is."""
    if facts.media_type not in media_types:
        accepted = ", ".join(media_types)
        remedy = (
            f"; convert it, {_REMEDY}"
            if can_convert(facts.media_type, media_types)
            else ""
        )
        return f"{facts.media_type} is not taken ({accepted} can be){remedy}"
    if max_bytes is not None and facts.size_bytes > max_bytes:
        return _too_large(facts.size_bytes, max_bytes)
    return None


def _too_large(size_bytes: int, max_bytes: int) -> str:
    unit, name = (_MEBI, "MiB") if max_bytes % _MEBI == 0 else (1_000_000, "MB")
    size = f"{size_bytes / unit:.1f}"
    limit = f"{max_bytes / unit:.1f}".removesuffix(".0")
    if float(size) <= float(limit):  # rounding hides the difference: count bytes
        name, size, limit = "bytes", f"{size_bytes:,}", f"{max_bytes:,}"
    return f"{size} {name}, at most {limit} {name} are taken; scale down, {_REMEDY}"


def can_convert(media_type: str, targets: Collection[str]) -> bool:
    """Say whether an image can be converted into one of the target types."""
    is_readable = media_type in _READABLE or (media_type == _AVIF and _reads_avif())
    return is_readable and not _WRITABLE.isdisjoint(targets)


def _reads_avif() -> bool:
    # Pillow loads slowly, and no other check before a purchase needs it.
    from PIL import Image

    Image.init()
    # Registered only where Pillow was built with the AVIF library.
    return "AVIF" in Image.SAVE
