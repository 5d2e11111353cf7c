"""Rows that cannot run: each is named with row, line and column."""

from __future__ import annotations

from tests.cli.mistakes.mistake import Mistake

WHERE = ("m.csv, row 0, line 2", "column")


def _row(
    name: str,
    content: str,
    names: tuple[str, ...],
    remedy: tuple[str, ...],
    *,
    code: int = 1,
    provider: str = "gemini",
) -> Mistake:
    return Mistake(
        name=f"row-{name}",
        command=f"check m.csv --provider {provider}",
        names=(WHERE[0], *names),
        remedy=remedy,
        code=code,
        files={"m.csv": content},
        is_listed=True,
    )


ROWS = (
    _row(
        "resolution-unknown",
        "prompt,resolution\na,8K\n",
        ("`resolution`", "'8K'"),
        ("512, 1K, 2K, 4K",),
    ),
    _row(
        "resolution-in-pixels",
        "prompt,resolution\na,1024x1024\n",
        ("`resolution`", "'1024x1024'"),
        ("1K",),
    ),
    _row(
        "ratio-of-a-spreadsheet",
        "prompt,aspect_ratio\na,16:09:00\n",
        ("`aspect_ratio`", "'16:09:00'"),
        ("format the column as text",),
    ),
    _row(
        "ratio-nobody-has",
        "prompt,aspect_ratio\na,5:7\n",
        ("`aspect_ratio`", "5:7"),
        ("it has", "16:9"),
    ),
    _row("n-zero", "prompt,n\na,0\n", ("`n`", "'0'"), ("from 1 to 1000",)),
    _row("n-word", "prompt,n\na,two\n", ("`n`", "'two'"), ("whole number",)),
    _row("n-half", "prompt,n\na,1.5\n", ("`n`", "'1.5'"), ("whole number",)),
    _row(
        "provider-unknown",
        "prompt,provider\na,google\n",
        ("`provider`", "google"),
        ("did you mean `gemini`?",),
    ),
    _row(
        "provider-not-chosen",
        "prompt,provider\na,openai\n",
        ("`provider`", "'openai'"),
        ("--provider gemini,openai",),
    ),
    _row(
        "reference-missing",
        "prompt,references\na,pictures/nope.png\n",
        ("`references`", "nope.png"),
        ("no such file",),
    ),
    _row(
        "reference-absolute",
        "prompt,references\na,/etc/hostname\n",
        ("`references`", "/etc/hostname"),
        ("folder",),
    ),
    _row(
        "option-of-another-provider",
        "prompt,negative_prompt\na,no people\n",
        ("`negative_prompt`", "gemini has no negative_prompt"),
        ('unsupported = "drop"',),
    ),
    _row(
        "temperature-out-of-range",
        "prompt,temperature\na,9\n",
        ("`temperature`", "'9'"),
        ("from 0 to 2",),
    ),
    _row(
        "file-name-not-safe",
        "prompt,filename\na,../../etc/passwd\n",
        ("`filename`", "'../../etc/passwd'"),
        ("stored as 'etc/passwd'",),
        code=0,
    ),
    Mistake(
        name="row-id-twice",
        command="check m.csv --provider gemini",
        names=("m.csv, row 1, line 3", "`id`", "repeats"),
        remedy=("ids must differ",),
        code=3,
        files={"m.csv": "id,prompt\na,a lamp\na,a cup\n"},
        is_listed=True,
    ),
    Mistake(
        name="row-file-names-equal",
        command="check m.csv --provider gemini",
        names=("m.csv, row 1, line 3", "`filename`", "'lamp'"),
        remedy=("earlier row", "stored as 'lamp~"),
        code=0,
        files={"m.csv": "prompt,filename\na lamp,lamp.png\na cup,lamp.png\n"},
        is_listed=True,
    ),
    Mistake(
        name="column-capital-id",
        command="check m.csv --provider gemini",
        names=("`ID`", "id"),
        remedy=("--id ID", 'id = "ID"', "[columns]"),
        code=0,
        files={"m.csv": "ID,prompt\na,a lamp\n"},
        is_listed=True,
    ),
    Mistake(
        name="column-of-another-spelling",
        command="check m.csv --provider gemini",
        names=("m.csv", "`Aspect Ratio`", "`aspect_ratio`"),
        remedy=("to use it", "[columns]"),
        code=0,
        files={"m.csv": "prompt,Aspect Ratio\na lamp,16:9\n"},
        is_listed=True,
    ),
    Mistake(
        name="all-rows-invalid-in-run",
        command="run m.csv {shop} --max-cost 5 --price 0.05",
        names=("m.csv, row 0, line 2", "`n`", "'two'"),
        remedy=("whole number",),
        code=3,
        files={"m.csv": "prompt,n\na,two\n"},
        is_listed=True,
        leaves=("out",),
    ),
)
