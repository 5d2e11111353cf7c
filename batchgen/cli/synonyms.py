"""Names of options and commands in other programs, and the names here."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

import click

from batchgen.model import type_of_option
from batchgen.providers import PROVIDERS, key_variable

_CARRIES_ON = "`batchgen run SOURCE` carries on where it stopped, by itself"
_LOOKS = "`batchgen check SOURCE` sends nothing, `batchgen run SOURCE --rehearse` plays"
_NO_KEY = "{key}"

_OPTIONS: Sequence[tuple[str, str, str]] = (
    ("dry-run dryrun dry simulate simulation preview test mock fake demo sandbox",
     "", f"{_LOOKS} the whole run for free"),
    ("budget max-budget budget-usd max-spend spend max-usd cost-limit usd max-price",
     "max-cost", "the budget is --max-cost USD"),
    ("output output-dir output-folder outdir out-dir dest destination dir folder o "
     "save-to target",
     "out", "the run folder is --out DIR"),
    ("workers num-workers max-workers threads parallel parallelism jobs j processes "
     "max-concurrency concurrent",
     "concurrency", "requests under way at once are --concurrency N"),
    ("rate rate-limit qps rps requests-per-minute throttle speed delay",
     "rpm", "requests per minute are --rpm N"),
    ("size image-size dimensions width height",
     "resolution", "the size is --resolution 512, 1K, 2K or 4K; the shape is "
     "--aspect-ratio W:H"),
    ("ratio aspect ar shape", "aspect-ratio", "the shape is --aspect-ratio W:H"),
    ("count num num-images number images samples variants batch-size per-row",
     "n", "images for each row are --n N"),
    ("rows max-rows first head sample num-rows nrows",
     "limit", "the first rows alone are --limit N"),
    ("retries max-retries retry attempts tries",
     "max-attempts", "purchases of one image are at most --max-attempts N"),
    ("template prompt-template text", "prompt",
     "the prompt of all rows is --prompt TEMPLATE"),
    ("url api-base api-url endpoint host server base-uri",
     "base-url", "the address is --base-url [NAME=]URL"),
    ("service vendor backend engine api", "provider",
     "who makes the images is --provider NAME"),
    ("api-key apikey key token secret auth", "", _NO_KEY),
    ("force overwrite f", "",
     "nothing that was paid for is overwritten; the same command carries on where it "
     "stopped, and --out DIR names a new folder"),
    ("resume continue restart", "", _CARRIES_ON),
    ("y confirm no-confirm force-yes assume-yes consent", "yes",
     "consent to spend is --max-cost USD, or --yes"),
    ("verbose v vv debug log-level log", "",
     "run.log in the run folder has the details"),
    ("silent q no-progress", "quiet", "no progress is --quiet"),
    ("csv manifest input input-file i source file data table config c job", "",
     "the file stands without an option: batchgen run products.csv"),
    ("image reference ref ref-images image-url image-column images-column",
     "references", "columns with reference images are --references COLUMN[,COLUMN]"),
    ("id-column key-column row-id sku name-column", "id",
     "the column that names the rows is --id COLUMN"),
    ("file-name file-names filenames name names naming image-name output-name",
     "filename", "the name of the images is --filename TEMPLATE"),
    ("format output-format", "",
     "the format stands in a column `output_format`, or in the job under [options]"),
    ("column map mapping rename", "columns",
     "your name of a column is --columns NAME=COLUMN, such as prompt=Description"),
)  # fmt: skip
"""Names, the equal option of batchgen (empty for none), and a hint."""

_COMMANDS: Sequence[tuple[str, str]] = (
    ("start generate gen go execute exec buy create make process batch",
     "batchgen run SOURCE"),
    ("resume continue restart", _CARRIES_ON),
    ("new setup wizard propose suggest scaffold job template",
     "batchgen init TABLE"),
    ("configure configuration settings preferences defaults profile",
     "batchgen config"),
    ("completion completions autocomplete complete shell", "batchgen help terminal"),
    ("example examples sample quickstart tutorial", "batchgen init --sample"),
    ("validate verify lint dry-run estimate price plan preview",
     "batchgen check SOURCE"),
    ("rehearse simulate test demo mock", "batchgen run SOURCE --rehearse"),
    ("progress stats info show state ls list", "batchgen status RUN"),
    ("models model prices vendors", "batchgen providers [NAME]"),
    ("export finish html zip", "batchgen report RUN"),
    ("redo again rerun", "batchgen retry RUN"),
    ("invoice bill billing", "batchgen reconcile RUN --bill FILE"),
    ("man manual docs doc usage topics", "batchgen help"),
    ("version", "batchgen --version"),
)  # fmt: skip

_FILES = (".csv", ".toml", ".parquet", ".pq", ".tsv", ".xlsx", ".xls", ".json", ".txt")


def option_hint(option: str, command: click.Command) -> str | None:
    """Return what to write instead of an option that a command does not have."""
    typed = _plain(option)
    own = {_plain(name): name for name in _options_of(command)}
    if typed in own:
        return f"did you mean {own[typed]}?"
    for names, commands, hint in _OPTIONS:
        if typed in names.split() and (not commands or commands in own):
            return no_key_here() if hint == _NO_KEY else hint
    if (column := typed.replace("-", "_")) in type_of_option:
        return (
            f"it stands in the table, in a column `{column}`, or in the job file under "
            "[options]"
        )
    nearest_options = get_close_matches(typed, own, n=1, cutoff=0.75)
    if nearest_options:
        return f"did you mean {own[nearest_options[0]]}?"
    for name in ("run", "check", "report", "retry", "costs", "reconcile"):
        if typed in map(_plain, _options_of_other(name)):
            return f"it is an option of `batchgen {name}`"
    return None


def command_hint(word: str, names: Sequence[str]) -> str:
    """Return what to write instead of a command that is not there."""
    path = Path(word)
    if path.suffix.lower() in _FILES:
        return f"did you mean batchgen run {word}?"
    if path.is_dir():
        return f"did you mean batchgen status {word}?"
    plain = word.lower()
    for synonyms, hint in _COMMANDS:
        if plain in synonyms.split():
            return hint if " by itself" in hint else f"did you mean {hint}?"
    nearest_names = get_close_matches(plain, names, n=1)
    if nearest_names:
        return f"did you mean batchgen {nearest_names[0]}?"
    return f"choose from {', '.join(names)}; batchgen -h tells what they do"


def _plain(option: str) -> str:
    return option.lstrip("-").lower().replace("_", "-")


def _options_of(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield max(parameter.opts, key=len)


def _options_of_other(name: str) -> Iterator[str]:
    from batchgen.cli import cli

    command = cli.get_command(click.Context(cli), name)
    return iter(()) if command is None else _options_of(command)


def no_key_here() -> str:
    """Return the message that a key belongs in the environment."""
    typed = re.search(r"--provider[ =]([a-z]+)", " ".join(sys.argv[1:]))
    name = typed[1] if typed and typed[1] in PROVIDERS else "gemini"
    return (
        "a key never stands on the command line, where other users of this machine "
        f"could read it: export {key_variable(name)}=your-key"
    )
