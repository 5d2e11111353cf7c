"""batchgen against mock servers from the package indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import polars as pl

from tests.interop.environment import Environment
from tests.interop.findings import Finding, expect, run_check
from tests.interop.purchases import STOPPED, Bought, Row, buy
from tests.interop.servers import start_aimock, start_fakeai, start_llmock

_KEY = "sk-fakeai-1234567890abcdef"
_PLAIN = ({"prompt": "a lamp"}, {"prompt": "a chair"}, {"prompt": "a table"})

Start = Callable[[Environment, Path], AbstractContextManager[str]]
Check = Callable[[str, Path], None]


def check_mocks(environment: Environment, folder: Path) -> Iterator[Finding]:
    """Start each mock server and buy from it."""
    servers: dict[str, tuple[Start, Mapping[str, Check]]] = {
        "fakeai": (start_fakeai, _FAKEAI),
        "llmock": (start_llmock, _LLMOCK),
        "aimock": (start_aimock, _AIMOCK),
    }
    if environment.aimock is None:
        del servers["aimock"]
        yield Finding(name="aimock", skipped="not installed (npm, @copilotkit/aimock)")
    for name, (start, checks) in servers.items():
        findings: list[Finding] = []

        def run_all(
            start: Start = start,
            checks: Mapping[str, Check] = checks,
            findings: list[Finding] = findings,
            name: str = name,
        ) -> None:
            with start(environment, folder / name) as url:
                for number, (what, check) in enumerate(checks.items()):
                    work = partial(check, url, folder / name / str(number))
                    findings.append(run_check(f"{name}: {what}", work))

        started = run_check(f"{name} starts and ends", run_all)
        yield from (*findings, started)


def _buy(url: str, folder: Path, rows: tuple[Row, ...], model: str) -> Bought:
    terms = ("--provider", "openai", "--base-url", url, "--model", model)
    words = (*terms, "--price", "0.04", "--max-cost", "2", "--rpm", "600")
    return buy(folder, rows, words, {"OPENAI_API_KEY": _KEY})


def _links_are_stored(url: str, folder: Path) -> None:
    model = "stabilityai/stable-diffusion-xl-base-1.0"
    bought = _buy(url, folder, ({"prompt": "two lamps", "n": 2}, *_PLAIN), model)
    bought.expect_end(0, succeeded=4)
    bought.expect_images()


def _no_edits(url: str, folder: Path) -> None:
    """Without an edit endpoint, only rows with references cannot run."""
    rows = (
        {"prompt": "a bed", "references": "reference-1.png"},
        {"prompt": "a lamp"},
        {"prompt": "a shelf", "references": "reference-2.png"},
        {"prompt": "a chair"},
    )
    model = "stabilityai/stable-diffusion-xl-base-1.0"
    bought = _buy(url, folder, rows, model)
    ends = [row["status"] for row in bought.rows]
    expect(
        ends[1] == ends[3] == "succeeded" and bought.code == 3,
        f"exit code {bought.code}, statuses {ends}; {bought.messages[-600:]}",
    )
    expect("succeeded" not in (ends[0], ends[2]), f"statuses {ends}")


def _a_failing_server_is_asked_seldom(url: str, folder: Path) -> None:
    """An unknown model is a server error without a reason there, every time."""
    bought = _buy(url, folder, _PLAIN, "no-such-model")
    expect("succeeded" not in bought.statuses, f"statuses {bought.statuses}")
    expect(bought.code in (1, 3, STOPPED), f"exit code {bought.code}")
    expect("An unexpected error occurred" in bought.messages, bought.messages[-600:])
    attempts = pl.read_parquet(bought.folder / "attempts.parquet").height
    expect(attempts <= 30, f"{attempts} attempts")


def _drawings_are_kept(url: str, folder: Path) -> None:
    """A drawing (SVG) is no image that can be stored, but it was paid for."""
    bought = _buy(url, folder, _PLAIN[:1], "gpt-image-2")
    [row] = bought.rows
    kept = [path for path in (bought.folder / "kept").glob("**/*") if path.is_file()]
    expect(row["status"] != "succeeded", f"status {row['status']}")
    expect(kept, f"nothing under kept/; message: {row['message']}")
    expect(
        any(reply.name in (row["message"] or "") for reply in kept),
        f"the message names no kept file: {row['message']}",
    )


def _every_way_is_stored(url: str, folder: Path) -> None:
    rows = (
        {"prompt": "a lamp as base64"},
        {"prompt": "a chair as a data URI"},
        {"prompt": "a table as two", "n": 2},
        {"prompt": "a shelf as base64", "references": "reference-1.png"},
    )
    bought = _buy(url, folder, rows, "gpt-image-2")
    bought.expect_end(0, succeeded=4)
    bought.expect_images()


_FAKEAI: Mapping[str, Check] = {
    "links to its images are followed and stored": _links_are_stored,
    "without an edit endpoint only rows with references fail": _no_edits,
    "a server that always fails is asked seldom": _a_failing_server_is_asked_seldom,
}
_LLMOCK: Mapping[str, Check] = {
    "a drawing in a data URI is kept and named": _drawings_are_kept
}
_AIMOCK: Mapping[str, Check] = {
    "base64, data URIs, several images and edits are stored": _every_way_is_stored
}
