"""`run --on-finish COMMAND`: a command of the user's after the end of a run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from tempfile import TemporaryFile
from typing import Any

from batchgen.cli.json_writer import exact_json, tagged
from batchgen.cli.messages import write_error, write_notice


def run_on_finish(command: str, kind: str, fields: Mapping[str, Any]) -> None:
    """Run a command with the document of the run's end on its stdin.

    What it writes goes to stderr, since stdout has results alone. If it fails, that is
    said, and changes nothing.

    Args:
        command: A line for the shell.
        kind: Of the document: `summary` or `error`.
        fields: Of the document.
    """
    document = tagged(kind, fields)
    try:
        code = _run(command, document)
    except OSError as error:
        write_error(f"batchgen: --on-finish could not run: {error.strerror or error}")
        return
    if code:
        ending = f"signal {-code}" if code < 0 else f"exit code {code}"
        write_error(f"batchgen: --on-finish failed ({ending}): {command}")


def _run(command: str, document: Mapping[str, Any]) -> int:
    # A file, not a pipe: a command that does not read must not hold up the end.
    with TemporaryFile() as content:
        content.write(exact_json(document).encode() + b"\n")
        content.seek(0)
        with subprocess.Popen(  # noqa: S602 - a line for the shell, from the user
            command,
            shell=True,
            stdin=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, **_variables(document)},
        ) as process:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            for line in process.stdout:
                write_notice(line.rstrip("\n"))
        return process.returncode


def _variables(document: Mapping[str, Any]) -> dict[str, str]:
    """Return what a script without a reader of JSON needs."""
    spent, rows = document.get("spent_usd"), document.get("rows") or {}
    values = {
        "EXIT_CODE": document["exit_code"],
        "FOLDER": document.get("folder"),
        "REHEARSED": int(bool(document.get("rehearsed"))),
        "SPENT_USD": None if spent is None else exact_json(spent),
        **{f"ROWS_{status.upper()}": count for status, count in rows.items()},
    }
    return {
        f"BATCHGEN_{name}": "" if value is None else str(value)
        for name, value in values.items()
    }
