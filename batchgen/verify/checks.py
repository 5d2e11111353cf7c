"""What every provider must do at its sandbox: one check for each fault."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from batchgen.model import to_nano
from batchgen.sandbox import KEY
from batchgen.sandbox.faults import DOWNLOAD_FAULTS, Fault
from batchgen.sandbox.services import all_services
from batchgen.verify.books import Books, CheckFailed, expect
from batchgen.verify.customer import Customer
from batchgen.verify.outcomes import EXPECTED, ExpectedRow, expected_of
from batchgen.verify.requests import REQUEST_CHECKS

RUNS = 4
"""More than one, because some errors have several shapes."""
LINKS = 6
"""More than one, because some replies have base64 in place of a link."""
STOPS = frozenset(fault for fault in EXPECTED if EXPECTED[fault].is_rejected)
ONE_PURCHASE = frozenset(EXPECTED) - STOPS - DOWNLOAD_FAULTS
HELD = ExpectedRow(status="held", error="outcome_unknown", bill=("lost",), at_risk=1)
TASK_LOST = ExpectedRow(
    status="held", error="task_lost", unknown=frozenset({"delivered"}), at_risk=1
)

Work = Callable[[Customer], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a provider must do.

    Attributes:
        name: For users, and for the tests.
        run: Runs the check with a customer that has bought nothing yet.
        codes: Exit codes of its runs, in order; empty if the check does not depend on
            them.
    """

    name: str
    run: Work
    codes: tuple[int, ...] = ()


def checks_of(provider: str) -> Iterator[Check]:
    """Yield the checks of a provider: its sandbox decides which faults there are."""
    service: Any = all_services()[provider]
    faults: frozenset[Fault] = service.faults
    for work in REQUEST_CHECKS:
        yield Check(_name_of(work), work)
    for fault in sorted(faults & ONE_PURCHASE):
        expected = expected_of(service, fault)
        run = partial(fail_once, fault=fault, expected=expected)
        yield Check(f"fault {fault}", run, (expected.code,))
    for fault in sorted(faults & STOPS):
        expected = expected_of(service, fault)
        run = partial(stop, fault=fault, expected=expected)
        yield Check(f"stop {fault}", run, (*[expected.code] * RUNS, 0))
    for fault in sorted(faults & DOWNLOAD_FAULTS):
        expected = expected_of(service, fault)
        run = partial(fail_downloads, fault=fault, expected=expected)
        yield Check(f"download {fault}", run, (expected.code,) * 2)
    at_risk = expected_of(service, Fault.NO_IMAGE).at_risk
    yield Check("no image, twice", partial(reply_without_image, at_risk=at_risk))
    yield Check("slow answers", wait_for_slow_answers)
    yield Check("unknown outcomes held", hold_unknown)
    if Fault.TASK_UNKNOWN in faults:
        yield Check("lost task held", hold_lost_task)
    yield Check("storm", survive_storm)


def _name_of(work: Work) -> str:
    name: str = work.__name__
    return name.replace("_", " ")


def check_row(customer: Customer, books: Books, expected: ExpectedRow) -> None:
    """Compare the books of one row with the expected ones, to the nano-dollar."""
    (row,) = books.rows
    ceiling_usd = Decimal(customer.tariff[customer.cheapest]["ceiling_usd"])
    expect("status", row["status"], expected.status)
    expect("error", row["error"], expected.error)
    expect("a message beside an error", bool(row["message"]), bool(expected.error))
    expect("images", len(row["files"]), int(expected.status == "succeeded"))
    expect(f"a warning ({row['warning']})", bool(row["warning"]), expected.warns)
    expect("purchase requests", len(books.requests), expected.requests)
    expect("attempts", row["attempts"], expected.attempts)
    expect("bill", tuple(entry["status"] for entry in books.bill), expected.bill)
    certain = [entry for entry in books.bill if entry["status"] not in expected.unknown]
    expect("spent", books.spent, sum(entry["amount_nano_usd"] for entry in certain))
    expect("attempts at risk", row["at_risk_attempts"], expected.at_risk)
    expect("at risk", books.at_risk, expected.at_risk * to_nano(ceiling_usd))
    is_charged = row["cost_basis"] in ("reported", "price_list")
    expect("a charge that is known", is_charged, books.spent > 0)


def check_all_paid(books: Books) -> None:
    """Check that everything on the bill is spent, and nothing is at risk."""
    expect("spent and at risk", (books.spent, books.at_risk), (books.billed, 0))


async def fail_once(customer: Customer, *, fault: Fault, expected: ExpectedRow) -> None:
    """Buy one image; its first request, or its first poll, has a fault."""
    customer.write([customer.row(f"a jug, {fault}")])
    customer.sandbox.queue_fault(customer.provider, fault)
    await customer.run()
    check_row(customer, customer.read_books(), expected)


async def stop(customer: Customer, *, fault: Fault, expected: ExpectedRow) -> None:
    """Reject key, credit or model: few requests are sent, and rows stay pending."""
    rows = [customer.row(f"a fork {number}, {fault}") for number in range(3)]
    customer.write(rows)
    customer.sandbox.queue_fault(customer.provider, fault, RUNS * expected.requests)
    for number in range(1, RUNS + 1):
        outcome = await customer.run()
        expect("stops", [error.kind for error in outcome.stopped], [expected.error])
        books = customer.read_books()
        expect("purchase requests", len(books.requests), number * expected.requests)
        expect("statuses", books.statuses, {"pending": len(rows)})
        errors = {row["error"] for row in books.rows} - {expected.error, None}
        expect("other errors", errors, set())
        leaks = [row["id"] for row in books.rows if KEY in (row["message"] or "")]
        expect("rows whose message holds the key", leaks, [])
        expect("bill", (books.bill, books.spent, books.at_risk), ([], 0, 0))
    await customer.run()
    books = customer.read_books()
    requests = RUNS * expected.requests + len(rows)
    expect("purchase requests at last", len(books.requests), requests)
    expect("attempts", {row["attempts"] for row in books.rows}, {1})
    check_all_paid(books)


async def fail_downloads(
    customer: Customer, *, fault: Fault, expected: ExpectedRow
) -> None:
    """Fail a download: no image is bought again."""
    prompts = [f"a dish {number}, {fault}" for number in range(LINKS)]
    customer.write([customer.row(prompt) for prompt in prompts])
    customer.sandbox.queue_fault(customer.provider, fault)
    for _ in range(2):
        await customer.run(terms={"concurrency": LINKS})
        books = customer.read_books()
        counts = (len(books.requests), len(books.bill))
        expect("purchase requests and bill", counts, (LINKS, LINKS))
        check_all_paid(books)
        lost = [row["error"] for row in books.rows if row["status"] == "failed"]
        expect("failed rows", lost, [expected.error] * bool(expected.code))
        expect("succeeded", books.statuses["succeeded"], LINKS - len(lost))


async def reply_without_image(customer: Customer, *, at_risk: int) -> None:
    """Reply without an image, twice: the row is bought again at most once."""
    customer.write([customer.row("an empty plate")])
    customer.sandbox.queue_fault(customer.provider, Fault.NO_IMAGE, 2)
    await customer.run()
    await customer.run()
    books = customer.read_books()
    (row,) = books.rows
    expect("status and error", (row["status"], row["error"]), ("failed", "no_image"))
    expect("requests and attempts", (len(books.requests), row["attempts"]), (2, 2))
    expect("bill", {entry["status"] for entry in books.bill}, {"no_image"})
    expect("attempts at risk", row["at_risk_attempts"], 2 * at_risk)
    expect("spent", books.spent, 0 if at_risk else books.billed)


async def wait_for_slow_answers(customer: Customer) -> None:
    """Delay all answers."""
    rows = 3
    customer.write([customer.row(f"a slow cup {number}") for number in range(rows)])
    customer.sandbox.queue_fault(customer.provider, Fault.SLOW, rows)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: customer.run(terms={"concurrency": rows}))
        with anyio.fail_after(60):
            while await anyio.to_thread.run_sync(customer.sandbox.faults) != {
                "queued": [],
                "held": rows,
            }:
                pass
        customer.sandbox.release()
    books = customer.read_books()
    expect("statuses", books.statuses, {"succeeded": rows})
    expect("purchase requests", len(books.requests), rows)
    check_all_paid(books)


async def hold_unknown(customer: Customer) -> None:
    """Lose a reply: the row becomes `held`, as the job says."""
    customer.write([customer.row("a vase")])
    customer.sandbox.queue_fault(customer.provider, Fault.LOST_REPLY)
    await customer.run(on_unknown="hold")
    await customer.run(on_unknown="hold")
    check_row(customer, customer.read_books(), HELD)


async def hold_lost_task(customer: Customer) -> None:
    """Keep a task unknown: the row becomes `held`; both books have the task's id."""
    customer.write([customer.row("a lamp")])
    customer.sandbox.queue_fault(customer.provider, Fault.TASK_UNKNOWN, 3)
    await customer.run()
    books = customer.read_books()
    ids = [attempt["request_id"] for attempt in books.attempts]
    expect("ids", ids, [entry["id"] for entry in books.bill])
    check_row(customer, books, TASK_LOST)


async def survive_storm(customer: Customer) -> None:
    """Have several faults in turn; one row may have two unknown outcomes."""
    rows = [customer.row(f"a storm glass {number}") for number in range(8)]
    customer.write(rows)
    for fault in ("server_error", "lost_reply", "throttle", "no_image", "cut_body"):
        customer.sandbox.queue_fault(customer.provider, fault)
    await customer.run(terms={"concurrency": 8}, max_unknown=2)
    books = customer.read_books()
    expect("statuses", books.statuses, {"succeeded": len(rows)})
    if books.at_risk <= 0:
        raise CheckFailed("a reply was lost, and nothing is at risk")
