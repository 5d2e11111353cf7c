"""`batchgen check`: all that can be known before paying; sends nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from batchgen.cli.source import job_options, overrides_of, prices_of, read_job
from batchgen.cli.summary import counted, problem_lines, rows_line
from batchgen.engines.checking import Findings, check_job
from batchgen.model import Job, Status, dollars, to_nano
from batchgen.providers import PROVIDERS


@click.command("check")
@click.argument("source", type=click.Path(path_type=Path))
@job_options
@click.pass_context
def command(context: click.Context, /, **given: Any) -> None:
    """Say all that can be known of SOURCE before paying; send nothing.

    Exit codes: 0 all rows can run, 3 some cannot, 1 none can.
    """
    job = read_job(given["source"], overrides_of(given))
    findings = check_job(job, PROVIDERS, prices_of(job))
    click.echo("\n".join(_lines(job, findings)))
    context.exit(_code(findings))


def _lines(job: Job, found: Findings) -> list[str]:
    lines = [*found.notices, rows_line(found.totals)]
    invalid = found.totals.rows.get(Status.INVALID, 0)
    lines += problem_lines(job, found.problems, invalid)
    lines += problem_lines(job, found.renamed, 0)
    lines += problem_lines(job, found.left_out, 0)
    if found.duplicates:
        again = counted(found.duplicates, "row")
        lines.append(f"the same as in an earlier row is asked for in {again}")
    if found.rebuy is not None:
        lines.append(f"bought already in another version: {found.rebuy}; needs --rebuy")
    for group in found.groups:
        price = (
            "price unknown"
            if group.price is None
            else (
                f"{dollars(group.price.expected)} each, at most "
                f"{dollars(group.price.ceiling)} ({group.price.page})"
            )
        )
        lines.append(
            f"to buy: {counted(group.images, 'image')} at {group.resolution} from "
            f"{group.provider}, {price}"
        )
    lines += _cost_lines(job, found)
    if found.shortest_s is not None:
        lines.append(f"time: at least {_duration(found.shortest_s)} at the job's rate")
    lines.append("nothing was sent")
    return lines


def _cost_lines(job: Job, found: Findings) -> list[str]:
    if not found.groups:
        return ["nothing is left to buy"]
    expected, most = found.nano(ceiling=False), found.nano(ceiling=True)
    lines = []
    if expected or not found.unpriced:
        lines.append(
            f"cost: about {dollars(expected)}, at most {dollars(most)} without retries"
        )
    if found.unpriced:
        lines.append(
            f"{found.unpriced} images have no known price: give one with --price"
        )
    if job.max_cost is not None and not found.unpriced:
        known = found.totals.spent + found.totals.retired + found.totals.at_risk
        fits = known + expected <= to_nano(job.max_cost)
        words = "is enough for it" if fits else "IS NOT ENOUGH for it"
        lines.append(f"the budget of {dollars(job.max_cost)} {words}")
    return lines


def _code(found: Findings) -> int:
    invalid = found.totals.rows.get(Status.INVALID, 0)
    if not invalid:
        return 0
    return 1 if invalid == sum(found.totals.rows.values()) else 3


def _duration(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
