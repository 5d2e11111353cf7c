"""Write a proposed job as a commented job file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from batchgen.job.proposal import Proposal
from batchgen.manifest.spelling import spelled
from batchgen.providers import PROVIDERS, key_variable


@dataclass(frozen=True, slots=True)
class Quote:
    """What the images of a job cost.

    Attributes:
        text: In words.
        budget: An amount that is enough for all of them; None where prices are unknown.
    """

    text: str
    budget: Decimal | None = None


def job_text(proposal: Proposal, place: Path, quote: Quote) -> str:
    """Return the text of a job file.

    Args:
        proposal: The job.
        place: Where the file will be: paths are relative to it.
        quote: What it costs.
    """
    return "\n".join([*_lines(proposal, place, quote), ""])


def _lines(proposal: Proposal, place: Path, quote: Quote) -> Iterator[str]:
    yield f"# A job for {proposal.table.name}, proposed by `batchgen init`."
    yield "# Edit it freely: `batchgen help job-file` explains every key. What stands"
    yield "# behind a number sign is not read."
    yield ""
    yield f"manifest = {_value(_relative(proposal.table, place))}"
    yield ""
    names = ", ".join(PROVIDERS)
    yield f"# Who makes the images, one of {names}."
    variable = key_variable(proposal.provider)
    yield f"# The key stands in the environment: export {variable}=your-key"
    yield f"provider = {_value(proposal.provider)}"
    if PROVIDERS[proposal.provider].defaults.base_url is None:
        yield "# It has no address of its own: write the one that you were given."
        yield '# base_url = "https://api.example.com/v1"'
    yield ""
    yield from _prompt(proposal)
    yield from _file_name(proposal)
    yield from _money(proposal, quote)
    yield from _pace(proposal)
    yield from _images(proposal)
    yield from _columns(proposal)
    yield from _absent_images(proposal)
    yield from _folder(proposal, place)


def _prompt(proposal: Proposal) -> Iterator[str]:
    if proposal.prompt is None:
        column = proposal.columns.get("prompt", "prompt")
        template = f"{spelled(column)}, on a plain light background"
        yield f"# The prompt of each row is the column {_value(column)}. To add to it:"
        yield f"# prompt = {_value(template)}"
    else:
        yield "# The prompt of each row: a template over the columns of the table."
        yield f"prompt = {_value(proposal.prompt)}"
    if proposal.longer_prompt is not None:
        yield "# With the description, which may be long or full of advertising:"
        yield f"# prompt = {_value(proposal.longer_prompt)}"
    if proposal.has_gaps:
        yield "# Some rows do not say what to show: leave them out."
        yield 'empty = "skip"'
    yield ""


def _file_name(proposal: Proposal) -> Iterator[str]:
    yield "# The name of each image; / makes folders. Without it, the id is the name."
    if proposal.filename is None:
        yield "# filename = '{{ id }}-{{ aspect_ratio | slug }}'"
    else:
        yield f"filename = {_value(proposal.filename)}"
    yield ""


def _money(proposal: Proposal, quote: Quote) -> Iterator[str]:
    yield f"# {quote.text}."
    yield "# The most that all runs together may spend, in US dollars. A budget is your"
    yield "# consent to spend that much without being asked again."
    if proposal.max_cost is None:
        yield f"# max_cost = {quote.budget or 5}"
    else:
        yield f"max_cost = {proposal.max_cost}"
    yield "# Only the first rows, to look at the images before the rest is bought."
    yield "# limit = 5"
    yield ""


def _pace(proposal: Proposal) -> Iterator[str]:
    defaults = PROVIDERS[proposal.provider].defaults
    yield "# Purchases under way at once, and purchases per minute. Set them where your"
    yield f"# account has other limits than those that {proposal.provider} documents."
    yield f"# concurrency = {defaults.concurrency}"
    yield f"# rpm = {60 if defaults.rpm is None else f'{defaults.rpm:g}'}"
    yield ""


def _images(proposal: Proposal) -> Iterator[str]:
    capabilities = PROVIDERS[proposal.provider].capabilities
    sizes = ", ".join(capabilities.resolutions)
    yield f"# Shape and size (here {sizes}) of images; else the provider's own."
    yield '# aspect_ratio = "1:1"'
    yield '# resolution = "1K"'
    yield "# Rows that ask for the same image are bought once."
    yield "# dedupe = true"
    yield ""


def _columns(proposal: Proposal) -> Iterator[str]:
    yield "# Your names of columns that batchgen knows: `batchgen help manifest`."
    yield "[columns]"
    for standard, column in proposal.columns.items():
        yield f"{standard} = {_value(column)}"
    if proposal.id_column is None:
        yield "# No column is unique and never empty. If one names the rows after all:"
        yield '# id = "SKU"'
    if proposal.more_images:
        first = proposal.columns.get("references", "references")
        columns = [first, *proposal.more_images]
        yield "# All images of a row as references; a provider takes only some:"
        yield f"# references = [{', '.join(map(_value, columns))}]"


def _absent_images(proposal: Proposal) -> Iterator[str]:
    if proposal.absent_images and "references" not in proposal.columns:
        yield "# This column names image files that are not there. Once they are:"
        yield f"# references = {_value(proposal.absent_images[0])}"


def _folder(proposal: Proposal, place: Path) -> Iterator[str]:
    if proposal.images_folder is not None:
        yield ""
        yield "# The images do not lie below the table's own folder."
        yield "[references]"
        yield f"folder = {_value(_relative(proposal.images_folder, place))}"


def _relative(path: Path, place: Path) -> str:
    return Path(os.path.relpath(path.resolve(), place.resolve().parent)).as_posix()


def _value(text: str) -> str:
    """Return a text as TOML writes it, without escapes where that is possible."""
    if "'" not in text and text.isprintable():
        return f'"{text}"' if not {'"', "\\"} & set(text) else f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
