"""`batchgen sandbox`: serve the sandbox alone, to try clients and tests on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from batchgen.cli.option_types import LatencyType
from batchgen.errors import SpecError
from batchgen.sandbox.server import PortTaken, serve


@click.command("sandbox")
@click.option("--port", type=click.IntRange(1, 65535), help="Any free one by default.")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out/sandbox"),
    show_default=True,
    help="Folder for bill and tasks.",
)
@click.option(
    "--faults",
    type=click.Choice(["calm", "storm", "outage"]),
    default="calm",
    show_default=True,
    help="What goes wrong by itself.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--latency",
    type=LatencyType(),
    metavar="real|S",
    help="Seconds an image takes, or `real`.",
)
def command(**options: Any) -> None:
    """Serve the sandbox on loopback, each provider under /<provider>."""
    try:
        serve(announce=click.echo, **options)
    except PortTaken as error:
        raise SpecError(f"{error}; name another --port") from error
