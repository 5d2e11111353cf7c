"""Few files, many purchases: `python -m tests.scarce`; takes some minutes."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from tests.scarce.runs import (
    PROTOCOLS,
    assert_all_kept,
    command,
    limited,
    server,
    words_for,
    write_manifest,
)

CASES = ((1024, 2000, 4000), (256, 1000, 2000), (64, 1000, 300))
"""Files that may be open, purchases at a time, rows."""


def main() -> int:
    """Run every case, and say how each ended."""
    worst = 0
    for provider, what in PROTOCOLS.items():
        for files, at_once, rows in CASES:
            began = time.monotonic()
            with tempfile.TemporaryDirectory() as name, server(1.0) as shop:
                folder = Path(name)
                write_manifest(folder, rows)
                words = words_for(provider, shop.url, at_once)
                limit = limited(resource.RLIMIT_NOFILE, files)
                ended = command(*words, at=folder, limit=limit)
                bill = shop.bill()
                try:
                    assert ended.code == 0
                    assert f"may open {files:,} files" in ended.stderr
                    assert_all_kept(folder, bill, rows)
                    verdict = "all kept"
                except Exception as error:  # noqa: BLE001 - the others run all the same
                    verdict, worst = f"FAILED: {error!r}\n{ended.stderr}", 1
            took_s = time.monotonic() - began
            sys.stdout.write(
                f"{what}: {files} files, {at_once} at a time, {rows} rows, "
                f"{took_s:.0f} s, {bill}: {verdict}\n"
            )
            sys.stdout.flush()
    return worst


if __name__ == "__main__":
    sys.exit(main())
