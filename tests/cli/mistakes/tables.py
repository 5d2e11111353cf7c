"""Tables as people have them, and what cannot be read as one."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cli.mistakes.mistake import Mistake

RUN = "run m.csv --provider gemini --max-cost 5"


def _table(
    name: str,
    content: str | bytes,
    names: tuple[str, ...],
    remedy: tuple[str, ...],
) -> Mistake:
    return Mistake(
        name=f"table-{name}",
        command=RUN,
        names=("m.csv", *names),
        remedy=remedy,
        code=1,
        files={"m.csv": content},
    )


def _link_to_itself(folder: Path) -> None:
    (folder / "loop.csv").symlink_to("loop.csv")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe.csv")


TABLES = (
    _table("empty", "", ("empty",), ("it needs a header",)),
    _table(
        "no-prompt",
        "id,text\na,x\n",
        ("no column `prompt`", "id, text"),
        ("--columns prompt=", "--prompt"),
    ),
    _table(
        "ragged",
        "id,prompt\na,a lamp, red\n",
        ("line 2", "3 cells"),
        ("double quotes",),
    ),
    Mistake(
        name="table-xlsx",
        command="run m.xlsx --provider gemini --max-cost 5",
        names=("m.xlsx",),
        remedy=("CSV",),
        code=1,
        files={"m.xlsx": b"PK\3\4"},
    ),
    Mistake(
        name="table-json",
        command="run m.json --provider gemini --max-cost 5",
        names=("m.json", "no rows"),
        remedy=('{"id": "1", "prompt": "a cup"}',),
        code=1,
        files={"m.json": "[]"},
    ),
    Mistake(
        name="table-is-a-folder",
        command="run t.csv --provider gemini --max-cost 5",
        names=("t.csv is a folder",),
        remedy=(".toml", ".csv"),
        code=1,
        files={"t.csv": None},
    ),
    Mistake(
        name="table-link-to-itself",
        command="run loop.csv --provider gemini --max-cost 5",
        names=("loop.csv", "link"),
        remedy=("leads nowhere",),
        code=2,
        prepare=_link_to_itself,
    ),
    Mistake(
        name="table-is-a-pipe",
        command="run pipe.csv --provider gemini --max-cost 5",
        names=("pipe.csv", "no regular file"),
        remedy=("save", "as a file"),
        code=1,
        prepare=_pipe,
    ),
    Mistake(
        name="table-dev-null",
        command="run /dev/null --provider gemini --max-cost 5",
        names=("/dev/null",),
        remedy=(".csv", ".toml"),
        code=1,
    ),
    Mistake(
        name="table-from-stdin",
        command="run - --provider gemini --max-cost 5",
        names=("standard input", "run folder"),
        remedy=("--out out/products",),
    ),
    _table(
        "column-twice",
        "prompt,prompt\na,b\n",
        ("`prompt`", "twice"),
        ("a name of its own",),
    ),
    Mistake(
        name="template-names-no-column",
        command=RUN + " --prompt 'A {{ colour }} lamp'",
        names=("prompt template", "no column `colour`"),
        remedy=("id, prompt",),
        code=1,
    ),
    Mistake(
        name="template-column-with-a-blank",
        command=RUN + " --prompt '{{ Option1 Value }}'",
        names=("prompt template", "{{ Option1 Value }}"),
        remedy=('{{ row["Option1 Value"] }}',),
        code=1,
        files={"m.csv": "id,Option1 Value\na,red\n"},
    ),
    Mistake(
        name="template-with-single-braces",
        command="check m.csv --provider gemini --prompt 'A {prompt} lamp'",
        names=("{prompt}", "prompt template"),
        remedy=("write {{ prompt }}",),
        code=0,
        is_listed=True,
    ),
    Mistake(
        name="template-from-a-file-that-was-meant",
        command=RUN + " --prompt prompt.txt",
        names=("--prompt", "prompt.txt"),
        remedy=('--prompt "$(cat prompt.txt)"',),
        files={"prompt.txt": "A {{ prompt }}"},
    ),
)
