"""What a failed exchange held is let go at once, without the collector of cycles.

It counts objects, not bytes: left to it, each lost reply of 20 MB stayed for minutes.
So the command runs without it here, and the system says how much it took at its peak.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import pytest

from tests.cases.conftest import Market
from tests.cases.dialects import links
from tests.cases.judge import WITHIN_S, Customer, Outcome
from tests.cases.server import Answer, Reply, draw, picture
from tests.warm import Ended

MB = 1024 * 1024
MEMORY_MB = 64
"""The job's `memory`."""
BODY = base64.b64encode(bytes(18 * MB))
"""24 MB of base64."""
IDLE_MB = 130
"""What a run takes that gets small images."""
MAX_MB = IDLE_MB + MEMORY_MB + 3 * len(BODY) // MB
"""One body may come beside those that fill the budget, and be in work thrice."""

ROWS = 8
BROKEN = [f"broken-{number}" for number in range(ROWS)]
USUAL = [f"usual-{number}" for number in range(ROWS)]
IDS = [id_ for pair in zip(BROKEN, USUAL, strict=True) for id_ in pair]
"""Three broken rows in turn would be an outage, or stop the run."""

WITHOUT_COLLECTOR = """
import gc
gc.disable()
from batchgen.cli import main
try:
    main()
finally:
    with open("status.txt", "w") as file:
        file.write(open("/proc/self/status").read())
"""


def google(data: bytes) -> bytes:
    """Return Google's answer with base64 in the place of an image."""
    part = b'{"inlineData":{"mimeType":"image/png","data":"%b"}}' % data
    content = b'{"role":"model","parts":[%b]}' % part
    return b'{"candidates":[{"content":%b,"finishReason":"STOP"}]}' % content


CUT_IMAGE = Answer(200, BODY, {"Content-Type": "image/png"}, framing="cut")
NO_IMAGE = Answer(200, BODY, {"Content-Type": "image/png"})
CUT_REPLY = Answer(200, google(BODY)[: len(BODY)], framing="cut")
CUT_POLL = Answer(200, BODY, {"Content-Type": "application/json"}, framing="cut")
REFUSAL = Answer(
    400,
    b'{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"too bright"},'
    b'"data":"%b"}' % BODY,
)


@dataclass(frozen=True, slots=True)
class Measured:
    """How a run ended, and the most memory that it took."""

    outcome: Outcome
    peak_mb: int


def measure(customer: Customer, *options: str) -> Measured:
    """Run without the collector of cycles."""
    (customer.folder / "job.toml").write_text(
        f'manifest = "m.csv"\nmemory = {MEMORY_MB}\n', "utf-8"
    )
    command = ["run", "job.toml", *customer.command(*options)[2:]]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_COLLECTOR, *command],
        cwd=customer.folder,
        env=customer.environment,
        capture_output=True,
        timeout=WITHIN_S,
        check=False,
    )
    status = (customer.folder / "status.txt").read_text("utf-8")
    peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
    ended = Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
    return Measured(customer.judge(ended), peak)


def alternate(*replies: Reply) -> list[tuple[str, Reply]]:
    """Give each broken row one of these in turn."""
    return [*zip(BROKEN, cycle(replies), strict=False)]


linux = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="Linux tells the peak"
)


@linux
def test_replies_that_break_off_or_refuse_leave_nothing(market: Market) -> None:
    customer, service = market.enter("gemini")
    customer.write(IDS)
    service.rows.update({id_: [reply] for id_, reply in alternate(CUT_REPLY, REFUSAL)})

    measured = measure(customer, "--on-unknown", "hold", "--concurrency", "1")

    ends = dict.fromkeys(BROKEN[::2], "held") | dict.fromkeys(BROKEN[1::2], "failed")
    measured.outcome.ends(3, others="succeeded", **ends)
    assert measured.peak_mb < MAX_MB


@linux
def test_links_that_break_off_or_hold_no_image_leave_nothing(market: Market) -> None:
    customer, service = market.enter("aimlapi")
    customer.write(IDS)
    for id_, first in alternate(CUT_IMAGE, NO_IMAGE):
        service.paths[f"/img/{id_}.png"] = [first, picture(draw(id_))]

    measured = measure(customer)

    measured.outcome.ends(0, others="succeeded")
    assert measured.peak_mb < MAX_MB


@linux
def test_polls_that_break_off_leave_nothing(market: Market) -> None:
    customer, service = market.enter("foxapi")
    customer.write(IDS)
    for id_ in BROKEN:
        end = links("foxapi", f"{service.url}/img/{id_}.png")
        service.polls[id_] = [CUT_POLL, Answer(200, end.body)]

    measured = measure(customer)

    measured.outcome.ends(0, others="succeeded")
    assert measured.peak_mb < MAX_MB


@linux
def test_references_that_break_off_or_are_no_image_leave_nothing(
    market: Market,
) -> None:
    customer, service = market.enter("gemini")
    lines = [f"{id_},a picture of a {id_},{service.url}/ref/{id_}" for id_ in IDS]
    table = "\n".join(["id,prompt,references", *lines, ""])
    (customer.folder / "m.csv").write_text(table, "utf-8")
    for id_ in USUAL:
        service.paths[f"/ref/{id_}"] = [picture(draw(id_))]
    for id_, first in alternate(CUT_IMAGE, NO_IMAGE):
        service.paths[f"/ref/{id_}"] = [first, picture(draw(id_))]

    measured = measure(customer)

    ends = dict.fromkeys(BROKEN[1::2], "failed")
    measured.outcome.ends(3, others="succeeded", **ends)
    assert measured.peak_mb < MAX_MB
