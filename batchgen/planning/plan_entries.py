"""Make the plan's entries of rows: which provider, which resolution, which price."""

from __future__ import annotations

from collections.abc import Iterator

from batchgen.ledger import PlanEntry, PlanWriter, dump_route
from batchgen.manifest import Row, Slice
from batchgen.manifest.embedded import ImageStore
from batchgen.manifest.manifest import Manifest
from batchgen.output.member_names import safe_base_name, strip_image_extension
from batchgen.planning.routing import Router, find_candidates


def plan_entry(row: Row, router: Router) -> PlanEntry:
    """Return the plan's entry of a row: its best candidate, or why it has none."""
    candidates, problem = find_candidates(row, router)
    if candidates and problem is None and router.round_robin is not None:
        router.round_robin.counts[candidates[0].provider] += 1
    request = row.request
    best = candidates[0] if candidates else None
    return PlanEntry(
        position=row.position,
        line=row.line,
        id=row.id,
        request=request,
        fingerprint=row.fingerprint,
        budget_group=row.budget_group,
        base_name=safe_base_name(_base_name(row)),
        provider=best.provider if best else None,
        model=best.model if best else (request.model if request else None),
        resolution=best.resolution if best else None,
        estimate=best.estimate if best else None,
        prompt=row.prompt,
        at_column=problem[0] if problem else None,
        problem=problem[1] if problem else None,
        spares_started=bool(candidates) and problem is not None,
        warning=best.warning if best else None,
        route=dump_route(candidates),
        parents=row.parents,
    )


def add_all_rows(
    plan: PlanWriter, manifest: Manifest, router: Router
) -> Iterator[tuple[Slice, list[PlanEntry]]]:
    """Add the rows of a manifest to a plan; yield each slice with its entries."""
    plan.id_column = router.job.columns.get("id", "id")
    images = ImageStore(router.job.images_folder)
    rows = 0
    for part in manifest.slices():
        entries = [plan_entry(row, router) for row in part.rows]
        plan.add(entries, part.user_columns, rows)
        images.clear()
        rows += len(entries)
        yield part, entries


def _base_name(row: Row) -> str:
    """Return the name of the row's images, without number and extension."""
    if row.filename:
        return strip_image_extension(row.filename)
    if row.id is not None:
        return row.id
    digest = row.fingerprint.hex()[:8] if row.fingerprint else "0" * 8
    return f"row-{row.position}-{digest}"
