"""Mistakes in the file of the user's own defaults."""

from __future__ import annotations

from tests.cli.mistakes.mistake import Mistake

_FILE = "config/batchgen/config.toml"


def _mistake(
    name: str,
    text: str | bytes | None,
    names: tuple[str, ...],
    remedy: tuple[str, ...],
    command: str = "run m.csv --max-cost 5",
) -> Mistake:
    return Mistake(
        name=f"defaults-{name}",
        command=command,
        names=(_FILE, *names),
        remedy=remedy,
        code=1,
        files={_FILE: text},
        keys={"XDG_CONFIG_HOME": "{folder}/config"},
    )


USER_DEFAULTS = (
    _mistake(
        "without-quotes",
        "provider = gemini\n",
        ("line 1", "quotes"),
        ('provider = "gemini"',),
    ),
    _mistake(
        "yaml",
        "provider: gemini\n",
        ("YAML",),
        ('provider = "gemini"',),
    ),
    _mistake(
        "not-utf-8",
        b'provider = "gemini"\n# caf\xe9\n',
        ("line 2", "not UTF-8"),
        ("save it as UTF-8",),
    ),
    _mistake(
        "unknown-key",
        'provider = "gemini"\nconcurency = 3\n',
        ("line 2", "unknown key `concurency`"),
        ("did you mean `concurrency`?",),
    ),
    _mistake(
        "budget-that-is-consent",
        'provider = "gemini"\nmax_cost = 20\n',
        ("line 2", "`max_cost`"),
        ("consent", "--max-cost", "`per_day`"),
    ),
    _mistake(
        "part-of-an-order",
        'provider = "gemini"\n\naspect_ratio = "1:1"\n',
        ("line 3", "`aspect_ratio`"),
        ("in the job", "command line"),
    ),
    _mistake(
        "model-of-a-provider",
        '[providers.gemini]\nmodel = "gemini-3-pro-image"\n',
        ("line 2", "`model`"),
        ("in the job", "command line"),
    ),
    _mistake(
        "budget-by-column",
        "[budget]\nper_day = 2\n[budget.by]\nbrand = 2\n",
        ("[budget]", "`by`"),
        ("in the job",),
    ),
    _mistake(
        "address-without-provider",
        'base_url = "https://api.example.com"\n',
        ("line 1", "`base_url`"),
        ("[providers.NAME]",),
    ),
    _mistake(
        "key-of-an-account",
        'provider = "gemini"\napi_key = "sk-live-Qz7Rt2Lm9Xv4Bn8Kw1PdYc5H"\n',
        ("`api_key`",),
        ("export GEMINI_API_KEY", "take the line out"),
    ),
    _mistake(
        "value-of-another-type",
        'provider = "gemini"\n[budget]\nper_day = "lots"\n',
        ("line 3", "`per_day`", "'lots'"),
        ("a number",),
    ),
    _mistake(
        "day-without-money",
        "[budget]\nper_day = 0\n",
        ("line 2", "no purchase"),
        ("such as 10",),
    ),
    _mistake(
        "provider-google",
        'provider = "google"\n',
        ("line 1", "google"),
        ("did you mean `gemini`?",),
    ),
    _mistake(
        "address-without-its-path",
        'provider = "gemini"\n[providers.gemini]\n'
        'base_url = "https://generativelanguage.googleapis.com"\n',
        ("`base_url`",),
        ("https://generativelanguage.googleapis.com/v1beta",),
    ),
    _mistake(
        "folder-in-its-place",
        None,
        ("directory",),
        ("XDG_CONFIG_HOME",),
    ),
    _mistake(
        "shown-by-config",
        "concurrency = 0\n",
        ("line 1", "`concurrency`"),
        ("from 1",),
        command="config",
    ),
)
