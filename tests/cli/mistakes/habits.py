"""What people bring along from other programs, shells and spreadsheets."""

from __future__ import annotations

from tests.cli.mistakes.mistake import Mistake

_TABLE = {"m.csv": "id,Title\na,Lamp\n"}
_RUN = "run m.csv --provider gemini --max-cost 5"
HABITS = (
    Mistake(
        name="max-cost-two-points",
        command="run m.csv {shop} --max-cost 5.00.00",
        names=("--max-cost", "'5.00.00'"),
        remedy=("a number such as 5 or 5.00",),
    ),
    Mistake(
        name="max-cost-three-decimals-behind-a-comma",
        command="run m.csv {shop} --max-cost 0,500",
        names=("--max-cost", "'0,500'"),
        remedy=("write 0.500",),
    ),
    Mistake(
        name="providers-parted-by-a-blank",
        command="run m.csv --provider 'gemini openai' --max-cost 5",
        names=("--provider", "gemini openai"),
        remedy=("did you mean `gemini,openai`",),
    ),
    Mistake(
        name="try-with-two-providers",
        command="try 'a lamp' --provider gemini,openai",
        names=("--provider", "gemini,openai"),
        remedy=("gemini or openai",),
    ),
    Mistake(
        name="source-on-the-web",
        command="run https://docs.example.com/d/abc --provider gemini",
        names=("https://docs.example.com/d/abc", "cannot be read"),
        remedy=("Download the table",),
        code=1,
    ),
    Mistake(
        name="source-as-a-file-address",
        command="run file:///shop/m.csv --provider gemini",
        names=("file:/shop/m.csv", "address"),
        remedy=("/shop/m.csv",),
    ),
    Mistake(
        name="source-with-a-blank-behind-it",
        command="run 'm.csv ' --provider gemini",
        names=("'m.csv '",),
        remedy=("did you mean m.csv?",),
    ),
    Mistake(
        name="prompt-from-a-file-as-curl-does",
        command=_RUN + " --prompt @prompt.txt",
        names=("--prompt", "prompt.txt"),
        remedy=('--prompt "$(cat prompt.txt)"',),
        files={"prompt.txt": "A {{ prompt }}"},
    ),
    Mistake(
        name="template-filter-unknown",
        command=_RUN + " --prompt '{{ Title | upercase }}'",
        names=("prompt template, line 1", "`upercase`"),
        remedy=("did you mean `upper`",),
        files=_TABLE,
        code=1,
    ),
    Mistake(
        name="template-if-without-an-end",
        command=_RUN + " --prompt '{{ Title }}{% if Title %} in red'",
        names=("prompt template, line 1", "{% if ... %}"),
        remedy=("{% endif %}",),
        files=_TABLE,
        code=1,
    ),
    Mistake(
        name="job-quote-not-closed",
        command="check j.toml",
        names=("j.toml, line 2", "quotation mark"),
        remedy=('prompt = "Photo of {{ Title }}"',),
        files={"j.toml": 'manifest = "m.csv"\nprompt = "Photo of {{ Title }}\n'},
        code=1,
    ),
    Mistake(
        name="job-colon-in-place-of-equals",
        command="check j.toml",
        names=("j.toml, line 2", ":"),
        remedy=('provider = "gemini"',),
        files={"j.toml": 'manifest = "m.csv"\nprovider: gemini\n'},
        code=1,
    ),
    Mistake(
        name="job-manifest-a-list-with-a-file-that-is-not-there",
        command="check j.toml --provider gemini",
        names=("j.toml", "`manifest`", "no such file: b.csv"),
        remedy=("did you mean m.csv",),
        files={"j.toml": 'manifest = ["m.csv", "b.csv"]\n'},
        code=1,
    ),
    Mistake(
        name="table-quote-not-closed",
        command="check m.csv --provider gemini",
        names=("m.csv", "line 2", "never closed"),
        remedy=("close it", 'write "" for'),
        files={"m.csv": 'id,prompt\na,"a lamp\nb,a cup\n'},
        code=1,
    ),
    Mistake(
        name="costs-to-excel",
        command="costs out/m -o costs.xlsx",
        names=("--output", "costs.xlsx"),
        remedy=("costs.csv",),
        files={"out/m/results.parquet": b"none"},
    ),
)
