"""Mistakes with `batchgen init`."""

from __future__ import annotations

from tests.cli.mistakes.mistake import Mistake

_TABLE = {"m.csv": "SKU,Title\n1,Cup\n2,Mug\n"}
PROPOSALS = (
    Mistake(
        name="init-without-table",
        command="init",
        names=("TABLE", "missing"),
        remedy=("batchgen init products.csv", "--sample"),
    ),
    Mistake(
        name="init-of-a-sample-and-a-table",
        command="init m.csv --sample",
        names=("--sample", "table of its own"),
        remedy=("leave TABLE out",),
        files=_TABLE,
    ),
    Mistake(
        name="init-over-a-sample",
        command="init --sample",
        names=("sample.csv", "there already"),
        remedy=("another folder", "--overwrite"),
        files={"sample.csv": "mine\n"},
    ),
    Mistake(
        name="init-of-no-file",
        command="init n.csv",
        names=("no such file", "n.csv"),
        remedy=("did you mean m.csv?",),
        code=1,
    ),
    Mistake(
        name="init-of-a-job-file",
        command="init j.toml",
        names=("j.toml", "job file already"),
        remedy=("batchgen check j.toml",),
        files={"j.toml": 'manifest = "m.csv"\n'},
    ),
    Mistake(
        name="init-over-a-job-file",
        command="init m.csv",
        names=("m.toml", "there already"),
        remedy=("--out", "--overwrite"),
        files={**_TABLE, "m.toml": 'manifest = "m.csv"\n'},
    ),
    Mistake(
        name="init-into-another-kind-of-file",
        command="init m.csv --out job.txt",
        names=("--out", "job.txt", ".toml"),
        remedy=("write job.toml",),
        files=_TABLE,
    ),
    Mistake(
        name="init-into-a-folder-that-is-not-there",
        command="init m.csv --out jobs/m.toml",
        names=("--out", "no such folder", "jobs"),
        remedy=("make it",),
        files=_TABLE,
    ),
    Mistake(
        name="init-with-a-wrong-provider",
        command="init m.csv --provider google",
        names=("--provider", "google"),
        remedy=("did you mean `gemini`?",),
        files=_TABLE,
    ),
    Mistake(
        name="init-with-a-wrong-prompt",
        command="init m.csv --prompt '{{ titel }}'",
        names=("prompt template", "`titel`"),
        remedy=("did you mean `Title`?",),
        code=1,
        files=_TABLE,
    ),
    Mistake(
        name="init-of-numbers-alone",
        command="init m.csv",
        names=("m.csv", "no column tells what"),
        remedy=("--prompt", "{{ COLUMN }}"),
        code=1,
        files={"m.csv": "a,b\n1,2\n3,4\n"},
    ),
    Mistake(
        name="init-under-another-name",
        command="wizard m.csv",
        names=("wizard",),
        remedy=("batchgen init",),
    ),
)
