"""Commands, words and options that are not there, or not there yet."""

from __future__ import annotations

from tests.cli.mistakes.mistake import Mistake

EN_DASH = "\N{EN DASH}"
COMMANDS = (
    Mistake(
        name="no-command-but-a-table",
        command="m.csv --provider openai",
        names=("m.csv",),
        remedy=("batchgen run m.csv",),
    ),
    Mistake(
        name="no-command-but-a-job",
        command="jobs/catalog.toml",
        names=("jobs/catalog.toml",),
        remedy=("batchgen run jobs/catalog.toml",),
    ),
    Mistake(
        name="no-command-but-an-option",
        command="--rehearse m.csv",
        names=("--rehearse",),
        remedy=("batchgen run SOURCE --rehearse",),
    ),
    Mistake(
        name="command-capital",
        command="Run m.csv",
        names=("'Run'",),
        remedy=("batchgen run",),
    ),
    Mistake(
        name="command-of-another-name",
        command="generate m.csv",
        names=("'generate'",),
        remedy=("batchgen run",),
    ),
    Mistake(
        name="command-resume",
        command="resume out/m",
        names=("'resume'",),
        remedy=("batchgen run", "carries on"),
    ),
    Mistake(
        name="command-of-nothing",
        command="zzz",
        names=("'zzz'",),
        remedy=("run, check", "batchgen -h"),
    ),
    Mistake(
        name="run-without-source",
        command="run",
        names=("SOURCE", "missing"),
        remedy=("batchgen run products.csv", "batchgen run -h"),
    ),
    Mistake(
        name="run-what-is-not-there",
        command="run nothing-here.parquet --provider openai",
        names=("no such file", "nothing-here.parquet"),
        remedy=("the folder has m.csv",),
    ),
    Mistake(
        name="run-what-has-a-near-name",
        command="run catalog.csv --provider openai",
        names=("no such file", "catalog.csv"),
        remedy=("did you mean catalogue.csv?",),
        files={"catalogue.csv": "prompt\na\n"},
    ),
    Mistake(
        name="check-what-is-not-there",
        command="check out/nope.csv --provider openai",
        names=("no such file", "out/nope.csv"),
        remedy=("folder `out`",),
    ),
    Mistake(
        name="status-of-nothing",
        command="status nothere",
        names=("nothere",),
        remedy=("run folder", "out/"),
    ),
    Mistake(
        name="status-before-any-run",
        command="status m.csv",
        names=("out/m", "no run"),
        remedy=("batchgen run SOURCE",),
        code=1,
    ),
    Mistake(
        name="report-before-any-run",
        command="report m.csv",
        names=("out/m", "no run"),
        remedy=("batchgen run SOURCE",),
        code=1,
    ),
    Mistake(
        name="status-of-a-result-table",
        command="status out/m/results.parquet",
        names=("results.parquet",),
        remedy=("batchgen status out/m",),
        files={"out/m/results.parquet": b"PAR1", "out/m/run.db": b""},
    ),
    Mistake(
        name="check-a-run-folder",
        command="check out/m --provider openai",
        names=("out/m", "folder"),
        remedy=(".csv", ".toml", "batchgen status out/m"),
        files={"out/m/run.db": b""},
        code=1,
    ),
    Mistake(
        name="costs-of-a-manifest",
        command="costs m.csv",
        names=("m.csv", "not a result table"),
        remedy=("run folder", "results.parquet"),
        code=1,
    ),
    Mistake(
        name="costs-of-nothing",
        command="costs",
        names=("TABLE", "missing"),
        remedy=("batchgen costs out/", "batchgen costs -h"),
    ),
    Mistake(
        name="costs-of-what-is-not-there",
        command="costs out/nope",
        names=("no such file", "out/nope"),
        remedy=("run folder", "results.parquet"),
    ),
    Mistake(
        name="costs-of-a-table-of-others",
        command="costs m.parquet",
        names=("m.parquet",),
        remedy=("results.parquet",),
        files={"m.parquet": b"no parquet at all"},
        code=1,
    ),
    Mistake(
        name="retry-ids-missing",
        command="retry out/m --ids missing.csv",
        names=("--ids", "missing.csv", "no such file"),
        remedy=("one id a line",),
    ),
    Mistake(
        name="retry-status-unknown",
        command="retry out/m --status error",
        names=("--status", "'error'"),
        remedy=("failed", "held", "refused"),
    ),
    Mistake(
        name="reconcile-without-bill",
        command="reconcile out/nope",
        names=("out/nope",),
        remedy=("run folder",),
    ),
    Mistake(
        name="try-without-prompt",
        command="try --provider openai",
        names=("PROMPT", "missing"),
        remedy=('batchgen try "', "batchgen try -h"),
    ),
    Mistake(
        name="try-without-provider",
        command="try 'a lamp'",
        names=("--provider", "missing"),
        remedy=("gemini", "openai"),
    ),
    Mistake(
        name="try-reference-missing",
        command="try 'a lamp' --provider gemini --reference nope.png",
        names=("no such file", "nope.png"),
        remedy=("path",),
    ),
    Mistake(
        name="curl-without-row",
        command="curl m.csv --provider openai",
        names=("--row", "missing"),
        remedy=("--row 0",),
    ),
    Mistake(
        name="curl-row-beyond",
        command="curl m.csv --provider openai --row 7",
        names=("no row 7",),
        remedy=("0 to 1",),
    ),
    Mistake(
        name="two-sources",
        command="run m.csv other.csv --provider openai",
        names=("other.csv",),
        remedy=("one SOURCE", "one after the other"),
        files={"other.csv": "prompt\na\n"},
    ),
    Mistake(
        name="prompt-without-quotes",
        command="try a red lamp --provider openai",
        names=("red lamp",),
        remedy=("quotes",),
    ),
)

UNKNOWN_OPTIONS = (
    Mistake(
        name="option-underscore",
        command="run m.csv {shop} --max_cost 5",
        names=("--max_cost",),
        remedy=("did you mean --max-cost?",),
    ),
    Mistake(
        name="option-budget",
        command="run m.csv {shop} --budget 5",
        names=("--budget",),
        remedy=("--max-cost",),
    ),
    Mistake(
        name="option-dry-run",
        command="run m.csv {shop} --dry-run",
        names=("--dry-run",),
        remedy=("batchgen check", "--rehearse"),
    ),
    Mistake(
        name="option-output",
        command="run m.csv {shop} --output images",
        names=("--output",),
        remedy=("--out",),
    ),
    Mistake(
        name="option-workers",
        command="run m.csv {shop} --workers 8",
        names=("--workers",),
        remedy=("--concurrency",),
    ),
    Mistake(
        name="option-size",
        command="run m.csv {shop} --size 1024x1024",
        names=("--size",),
        remedy=("--resolution", "--aspect-ratio"),
    ),
    Mistake(
        name="option-one-letter",
        command="run m.csv {shop} -n 4",
        names=("-n",),
        remedy=("--n",),
    ),
    Mistake(
        name="option-api-key",
        command="run m.csv {shop} --api-key=sk-live-Qz7Rt2Lm9Xv4Bn8Kw1PdYc5H",
        names=("--api-key",),
        remedy=("export AIMLAPI_API_KEY",),
    ),
    Mistake(
        name="option-force",
        command="run m.csv {shop} --force",
        names=("--force",),
        remedy=("--out", "carries on"),
    ),
    Mistake(
        name="option-with-a-value-that-takes-none",
        command="run m.csv {shop} --yes=5",
        names=("--yes",),
        remedy=("no value",),
    ),
    Mistake(
        name="option-dash-typographic",
        command=f"run m.csv {EN_DASH}provider openai",
        names=(f"{EN_DASH}provider",),
        remedy=("--provider",),
    ),
    Mistake(
        name="check-yes",
        command="check m.csv {shop} --yes",
        names=("--yes",),
        remedy=("batchgen run",),
    ),
)
