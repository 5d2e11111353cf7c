"""Rows through nginx's `limit_req`: `python -m tests.daemons [RATE] [ROWS]`.

Prints what was bought, what is at risk, and the share of the allowed rate after the
first half minute; ends with 1 where a row is missing, bought twice or at risk.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import anyio
import polars as pl

from tests.daemons.nginx import nginx
from tests.runs.shop import open_shop

CREDITS = 200_000
TAKES_S = 3.0
FIRST_S = 30.0


async def measure(rate: int, count: int, folder: Path) -> bool:
    """Return whether every row was bought once, with nothing at risk."""
    async with open_shop() as shop:
        shop.buy, shop.takes_s = shop.sells(CREDITS), TAKES_S
        port = int(shop.url.rpartition(":")[2])
        zone = f"limit_req_zone $binary_remote_addr zone=all:1m rate={rate}r/s;"
        table = pl.DataFrame({"prompt": [f"row {number}" for number in range(count)]})
        table.write_csv(folder / "rows.csv")
        with nginx(
            folder / "nginx", port, http=zone, location="limit_req zone=all;"
        ) as gateway:
            command = [
                sys.executable,
                *["-m", "batchgen", "run", "rows.csv", "--provider", "aimlapi"],
                *["--base-url", f"http://127.0.0.1:{gateway}/aimlapi"],
                *["--rpm", "auto", "--concurrency", "auto", "--price", "0.1"],
                *["--max-cost", "100", "--quiet", "--out", "out"],
            ]
            key = {"AIMLAPI_API_KEY": "a-key-of-a-test-0123456789"}
            ended = await anyio.run_process(
                command, cwd=folder, env={**os.environ, **key}, check=False
            )
        first = min(bought.at_s for bought in shop.buys)
        last = max(bought.at_s for bought in shop.buys)
        late = [bought for bought in shop.buys if bought.at_s - first > FIRST_S]
        used = len(late) / (rate * max(last - first - FIRST_S, 1e-9))
    results = pl.read_parquet(folder / "out" / "results.parquet")
    attempts = pl.read_parquet(folder / "out" / "attempts.parquet")
    statuses = dict(results["status"].value_counts().iter_rows())
    at_risk = float(results["at_risk_usd"].sum())
    figures = {
        "exit code": ended.returncode,
        "statuses": statuses,
        "bought": len(shop.buys),
        "bill": shop.billed_nano / 1e9,
        "spent": float(results["cost_usd"].sum()),
        "at risk": at_risk,
        "requests": len(attempts),
        "seconds": round(last - first, 1),
        "share of the rate after the first half minute": round(used, 3),
    }
    print(json.dumps(figures, indent=2))  # noqa: T201
    return statuses == {"succeeded": count} and len(shop.buys) == count and not at_risk


def main() -> None:
    """Measure in a temporary folder."""
    rate, count = (int(word) for word in (*sys.argv[1:], "10", "400")[:2])
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if anyio.run(measure, rate, count, Path(folder)) else 1)


if __name__ == "__main__":
    main()
