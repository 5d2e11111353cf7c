"""Keys that are missing, broken, or stand where no key may stand."""

from __future__ import annotations

from tests.cli.command import KEY
from tests.cli.mistakes.mistake import Mistake

RUN = "run m.csv --provider openai --max-cost 5"
HEAD = 'manifest = "m.csv"\nprovider = "gemini"\n'
EXPORT = "export GEMINI_API_KEY="


def _key(name: str, value: str | None, names: str, remedy: str) -> Mistake:
    return Mistake(
        name=f"key-{name}",
        command=RUN,
        names=("OPENAI_API_KEY", names),
        remedy=(remedy,),
        code=1,
        keys={"OPENAI_API_KEY": value},
    )


def _in_file(name: str, lines: str, *names: str) -> Mistake:
    return Mistake(
        name=f"key-in-job-{name}",
        command="run j.toml --max-cost 5",
        names=("j.toml", *names),
        remedy=(EXPORT, "never in a file"),
        code=1,
        files={"j.toml": HEAD + lines},
    )


KEYS = (
    _key("missing", None, "not set", "export OPENAI_API_KEY="),
    _key("empty", "", "empty", "export OPENAI_API_KEY="),
    _key("blank", "   ", "empty", "export OPENAI_API_KEY="),
    _key("quoted", f"'{KEY}'", "quotation marks", "without"),
    _key("typographic-quotes", f"\u201c{KEY}\u201d", "quotation marks", "without"),
    _key("two-lines", f"{KEY[:16]}\n{KEY[16:]}", "line break", "on one line"),
    _key("with-a-blank", f"{KEY[:16]} {KEY[16:]}", "blank", "without"),
    _key("bearer", f"Bearer {KEY}", "Bearer", "alone"),
    _key("invisible", f"{KEY}\u200b", "U+200B", "copy"),
    _key("placeholder", "YOUR_API_KEY", "placeholder", "your own key"),
    _key("placeholder-in-brackets", "<your-openai-key>", "placeholder", "your own key"),
    _key("as-a-variable", "$OPENAI_KEY", "placeholder", "your own key"),
    Mistake(
        name="key-of-one-of-two-missing",
        command="run m.csv --provider openai,gemini --max-cost 5",
        names=("GEMINI_API_KEY", "not set"),
        remedy=(EXPORT, "--provider openai"),
        code=1,
        keys={"GEMINI_API_KEY": None},
    ),
    _in_file("plain", f'api_key = "{KEY}"\n', "`api_key`"),
    _in_file("of-a-provider", f'[providers.gemini]\nkey = "{KEY}"\n', "`key`"),
    _in_file("by-its-variable", f'GEMINI_API_KEY = "{KEY}"\n', "`GEMINI_API_KEY`"),
    _in_file("as-a-section", f'[gemini]\napi_key = "{KEY}"\n', "`api_key`"),
    Mistake(
        name="key-in-the-address-of-a-job",
        command="run j.toml --max-cost 5",
        names=("j.toml", "`base_url`", "`?`"),
        remedy=("without what follows", "its variable"),
        code=1,
        files={
            "j.toml": f'{HEAD}base_url = "https://api.example.com/v1?key={KEY}"\n',
        },
    ),
    Mistake(
        name="key-as-a-second-word",
        command=f"run m.csv {KEY} --provider openai",
        names=("one SOURCE",),
        remedy=("OPENAI_API_KEY",),
    ),
)
