"""A kill between a kept file and the ledger's word of it loses and doubles nothing."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from tests.cli.command import KEY, TIMEOUT_S, batchgen, environment
from tests.wire.server import Peer, ScriptedServer, reply

SVG = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode()
USAGE = {"usage": {"credits_used": 185_093}}
# The real writer of kept files, which dies when the file has its name.
KILLED_AS_IT_KEEPS = [
    sys.executable,
    "-c",
    "import os, signal\n"
    "from batchgen.output.kept_files import KeptFiles\n"
    "write = KeptFiles._write\n"
    "def written(*args):\n"
    "    write(*args)\n"
    "    os.kill(os.getpid(), signal.SIGKILL)\n"
    "KeptFiles._write = written\n"
    "from batchgen.cli import main\n"
    "main()",
]


@pytest.mark.parametrize(
    ("document", "name", "status", "cost"),
    [
        pytest.param(
            {"data": {"file_ref": f"f-1 {KEY}"}, "meta": USAGE},
            "1.json",
            "failed",
            Decimal("0.0925465"),
            id="reply",
        ),
        pytest.param(
            {"data": [{"b64_json": SVG}], "meta": USAGE},
            "1-1.svg",
            "held",
            None,
            id="bytes",
        ),
    ],
)
def test_a_kill_between_keeping_and_the_ledger_loses_and_doubles_nothing(
    tmp_path: Path, document: object, name: str, status: str, cost: Decimal | None
) -> None:
    (tmp_path / "m.csv").write_text("id,prompt\na,a cup\n")

    def sell(peer: Peer) -> None:
        while True:
            peer.receive()
            peer.say(reply(json.dumps(document).encode()))

    with ScriptedServer(*[sell] * 9) as server:
        words = ["run", "m.csv", "--provider", "aimlapi", "--yes"]
        words += ["--base-url", server.url]
        killed = subprocess.run(
            [*KILLED_AS_IT_KEEPS, *words],
            cwd=tmp_path,
            env=environment(KEY),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        ended = batchgen(*words, at=tmp_path, key=KEY)
        again = batchgen(*words, at=tmp_path, key=KEY)
        bought = len(server.requests)

    assert (ended.code, again.code, bought) == (3, 3, 1)
    (row,) = pl.read_parquet(tmp_path / "out/m/results.parquet").to_dicts()
    assert (row["status"], row["cost_usd"]) == (status, cost)
    assert row["at_risk_attempts"] == (cost is None)
    assert f"kept/{name}" in row["message"]
    data = (tmp_path / "out/m/kept" / name).read_bytes()
    assert KEY.encode() not in data
