"""Live through many nights: `python -m tests.simulation [--nights 200 --rows 2000]`.

Each night is drawn from its own seed. One that breaks a law is printed with the command
that replays it. With `--break NAME` a rule of the engine is broken on purpose: then the
first night that breaks a law ends it.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulation.audit import LAWS, shown
from tests.simulation.breaks import BREAKS
from tests.simulation.night import PROVIDERS, Report, live_through_night
from tests.simulation.schedule import draw

NightResult = tuple[int, Report | str]
"""A seed, and what came of it; the error's words if the night did not end."""


def live_through_one(seed: int, rows: int, provider: str | None) -> NightResult:
    """Live through the night of a seed."""
    os.environ["BATCHGEN_LOOPBACK_ONLY"] = "1"
    logging.disable()
    gc.freeze()  # modules live to the end; looking at them again takes a fiftieth
    try:
        return seed, live_through_night(draw(seed, rows, provider))
    except Exception:  # noqa: BLE001 - told with its seed
        return seed, traceback.format_exc()


def replay(seed: int, rows: int, provider: str | None) -> str:
    """Return the command that lives through one night again."""
    option = f" --provider {provider}" if provider else ""
    return f"python -m tests.simulation --nights 1 --seed {seed} --rows {rows}{option}"


def line_of(seed: int, report: Report) -> str:
    """Return a night in one line."""
    kinds = {
        "h": f"{report.hours:.1f}",
        "s": f"{report.took_s:.1f}",
        "requests": report.requests,
        "429": report.throttled,
        "rows": dict(report.statuses),
        "lives": dict(report.lives),
    }
    words = " ".join(f"{name} {kind}" for name, kind in kinds.items())
    return f"{seed} {report.schedule.provider} {report.digest} {words}"


def summary(nights: Sequence[Report], failed: int) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    rows: Counter[str] = sum((night.statuses for night in nights), Counter())
    lives: Counter[str] = sum((night.lives for night in nights), Counter())
    broken = Counter(law for night in nights for law in night.broken)
    bad = sum(bool(night.broken) for night in nights)
    paced = [
        night.max_in_a_minute / night.schedule.rpm
        for night in nights
        if isinstance(night.schedule.rpm, int | float)
    ]
    kind = [night for night in nights if night.schedule.must_end_well]
    shares = [night.billed / night.budget for night in nights if night.budget]
    yield "| what | figure |"
    yield "| --- | ---: |"
    for name, figure in {
        "nights": len(nights) + failed,
        "nights in which every law held": len(nights) - bad,
        "hours lived through": f"{sum(night.hours for night in nights):,.0f}",
        "seconds that took": f"{sum(night.took_s for night in nights):,.0f}",
        "rows": f"{rows.total():,}",
        "rows by status": _listed(rows),
        "requests": f"{sum(night.requests for night in nights):,}",
        "purchases among them": f"{sum(night.purchases for night in nights):,}",
        "429s": f"{sum(night.throttled for night in nights):,}",
        "runs by how they ended": _listed(lives),
        "nights with a budget": len(shares),
        "dearest of them, share of its budget": f"{max(shares, default=0):.3f}",
        "fullest 60 s, share of `rpm`": f"{max(paced, default=0):.3f}",
        "nights with nothing in any row's way": len(kind),
        "of which complete": sum("ends_complete" not in entry.broken for entry in kind),
    }.items():
        yield f"| {name} | {figure} |"
    for law in LAWS:
        name = law.__name__.replace("_", " ")
        yield f"| broke *{name}* | {broken[law.__name__]} |"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{key} {count:,}" for key, count in counts.most_common())


def main(arguments: Sequence[str]) -> int:
    """Live through the nights that are asked for; 1 if a law was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--nights", type=int, default=200)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="of the first night")
    parser.add_argument("--provider", choices=sorted(PROVIDERS))
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--break", dest="broken", choices=sorted(BREAKS))
    options = parser.parse_args(arguments)
    nights: list[Report] = []
    failed = 0
    begin = partial(BREAKS[options.broken], setattr) if options.broken else None
    with ProcessPoolExecutor(options.processes, initializer=begin) as pool:
        futures = [
            pool.submit(live_through_one, seed, options.rows, options.provider)
            for seed in range(options.seed, options.seed + options.nights)
        ]
        for future in futures:
            seed, report = future.result()
            if isinstance(report, Report):
                nights.append(report)
                _write(line_of(seed, report))
                problem = shown(report.broken) if report.broken else ""
            else:
                failed, problem = failed + 1, report
            if problem:
                _write(problem, replay(seed, options.rows, options.provider))
                if options.broken:
                    pool.shutdown(cancel_futures=True)
                    break
    _write("", *summary(nights, failed))
    return int(failed > 0 or any(night.broken for night in nights))


def _write(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
