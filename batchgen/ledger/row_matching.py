"""Match the rows of a reading with the ledger: their keys, versions and names."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from batchgen.ledger.meta import Value
from batchgen.ledger.naming import MemberNames, NameRequest, assign_names
from batchgen.ledger.plan_index import PlanIndex
from batchgen.ledger.reader import Reader
from batchgen.ledger.records import PlanEntry
from batchgen.ledger.request_json import dump_request
from batchgen.ledger.resuming import KeyOf
from batchgen.ledger.route import load_route
from batchgen.model import ImageRequest, Status

REPEATED = "repeats the id of an earlier row; ids must differ"


@dataclass(slots=True, kw_only=True)
class MatchedRow:
    """A row of the manifest, and its match in the ledger.

    Attributes:
        key: None for a row that has no identity, or repeats another's.
        row_id: None for a row that was never read without a problem.
        base_name: Its name in the archive, if the row is new.
        others: Rows that are other versions of it.
        rebuy: Whether one of them was paid for, and this one was not.
        is_done: Whether it has succeeded: then new problems of the row are ignored.
        regroup: Whether its money counts for another budget than before.
    """

    entry: PlanEntry
    key: int | None = None
    row_id: int | None = None
    base_name: str | None = None
    others: Sequence[int] = ()
    rebuy: bool = False
    is_done: bool = False
    regroup: bool = False

    def row_values(self) -> Sequence[Value]:
        """Return the values for the table `rows`, if the row is new."""
        entry = self.entry
        request = entry.request or ImageRequest(prompt="")
        return (
            *(self.row_id, self.key, entry.fingerprint, entry.id, self.base_name),
            *(dump_request(request), request.n, entry.budget_group),
        )

    def plan_values(self, generation: int, shares: int | None) -> Mapping[str, Value]:
        """Return the values for the table `plan`.

        Args:
            generation: The reading.
            shares: The row whose images this one gets; None for its own.
        """
        entry, has_no_entry = self.entry, self.row_id is None
        return {
            "generation": generation,
            "position": entry.position,
            "line": entry.line,
            "row_id": self.row_id,
            "id": entry.id,
            "request": _stored_request(entry) if has_no_entry else None,
            "provider": entry.provider,
            "route": entry.route,
            "shares": shares,
            "model": entry.model,
            "resolution": entry.resolution,
            "estimate": entry.estimate,
            "rebuy": self.rebuy,
            "at_column": None if self.is_done else entry.at_column,
            "problem": None if self.is_done else entry.problem,
            "warning": entry.warning,
            "key": self.key if has_no_entry else None,
            "fingerprint": entry.fingerprint if has_no_entry else None,
        }


def _stored_request(entry: PlanEntry) -> str | None:
    """Return the request of a row without an entry in `rows`; None if it has none."""
    if entry.request is not None:
        return dump_request(entry.request)
    prompt = entry.prompt
    return None if prompt is None else dump_request(ImageRequest(prompt=prompt))


class RowMatcher:
    """Matches one slice after the other; writes nothing.

    Attributes:
        id_column: The manifest's name of the column of ids, for messages.
    """

    def __init__(
        self,
        reader: Reader,
        key_of: KeyOf,
        member_names: MemberNames,
        last_row_id: int,
        *,
        dedupe: bool,
    ) -> None:
        self.id_column = "id"
        self._reader = reader
        self._key_of = key_of
        self._member_names = member_names
        self._last_row_id = last_row_id
        self._dedupe = dedupe

    def match(self, entries: Sequence[PlanEntry], index: PlanIndex) -> list[MatchedRow]:
        """Return the matches of the next slice's rows, in order."""
        rows = [MatchedRow(entry=entry) for entry in entries]
        self._assign_keys(rows, index)
        whole = [row for row in rows if row.key is not None and row.entry.fingerprint]
        self._find_versions(whole, index)
        self._add_new(whole, index)
        return rows

    def _assign_keys(self, rows: Sequence[MatchedRow], index: PlanIndex) -> None:
        """Give rows their keys; a row that repeats an id gets none."""
        with_id = [row for row in rows if row.entry.id is not None]
        keys = [self._key_of(row.entry.id, b"", 0) for row in with_id]
        repeats = index.add_keys(keys)
        for row, key, is_repeat in zip(with_id, keys, repeats, strict=True):
            if is_repeat:
                row.entry = replace(
                    row.entry, problem=REPEATED, at_column=self.id_column
                )
            else:
                row.key = key
        without_id = [
            (row, row.entry.fingerprint)
            for row in rows
            if row.entry.id is None and row.entry.fingerprint is not None
        ]
        keys = [self._key_of(None, fingerprint, 0) for _, fingerprint in without_id]
        counts = index.count_occurrences(keys)
        for (row, fingerprint), key, above in zip(
            without_id, keys, counts, strict=True
        ):
            row.key = self._key_of(None, fingerprint, above) if above else key

    def _find_versions(self, rows: Sequence[MatchedRow], index: PlanIndex) -> None:
        """Find rows and their other versions among those of earlier readings."""
        versions = index.versions([row.key for row in rows if row.key is not None])
        states = self._states_of(
            [row_id for each in versions.values() for row_id in each.values()]
        )
        for row in rows:
            if (by_fingerprint := versions.get(row.key or 0)) is None:
                continue
            row.row_id = by_fingerprint.get(row.entry.fingerprint or b"")
            row.others = [
                row_id for row_id in by_fingerprint.values() if row_id != row.row_id
            ]
            self._compare(row, states)

    def _compare(self, row: MatchedRow, states: Mapping[int, sqlite3.Row]) -> None:
        """Note the purchases of a row and of its other versions."""
        is_bought = False
        if row.row_id is not None:
            state = states[row.row_id]
            row.is_done = state["status"] == Status.SUCCEEDED
            row.regroup = state["budget_group"] != row.entry.budget_group
            is_bought = bool(state["is_bought"])
            if state["is_tried"] and not row.is_done:
                if row.entry.spares_started:
                    row.entry = replace(row.entry, problem=None, at_column=None)
                row.entry = self._as_moved(row.entry, row.row_id)
        others_paid = any(states[row_id]["is_paid"] for row_id in row.others)
        row.rebuy = others_paid and not is_bought
        if row.row_id is not None and states[row.row_id]["is_removed"]:
            row.rebuy = True

    def _states_of(self, row_ids: Sequence[int]) -> Mapping[int, sqlite3.Row]:
        if not row_ids:
            return {}
        rows = self._reader.execute("row_states", (json.dumps(row_ids),))
        return {row["row_id"]: row for row in rows}

    def _as_moved(self, entry: PlanEntry, row_id: int) -> PlanEntry:
        """Return the entry with the provider that a row moved to, if it did."""
        candidates = load_route(entry.route)
        provider = self._reader.planned_provider(row_id) if candidates else None
        for candidate in candidates:
            if candidate.provider == provider:
                return replace(
                    entry,
                    provider=candidate.provider,
                    model=candidate.model,
                    resolution=candidate.resolution,
                    warning=candidate.warning,
                )
        return entry

    def _add_new(self, rows: Sequence[MatchedRow], index: PlanIndex) -> None:
        """Give new rows a number and a name."""
        new = {
            row.key: (row, row.entry.request)
            for row in rows
            if row.key is not None and row.row_id is None
            if row.entry.request is not None and row.entry.problem is None
        }
        requests = [
            NameRequest(
                key=key,
                base_name=row.entry.base_name,
                images=request.n,
                shared=self._shared_names(row.others),
            )
            for key, (row, request) in new.items()
        ]
        base_names = assign_names(requests, index, self._member_names)
        for (row, _), base_name in zip(new.values(), base_names, strict=True):
            self._last_row_id += 1
            row.row_id, row.base_name = self._last_row_id, base_name

    def _shared_names(self, row_ids: Sequence[int]) -> frozenset[str]:
        """Return the base names under which other rows have these rows' images."""
        if not self._dedupe or not row_ids:
            return frozenset()
        rows = self._reader.execute("base_names_shared", (json.dumps(row_ids),))
        return frozenset(base_name for (base_name,) in rows)
