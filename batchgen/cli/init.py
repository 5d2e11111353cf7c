"""`batchgen init`: propose a job for a table, and write it as a job file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_UP, Decimal
from importlib.resources import files
from pathlib import Path

import click

from batchgen.checks.dry_run import check_job
from batchgen.checks.findings import Findings
from batchgen.cli.formatting import counted, invalid_lines, rows_line
from batchgen.cli.messages import write_notice, write_result
from batchgen.cli.signals import default_ctrl_c
from batchgen.errors import BatchgenError, SpecError, UsageError
from batchgen.job import job_from
from batchgen.job.names import check_names
from batchgen.job.proposal import Proposal, likely_provider, propose
from batchgen.job.proposal_text import Quote, job_text
from batchgen.job.user_defaults import default_provider
from batchgen.job.values import read_money
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.survey import Survey, survey_table
from batchgen.manifest.wording import shown
from batchgen.model import Job, dollars, to_usd
from batchgen.output.whole import replacing
from batchgen.providers import PROVIDERS, key_variable
from batchgen.providers._decoding import one_line
from batchgen.runner.access import prices_of
from batchgen.runner.job_checks import check_settings
from batchgen.runner.shell_quoting import quoted_word

_MAX_CHARACTERS = 300
_SMALL_USD = 10
"""Below this a proposed budget is not rounded to whole dollars."""
_SAMPLE = files("batchgen").joinpath("samples/products.csv")
_SAMPLE_COPY = Path("sample.csv")


@click.command("init")
@click.argument("table", required=False, type=click.Path(path_type=Path))
@click.option("--provider", metavar="NAME", help="Who makes the images.")
@click.option(
    "--prompt",
    metavar="TEMPLATE",
    help="The prompt, in place of the one that is proposed.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The job file; TABLE with the ending .toml by default.",
)
@click.option("--yes", is_flag=True, help="Ask nothing: take what is proposed.")
@click.option(
    "--sample",
    is_flag=True,
    help="Write a small table, sample.csv, and a job for that: to try batchgen.",
)
@click.option(
    "--overwrite", is_flag=True, help="Replace a job file that is there already."
)
def command(
    table: Path | None,
    *,
    provider: str | None,
    prompt: str | None,
    out: Path | None,
    **words: bool,
) -> None:
    """Look at TABLE and write a job file for it: columns, prompt, names, provider.

    It shows three finished prompts and what all images cost. Nothing is sent, and no
    key is needed. In a terminal it asks for what it cannot know; Enter takes what is
    proposed.

    \b
    batchgen init products.csv
    batchgen init products.csv --provider gemini --yes
    batchgen init --sample
    """  # noqa: D301 - click's mark for lines that stay as they are
    table = _table(table, sample=words["sample"], overwrite=words["overwrite"])
    place = _place(table, out, overwrite=words["overwrite"])
    if words["sample"]:
        table.write_bytes(_SAMPLE.read_bytes())
    survey = survey_table(table)
    _check_provider(provider)
    proposal = propose(survey, likely_provider(provider or default_provider()))
    if prompt is not None:
        proposal = _with_prompt(proposal, prompt)
    asks = not (words["yes"] or words["sample"]) and sys.stdin.isatty()
    if asks:
        with default_ctrl_c():  # polars has a handler of its own
            proposal = _ask(proposal, place, asks_provider=provider is None)
    if proposal.prompt is None and "prompt" not in {*survey.names, *proposal.columns}:
        raise SpecError(_no_subject(survey))
    job = _job_of(proposal, place)
    findings = check_job(job, PROVIDERS, prices_of(job), max_listed=0)
    quote = _quote(findings)
    if asks:
        with default_ctrl_c():
            proposal = replace(proposal, max_cost=_ask_budget(quote))
    with replacing(place) as file:
        file.write(job_text(proposal, place, quote).encode())
    write_result("\n".join(_summary(proposal, findings, quote, place)))


def _table(table: Path | None, *, sample: bool, overwrite: bool) -> Path:
    """Return the table; with --sample it is a file that is still to be written."""
    if not sample:
        if table is None:
            raise UsageError(
                "TABLE is missing: write batchgen init products.csv, or batchgen init "
                "--sample for a table to try"
            )
        return table
    if table is not None:
        raise UsageError("--sample brings a table of its own: leave TABLE out")
    if _SAMPLE_COPY.exists() and not overwrite:
        raise UsageError(
            f"{_SAMPLE_COPY} is there already: go to another folder, or replace it "
            "with --overwrite"
        )
    return _SAMPLE_COPY


def _place(table: Path, out: Path | None, *, overwrite: bool) -> Path:
    """Return where the job file will be; refuse to overwrite one."""
    if table.suffix.lower() == ".toml":
        raise UsageError(
            f"{shown(table)} is a job file already: batchgen check {shown(table)} "
            "tells what it would do"
        )
    place = out or table.with_suffix(".toml")
    if place.suffix.lower() != ".toml":
        raise UsageError(
            f"--out: {shown(place)} does not end in .toml, by which a job file is "
            f"known: write {shown(place.with_suffix('.toml'))}"
        )
    if not place.parent.is_dir():
        raise UsageError(f"--out: no such folder: {shown(place.parent)}: make it first")
    if place.exists() and not overwrite:
        raise UsageError(
            f"{shown(place)} is there already: name another file with --out, or "
            "replace it with --overwrite"
        )
    return place


def _check_provider(provider: str | None) -> None:
    if provider is not None:
        try:
            check_names([provider], PROVIDERS, "provider")
        except ValueError as error:
            raise UsageError(f"--provider: {error}") from error


def _no_subject(survey: Survey) -> str:
    return (
        f"{shown(survey.path)}: no column tells what the images should show (it has "
        f"{', '.join(survey.names[:20])}): say it with --prompt, such as 'Photo of "
        "{{ COLUMN }}'"
    )


# -- questions


def _ask(proposal: Proposal, place: Path, *, asks_provider: bool) -> Proposal:
    """Let the user change what cannot be known from the table."""

    def read_provider(text: str) -> str:
        try:
            check_names([text], PROVIDERS, "provider")
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        return text

    def read_prompt(text: str) -> str:
        try:
            _job_of(_with_prompt(proposal, text), place)
        except BatchgenError as error:
            raise click.UsageError(str(error)) from error
        return text

    if asks_provider:
        write_notice(f"providers: {', '.join(PROVIDERS)}")
        provider = click.prompt(
            "Who makes the images?",
            default=proposal.provider,
            value_proc=read_provider,
            err=True,
        )
        proposal = replace(proposal, provider=provider)
    if proposal.prompt is not None:
        prompt = click.prompt(
            "Prompt of each row",
            default=proposal.prompt,
            value_proc=read_prompt,
            err=True,
        )
        if prompt != proposal.prompt:
            proposal = _with_prompt(proposal, prompt)
    return proposal


def _ask_budget(quote: Quote) -> str | None:
    write_notice(quote.text)
    budget: str | None = click.prompt(
        "Spend at most, in US dollars (0: decide later)",
        default="0",
        value_proc=_read_budget,
        err=True,
    )
    return budget


def _read_budget(text: str) -> str | None:
    try:
        amount = read_money(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return f"{amount:f}" if amount else None


def _with_prompt(proposal: Proposal, prompt: str) -> Proposal:
    columns = {k: v for k, v in proposal.columns.items() if k != "prompt"}
    return replace(proposal, prompt=prompt, longer_prompt=None, columns=columns)


# -- what the job makes


def _job_of(proposal: Proposal, place: Path) -> Job:
    """Return the job as its file will be read.

    Raises:
        SpecError: the prompt cannot be, or names a column that is not there.
    """
    job = job_from(proposal.settings(), source=place)
    check_settings(job, {"prompt": proposal.prompt})
    Manifest.open(job)
    return job


def _quote(findings: Findings) -> Quote:
    forecast = findings.forecast
    images = counted(forecast.images, "image")
    cost = forecast.cost()
    if forecast.unpriced:
        return Quote(
            f"{images}; {forecast.unpriced} of them without a known price: say one "
            "with `price`"
        )
    highest = to_usd(cost.highest)
    unit = Decimal("0.1") if highest < _SMALL_USD else Decimal(1)
    return Quote(
        f"{images} cost about {dollars(cost.expected)}, at most {dollars(highest)}",
        highest.quantize(unit, ROUND_UP) or None,
    )


def _summary(
    proposal: Proposal, findings: Findings, quote: Quote, place: Path
) -> Iterator[str]:
    yield from findings.notices
    yield rows_line(findings.totals)
    yield from _choices(proposal)
    if findings.prompts:
        yield "finished prompts:"
    for example in findings.prompts:
        yield f"  row {example.row}: {one_line(example.prompt, _MAX_CHARACTERS)}"
    yield quote.text
    name = quoted_word(shown(place))
    if findings.duplicates.rows:
        rows = counted(findings.duplicates.rows, "row")
        yield f"the same image as in an earlier row: {rows}; `dedupe` buys such once"
    yield from invalid_lines(findings.invalid, lambda _: shown(proposal.table))
    yield f"wrote {shown(place)}; nothing was sent"
    yield "next:"
    yield f"  batchgen check {name}"
    yield f"  batchgen run {name} --rehearse"


def _choices(proposal: Proposal) -> Iterator[str]:
    yield f"provider: {proposal.provider} (its key: {key_variable(proposal.provider)})"
    names = {"id": proposal.id_column, **proposal.columns}
    for standard, column in names.items():
        if column is not None:
            yield f"{standard}: column `{column}`"
    if proposal.id_column is None:
        yield "id: no column is unique and never empty; rows are known by their content"
    if proposal.more_images:
        yield f"more images, not sent: {', '.join(proposal.more_images)}"
    for column in proposal.absent_images:
        yield f"`{column}` is not used: the image files that it names are not there"
    if proposal.prompt is not None:
        yield f"prompt: {proposal.prompt}"
    if proposal.filename is not None:
        yield f"file names: {proposal.filename}"
