"""The laws of a night, judged by the provider's books against the run folder's."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence

from batchgen.limits.circuit_breaker import Outage
from tests.books import Record, is_at_risk, nano_of, total_nano
from tests.law import ledger_problems
from tests.simulation.case import Case
from tests.simulation.schedule import BEGAN
from tests.simulation.service import FORBIDDEN, WINDOW_S
from tests.simulation.shapes import Purchase

_ENDED = ("unknown", "failed", "rejected", "overdue")
ADMITTED = ("link_lost", "image_rejected", "superseded")
"""Why an image that was paid for may not be there: the row says so."""

SETTLED_S = 600.0
"""After so much of an outage all that was under way before it has come to its end."""


def was_killed(attempt: Record) -> bool:
    """Say whether the answer came to nobody: the process was dead by then."""
    words = str(attempt["message"] or "")
    return words.startswith("batchgen stopped") and attempt["task_id"] is None


# -- the laws: each yields what breaks it


def never_over_budget(case: Case) -> Iterator[str]:
    budget = case.job.max_cost
    # The bill only grows, so its end is its highest.
    if budget is not None and case.books.billed > nano_of(budget):
        yield f"billed {case.books.billed}, allowed {nano_of(budget)}"


def never_over_rate(case: Case) -> Iterator[str]:
    rpm = case.schedule.rpm
    if isinstance(rpm, str) or rpm is None:
        return
    if (count := max_in_a_minute(case.books.arrivals)) > rpm:
        yield f"{count} purchases arrived in 60 s, allowed {rpm:g}"


def max_in_a_minute(times: Sequence[float]) -> int:
    """Return the purchases in the fullest 60 s, as the provider counts arrivals."""
    first = max_count = 0
    for number, at in enumerate(times):
        while times[first] <= at - WINDOW_S:
            first += 1
        max_count = max(max_count, number - first + 1)
    return max_count


def never_over_concurrency(case: Case) -> Iterator[str]:
    allowed = case.schedule.concurrency
    if isinstance(allowed, int) and case.seen.max_underway > allowed:
        yield f"{case.seen.max_underway} purchases at once, allowed {allowed}"


def money_is_exact(case: Case) -> Iterator[str]:
    yield from ledger_problems(
        case.attempts,
        case.bought_by_prompt(lambda purchase: purchase.billed),
        spent=total_nano(row["cost_usd"] for row in case.table),
        at_risk=total_nano(row["at_risk_usd"] for row in case.table),
    )


def nothing_leaves_unwritten(case: Case) -> Iterator[str]:
    """Each request that arrived has an attempt that says that it left."""
    arrived = case.bought_by_prompt(lambda _: 1)
    sent = case.by_prompt(lambda attempt: attempt["state"] != "rejected")
    rejected = case.by_prompt(lambda attempt: attempt["state"] == "rejected")
    for prompt, times in arrived.items():
        if times > sent[prompt] + rejected[prompt]:
            yield f"{prompt}: {times} arrived, {sent[prompt]} were written down"


def nothing_is_bought_twice(case: Case) -> Iterator[str]:
    """A part is bought again only after it failed, or nobody could know its outcome."""
    last: dict[tuple[int, int], Record] = {}
    for attempt in case.attempts:
        part = (attempt["row_id"], attempt["first_image"])
        before = last.get(part)
        if before is not None and not _may_follow(before):
            yield f"{attempt['prompt']}: bought again after {before['state']}"
        last[part] = attempt
    expected: Counter[str] = Counter()
    for _, prompt, n in case.asked:
        expected[prompt] += n
    good = case.bought_by_prompt(_is_good)
    killed = case.by_prompt(was_killed)
    for prompt, times in good.items():
        if times > expected[prompt] + killed[prompt]:
            yield (
                f"{prompt}: {times} purchases were taken and told, wanted "
                f"{expected[prompt]}, cut off by kills {killed[prompt]}"
            )


def unknown_is_bought_again_as_often_as_agreed(case: Case) -> Iterator[str]:
    again: Counter[tuple[int, int]] = Counter()
    unsure: set[tuple[int, int]] = set()
    for attempt in case.attempts:
        part = (attempt["row_id"], attempt["first_image"])
        again[part] += part in unsure
        unsure.discard(part)
        if attempt["state"] == "unknown":
            unsure.add(part)
    max_unknown = case.job.max_unknown if case.job.on_unknown == "retry" else 0
    for (row_id, image), times in again.items():
        if times > max_unknown:
            yield f"image {image} of line {row_id} of the ledger: {times} times"


def _may_follow(before: Record) -> bool:
    if before["state"] == "overdue" or before["state"] not in _ENDED:
        return False
    # A lost task may be another account's, and a lost link was paid for.
    return before["error"] not in ("task_lost", *ADMITTED)


def _is_good(purchase: Purchase) -> int:
    """Say whether the client knew that it was accepted, and it did not fail."""
    return purchase.read_at is not None and purchase.end_read_at is None


def nothing_paid_is_lost(case: Case) -> Iterator[str]:
    """What was told as made is in the ZIP, or the row admits why not."""
    have = set(case.files.values())
    missing = case.bought_by_prompt(
        lambda entry: (
            entry.read_at is not None
            and entry.fate in ("made", "gone")
            and hashlib.sha256(entry.image).hexdigest() not in have
        )
    )
    admitted = case.by_prompt(
        lambda entry: entry["error"] in ADMITTED or is_at_risk(entry) or _is_open(entry)
    )
    for prompt, times in missing.items():
        if times > admitted[prompt]:
            yield f"{prompt}: {times} images lost, {admitted[prompt]} admitted"


def _is_open(attempt: Record) -> bool:
    return attempt["state"] in ("accepted", "delivered", "overdue")


def no_image_is_forgotten(case: Case) -> Iterator[str]:
    """Each image that stands in the ZIP is one that the ledger names, and the table."""
    if case.written != case.named:
        yield f"{len(case.written)} images were written, {len(case.named)} are named"


def table_is_whole(case: Case) -> Iterator[str]:
    ids = [row["id"] for row in case.table]
    if ids != [value[0] for value in case.asked]:
        yield f"{len(ids)} rows for {len(case.asked)}, or in another order"


def successes_open(case: Case) -> Iterator[str]:
    """A row that succeeded has its n own images, as the provider drew them."""
    prompts_by_digest = {
        hashlib.sha256(purchase.image).hexdigest(): purchase.prompt
        for purchase in case.books.purchases
        if purchase.image
    }
    counts: Counter[str] = Counter()
    for row, (_, prompt, n) in zip(case.table, case.asked, strict=False):
        digests = [case.files.get(file["name"], "") for file in row["files"]]
        counts.update(digests)
        if any(prompts_by_digest.get(digest) != prompt for digest in digests):
            yield f"{prompt}: a file is missing, or no image of its own"
        if row["status"] == "succeeded" and len(digests) != n:
            yield f"{prompt}: succeeded with {len(digests)} of {n} images"
    members = len(case.files) - ("metadata.jsonl" in case.files)
    if max(counts.values(), default=1) > 1 or members != len(counts):
        yield f"{members} members for {len(counts)} files, or one stands twice"


def refused_is_never_asked_again(case: Case) -> Iterator[str]:
    killed = case.by_prompt(was_killed)
    read_at: dict[str, float] = {}
    after: Counter[str] = Counter()
    for purchase in case.books.purchases:
        if FORBIDDEN not in purchase.prompt:
            continue
        after[purchase.prompt] += purchase.at > read_at.get(
            purchase.prompt, purchase.at
        )
        if purchase.end_read_at is not None:
            read_at.setdefault(purchase.prompt, purchase.end_read_at)
    for prompt, times in after.items():
        if times > killed[prompt]:
            yield f"{prompt}: asked {times} times after it was refused"


def outages_use_up_no_rows(case: Case) -> Iterator[str]:
    """While everybody gets errors, a few rows at most pay for it with an attempt."""
    counted = [
        ((attempt["sent_at"] - BEGAN) / 1e6, attempt["row_id"])
        for attempt in case.attempts
        if attempt["error"] == "provider_down"
        and attempt["counts"]
        and not attempt["excused"]
    ]
    for outage in case.schedule.outages:
        first_s, last_s = outage.begins_s + SETTLED_S, outage.ends_s
        if outage.kind != "json" or last_s - outage.begins_s > Outage.PATIENCE_S:
            continue
        rows = {row_id for at, row_id in counted if first_s <= at < last_s}
        # Each process must find out anew.
        starts = sum(outage.begins_s <= at < last_s for at in case.seen.begun_s)
        if len(rows) > (Outage.TRIP - 1) * (1 + starts):
            yield f"{len(rows)} rows had errors counted from {first_s:.0f} s on"


def ends_complete(case: Case) -> Iterator[str]:
    """With nothing in the way, however bad the night was."""
    if not case.schedule.must_end_well:
        return
    for row in case.table:
        if row["status"] != "succeeded":
            yield f"{row['prompt']}: {row['status']}, {row['error']}, {row['message']}"


LAWS = (
    never_over_budget,
    never_over_rate,
    never_over_concurrency,
    money_is_exact,
    nothing_leaves_unwritten,
    nothing_is_bought_twice,
    unknown_is_bought_again_as_often_as_agreed,
    no_image_is_forgotten,
    nothing_paid_is_lost,
    table_is_whole,
    successes_open,
    refused_is_never_asked_again,
    outages_use_up_no_rows,
    ends_complete,
)


def broken_laws(case: Case) -> dict[str, list[str]]:
    """Return what breaks each law that is broken."""
    examples = {law.__name__: list(law(case)) for law in LAWS}
    return {name: words for name, words in examples.items() if words}


def shown(broken: dict[str, list[str]]) -> str:
    """Return broken laws in words, the first examples of each."""
    return json.dumps({name: words[:3] for name, words in broken.items()}, indent=1)
