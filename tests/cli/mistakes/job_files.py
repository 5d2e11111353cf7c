"""Job files that say something else than was meant."""

from __future__ import annotations

from tests.cli.mistakes.mistake import Mistake

HEAD = 'manifest = "m.csv"\nprovider = "gemini"\n'


def _job(
    name: str,
    text: str | bytes,
    names: tuple[str, ...],
    remedy: tuple[str, ...],
) -> Mistake:
    return Mistake(
        name=f"job-{name}",
        command="run j.toml --max-cost 5",
        names=("j.toml", *names),
        remedy=remedy,
        code=1,
        files={"j.toml": text},
    )


JOB_FILES = (
    _job(
        "yaml",
        "manifest: m.csv\nprovider: gemini\n",
        ("YAML",),
        ('manifest = "',),
    ),
    _job(
        "json",
        '{\n  "manifest": "m.csv",\n  "provider": "gemini"\n}\n',
        ("JSON",),
        ('manifest = "products.csv"',),
    ),
    _job(
        "without-quotes",
        "manifest = m.csv\nprovider = gemini\n",
        ("line 1", "quotes"),
        ('manifest = "m.csv"',),
    ),
    _job(
        "word-without-quotes",
        'manifest = "m.csv"\nprovider = gemini\n',
        ("line 2", "quotes"),
        ('provider = "gemini"',),
    ),
    _job(
        "typographic-quotes",
        'manifest = “m.csv”\nprovider = "gemini"\n',
        ("line 1", "“"),
        ('manifest = "m.csv"',),
    ),
    _job(
        "windows-path",
        'manifest = "C:\\shop\\new.csv"\nprovider = "gemini"\n',
        ("line 1", "backslash"),
        ("'C:\\shop\\new.csv'", "C:/shop/new.csv"),
    ),
    _job(
        "capital-true",
        HEAD + "dedupe = True\n",
        ("line 3", "True"),
        ("dedupe = true",),
    ),
    _job(
        "quotes-within",
        HEAD + 'prompt = "A "red" lamp"\n',
        ("line 3", "quotation mark"),
        ("prompt = 'A \"red\" lamp'",),
    ),
    _job(
        "ratio-without-quotes",
        HEAD + "aspect_ratio = 16:9\n",
        ("line 3", "quotes"),
        ('aspect_ratio = "16:9"',),
    ),
    _job(
        "money-with-a-sign",
        HEAD + "max_cost = $5\n",
        ("line 3", "$5"),
        ("max_cost = 5",),
    ),
    _job(
        "decimal-comma",
        HEAD + "max_cost = 5,00\n",
        ("line 3", "5,00"),
        ("max_cost = 5.00",),
    ),
    _job(
        "twice",
        HEAD + 'provider = "openai"\n',
        ("line 3", "`provider`", "line 2"),
        ("keep one",),
    ),
    _job(
        "section-not-closed",
        HEAD + '[columns\nid = "SKU"\n',
        ("line 3", "[columns"),
        ("[columns]",),
    ),
    _job(
        "wrong-type",
        HEAD + 'n = "two"\n',
        ("`n`", "'two'"),
        ("in digits, without quotes",),
    ),
    _job(
        "number-as-text",
        HEAD + 'n = "2"\n',
        ("`n`", "'2'"),
        ("write 2 without quotes",),
    ),
    _job(
        "unknown-key",
        HEAD + "concurency = 3\n",
        ("unknown key `concurency`",),
        ("did you mean `concurrency`?",),
    ),
    _job(
        "hyphen",
        HEAD + "max-cost = 5\n",
        ("unknown key `max-cost`",),
        ("did you mean `max_cost`?",),
    ),
    _job(
        "key-of-another-name",
        HEAD + "budget_usd = 5\n",
        ("unknown key `budget_usd`",),
        ("`max_cost`",),
    ),
    _job(
        "source",
        'source = "m.csv"\nprovider = "gemini"\n',
        ("`source`",),
        ("`manifest`",),
    ),
    _job(
        "singular-section",
        HEAD + '[column]\nprompt = "Title"\n',
        ("unknown key `column`",),
        ("did you mean `columns`?",),
    ),
    _job(
        "section-of-a-provider",
        HEAD + '[gemini]\nmodel = "gemini-3-pro-image"\n',
        ("unknown key `gemini`",),
        ("[providers.gemini]",),
    ),
    _job(
        "key-below-a-section",
        HEAD + '[columns]\nid = "id"\nmax_cost = 5\n',
        ("[columns]", "`max_cost`"),
        ("above", "first [section]"),
    ),
    _job(
        "without-manifest",
        'provider = "gemini"\n',
        ("`manifest` is missing",),
        ('manifest = "products.csv"',),
    ),
    _job(
        "without-provider",
        'manifest = "m.csv"\n',
        ("`provider` is missing",),
        ("gemini", "openai"),
    ),
    _job(
        "manifest-not-there",
        'manifest = "nope.csv"\nprovider = "gemini"\n',
        ("`manifest`", "no such file", "nope.csv"),
        ("relative to", "job file"),
    ),
    _job(
        "empty",
        "",
        ("empty",),
        ('manifest = "products.csv"',),
    ),
    _job(
        "not-utf-8",
        b'manifest = "m.csv"\nprovider = "gemini"\nprompt = "caf\xe9"\n',
        ("line 3", "not UTF-8"),
        ("save it as UTF-8",),
    ),
    _job(
        "utf-16",
        HEAD.encode("utf-16"),
        ("UTF-16",),
        ("UTF-8",),
    ),
    _job(
        "max-cost-word",
        HEAD + 'max_cost = "five"\n',
        ("`max_cost`", "'five'"),
        ("a number", "5.00"),
    ),
    _job(
        "provider-google",
        'manifest = "m.csv"\nprovider = "google"\n',
        ("`provider`", "google"),
        ("did you mean `gemini`?",),
    ),
    _job(
        "ratio-nobody-has",
        HEAD + 'aspect_ratio = "5:7"\n',
        ("`aspect_ratio`", "5:7"),
        ("it has", "16:9"),
    ),
    _job(
        "option-nobody-has",
        HEAD + '[options]\nqualitiy = "high"\n',
        ("[options]", "`qualitiy`"),
        ("did you mean `quality`?",),
    ),
    Mistake(
        name="job-columns-the-table-lacks",
        command="run j.toml --max-cost 5",
        names=("m.csv", "[columns]", "`Titel`"),
        remedy=("id, prompt",),
        code=1,
        files={"j.toml": HEAD + '[columns]\nprompt = "Titel"\n'},
    ),
    Mistake(
        name="job-is-a-folder",
        command="run jobs --provider gemini",
        names=("jobs is a folder",),
        remedy=(".toml", ".csv"),
        code=1,
        files={"jobs": None},
    ),
    Mistake(
        name="job-table-called-toml",
        command="run t.toml --provider gemini",
        names=("t.toml", "table"),
        remedy=(".csv",),
        code=1,
        files={"t.toml": "id,prompt\na,a lamp\n"},
    ),
)
