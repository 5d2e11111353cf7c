"""Whether a provider can take reference images as they are."""

from __future__ import annotations

from collections.abc import Sequence

from batchgen.addresses import is_url, shown
from batchgen.model import ReferenceRules
from batchgen.references.conversions import can_make
from batchgen.references.facts import Facts
from batchgen.references.inspector import Inspector

_MEBI = 1024 * 1024
_WAY_OUT = "or say `shrink = true` under [references]"


def judge(
    references: Sequence[str],
    rules: ReferenceRules,
    look: Inspector,
    *,
    shrink: bool,
) -> str | None:
    """Return why a provider cannot take references, None if it can.

    What a URL holds is not known here, nor how small an image can be made.

    Args:
        references: Of one row; how many there may be is judged elsewhere.
        rules: What the provider takes.
        look: Says what they are.
        shrink: Whether they may be re-encoded and scaled down.

    Raises:
        Unusable: nobody can take one of them.
    """
    carried = [
        reference for reference in references if not travels_as_link(reference, rules)
    ]
    if carried and set(rules.carriers) <= {"link"}:
        return f"{shown(carried[0])}: only http(s) URLs are taken"
    together = 0
    for reference in carried:
        facts = look.look(reference)
        if facts is None:
            continue
        reason = misfit(facts, rules.media_types, rules.most_bytes)
        mendable = shrink and can_make(facts.media_type, rules.media_types)
        if reason is not None and not mendable:
            return f"{shown(reference)}: {reason}"
        together += facts.size_bytes
    most = rules.most_bytes_together
    if most is None or together <= most or shrink:
        return None
    return f"{len(carried)} files together: {_too_large(together, most)}"


def travels_as_link(reference: str, rules: ReferenceRules) -> bool:
    """Tell whether a provider fetches a reference itself."""
    return is_url(reference) and "link" in rules.carriers


def misfit(
    facts: Facts, media_types: Sequence[str], most_bytes: int | None
) -> str | None:
    """Return why an image is not taken as it is, None if it is."""
    if facts.media_type not in media_types:
        taken = ", ".join(media_types)
        way_out = (
            f"; convert it, {_WAY_OUT}"
            if can_make(facts.media_type, media_types)
            else ""
        )
        return f"{facts.media_type} is not taken ({taken} can be){way_out}"
    if most_bytes is not None and facts.size_bytes > most_bytes:
        return _too_large(facts.size_bytes, most_bytes)
    return None


def _too_large(size: int, most: int) -> str:
    unit, name = (_MEBI, "MiB") if most % _MEBI == 0 else (1_000_000, "MB")
    given, limit = f"{size / unit:.1f}", f"{most / unit:.1f}".removesuffix(".0")
    if float(given) <= float(limit):  # they differ by less than is shown
        unit, name, given, limit = 1, "bytes", f"{size:,}", f"{most:,}"
    return f"{given} {name}, at most {limit} {name} are taken; scale down, {_WAY_OUT}"
