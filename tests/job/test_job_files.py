from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from batchgen.errors import SpecError, UsageError
from batchgen.job import load_job_with_options
from batchgen.model import Expansion, Job, Price, ReferenceTerms, Terms

KNOWN = ("aimlapi", "foxapi")
ALL = """
manifest = "m.csv"
provider = ["aimlapi", "foxapi"]
model = { aimlapi = "nano" }
base_url = { foxapi = "https://fox.example/v1/" }
out = "../runs/one"
prompt = "{{ name }}"
aspect_ratio = "16 : 9"
resolution = "1k"
n = 2
rpm = 30.5
concurrency = 16
max_cost = 12.50
price = "0.1"
max_attempts = 3
on_unknown = "hold"
max_unknown = 0
limit = 10
grace = 5
allow_http = true
unsupported = "drop"
endpoint = { aimlapi = "/v2/images" }
[references]
folder = "../images"
shrink = true
[budget]
per_day = 4
on_day_full = "wait"
[budget.by]
brand = 2.5
kind = { "*" = 1, "a hat" = "0.5" }
[columns]
id = "SKU"
[expand]
scene = ["white", 7]
view = "views"
[options]
quality = "High"
web_search = true
output_compression = 80
[prices.foxapi]
"1K" = 0.045
"0.5K" = { expected = 0.02, ceiling = 0.03 }
[providers.foxapi]
rpm = 7
failed_tasks = "free"
shutdowns = "ignore"
endpoint = "edit"
images_per_request = 4
max_references = 0
max_reference_bytes = 10_485_760
references = "upload"
usd_per_credit = 0.000_000_000_123_4
rates = { image_token = 0.00006 }
"""
"""A job file with nearly every key."""

HEAD = 'manifest = "m.csv"\nprovider = "aimlapi"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work above a folder `jobs` that holds a manifest."""
    monkeypatch.chdir(tmp_path)
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    (jobs / "m.csv").write_text("prompt\na\n")
    return jobs


def load(toml: str, **flags: object) -> Job:
    Path("jobs/j.toml").write_text(toml, encoding="utf-8")
    return load_job_with_options(Path("jobs/j.toml"), flags, KNOWN)


def load_manifest(**flags: object) -> Job:
    return load_job_with_options(Path("jobs/m.csv"), flags, KNOWN)


@pytest.mark.parametrize(
    ("line", "share"),
    [("", 0.9), ("max_failures = 0.5", 0.5), ("max_failures = false", None)],
)
@pytest.mark.usefixtures("folder")
def test_how_many_failures_stop_a_run(line: str, share: float | None) -> None:
    assert load(f"{HEAD}{line}\n").max_failures == share


@pytest.mark.usefixtures("folder")
def test_limits_can_be_left_to_be_found() -> None:
    toml = HEAD + 'rpm = "auto"\n[providers.aimlapi]\nconcurrency = "auto"\n'

    terms = load(toml).terms["aimlapi"]
    assert (terms.rpm, terms.concurrency) == ("auto", "auto")

    terms = load(toml, rpm=7.0, concurrency=2).terms["aimlapi"]
    assert (terms.rpm, terms.concurrency) == (7.0, 2)

    terms = load_manifest(provider="aimlapi", rpm="auto").terms["aimlapi"]
    assert (terms.rpm, terms.concurrency) == ("auto", None)


def test_a_job_file_says_all(folder: Path) -> None:
    (folder.parent / "images").mkdir()
    job = load(ALL)

    page = "jobs/j.toml"
    everywhere = Price.agreed(Decimal("0.1"), page)
    assert job == Job(
        source=folder / "j.toml",
        manifest=folder / "m.csv",
        out=folder.parent / "runs" / "one",
        providers=("aimlapi", "foxapi"),
        terms={
            "aimlapi": Terms(
                model="nano",
                rpm=30.5,
                concurrency=16,
                prices=(everywhere,),
                endpoint="/v2/images",
            ),
            "foxapi": Terms(
                base_url="https://fox.example/v1",
                rpm=7.0,
                concurrency=16,
                prices=(
                    replace(Price.agreed(Decimal("0.045"), page), resolution="1K"),
                    Price(
                        expected=Decimal("0.02"),
                        ceiling=Decimal("0.03"),
                        page=page,
                        resolution="512",
                        is_agreed=True,
                    ),
                    everywhere,
                ),
                endpoint="edit",
                images_per_request=4,
                max_references=0,
                max_reference_bytes=10_485_760,
                references="upload",
                rates={
                    "credit": Decimal("0.0000000001234"),
                    "image_token": Decimal("0.00006"),
                },
                failed_tasks="free",
                shutdowns="ignore",
            ),
        },
        columns={"id": "SKU"},
        expand=Expansion(
            values={"scene": ("white", "7")}, list_columns={"view": "views"}
        ),
        options={"quality": "high", "web_search": True, "output_compression": 80},
        prompt="{{ name }}",
        aspect_ratio="16:9",
        resolution="1K",
        n=2,
        allow_http=True,
        max_cost=Decimal("12.50"),
        max_cost_per_day=Decimal(4),
        on_day_full="wait",
        max_cost_by={
            "brand": {"*": Decimal("2.5")},
            "kind": {"*": Decimal(1), "a hat": Decimal("0.5")},
        },
        max_attempts=3,
        on_unknown="hold",
        max_unknown=0,
        unsupported="drop",
        references=ReferenceTerms(folder=folder.parent / "images", shrink=True),
        limit=10,
        grace_s=5.0,
    )


def test_a_bare_manifest_takes_the_defaults(folder: Path) -> None:
    job = load_manifest(provider="foxapi")

    assert job == Job(
        source=folder / "m.csv",
        manifest=folder / "m.csv",
        out=folder.parent / "out" / "m",
        providers=("foxapi",),
        terms={"foxapi": Terms()},
    )


def test_the_command_line_stands_above_the_job_file(folder: Path) -> None:
    toml = HEAD + 'model = "a"\nrpm = 1\nn = 2\nmax_cost = 1\nout = "x"\nprice = 1\n'

    job = load(
        toml + "[providers.aimlapi]\nrpm = 2\nconcurrency = 3\n",
        model="b",
        rpm=4.0,
        n=5,
        max_cost="6.5",
        max_cost_per_day="0.5",
        on_day_full="wait",
        out=Path("here"),
        price="0.07",
        grace=8.0,
    )

    assert job.terms["aimlapi"] == Terms(
        model="b",
        rpm=4.0,
        concurrency=3,
        prices=(Price.agreed(Decimal("0.07"), "--price"),),
    )
    assert (job.n, job.max_cost, job.grace_s) == (5, Decimal("6.5"), 8.0)
    assert (job.max_cost_per_day, job.on_day_full) == (Decimal("0.5"), "wait")
    assert job.out == folder.parent / "here"


def test_several_providers_keep_their_order() -> None:
    job = load_manifest(provider="foxapi, aimlapi,foxapi")

    assert job.providers == ("foxapi", "aimlapi")


def test_an_address_goes_to_the_provider_that_it_names() -> None:
    job = load(
        HEAD + 'base_url = "https://a.example"\n',
        base_url=("foxapi=https://f.example/",),
    )

    assert job.terms_of("aimlapi").base_url == "https://a.example"
    assert job.terms_of("foxapi").base_url == "https://f.example"


def test_an_address_in_a_job_file_is_not_given_to_another_provider() -> None:
    job = load(HEAD + 'base_url = "https://a.example"\n', provider="foxapi")

    assert job.terms_of("foxapi").base_url is None


@pytest.mark.parametrize("login", ["me:hunter2", "me:hun#ter2", "me:hun/2", "me:1?2"])
def test_an_address_with_a_password_is_refused_without_it(login: str) -> None:
    with pytest.raises(SpecError, match="take the user or password out") as caught:
        load(HEAD + f'base_url = "https://{login}@a.example"\n')

    assert "me:" not in str(caught.value)


def test_an_endpoint_belongs_to_the_provider_beside_it() -> None:
    toml = HEAD + 'endpoint = "edit"\n[providers.foxapi]\nendpoint = "/other"\n'

    here, elsewhere = load(toml), load(toml, provider="foxapi")

    assert here.terms_of("aimlapi").endpoint == "edit"
    assert elsewhere.terms_of("foxapi").endpoint == "/other"


def test_an_address_without_a_name_goes_to_the_only_provider() -> None:
    url = "http://127.0.0.1:8080"

    job = load_manifest(provider="foxapi", base_url=(url,))

    assert job.terms_of("foxapi").base_url == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param("https://a.example:abc", "the port 'abc'", id="port"),
        pytest.param("https://a.example:0/v1", "the port '0'", id="port-0"),
        pytest.param("https://a..example", "the host 'a..example'", id="host"),
        pytest.param("https://xn--a/v1", "the host 'xn--a'", id="idna"),
        pytest.param("https://[::1", "is not an https:// address", id="half-a-bracket"),
        pytest.param("https://\u200ba.example", "zero width space", id="zero-width"),
        pytest.param("https://a.example/\tv1", "a tab (U+0009)", id="tab"),
        pytest.param(r"https://a.example\v1", "a backslash", id="backslash"),
    ],
)
def test_a_base_url_is_judged_like_every_url(url: str, words: str) -> None:
    with pytest.raises(UsageError, match="--base-url") as caught:
        load_manifest(provider="foxapi", base_url=(url,))

    assert words in str(caught.value)


WRONG = [
    pytest.param(
        'promt = "x"', "unknown key `promt`: did you mean `prompt`?", id="key"
    ),
    pytest.param("max-cost = 1", "did you mean `max_cost`?", id="hyphen"),
    pytest.param("xyzzy = 1", "unknown key `xyzzy`: known are manifest,", id="far"),
    pytest.param(
        '[columns]\npromt = "x"',
        "[columns]: unknown key `promt`: did you mean `prompt`?",
        id="column",
    ),
    pytest.param(
        '[columns]\nimage_urls = "x"',
        "[columns]: unknown key `image_urls`: did you mean `references`?",
        id="alias",
    ),
    pytest.param(
        "[columns]\nprompt = 3", "[columns], `prompt`: 3 is not a text", id="name"
    ),
    pytest.param(
        "[prices.foxap]",
        "[prices]: unknown provider `foxap`: did you mean `foxapi`?",
        id="price-of-nobody",
    ),
    pytest.param("[expand]", "[expand]: it is empty: name a column", id="no-expand"),
    pytest.param(
        '[expand]\nid = ["a"]', "[expand]: `id` cannot be expanded", id="expand-id"
    ),
    pytest.param(
        '[expand]\naspect_ratio = ["1:1", "5/7"]',
        "[expand]: `aspect_ratio`, a value of the list: '5/7' is no W:H",
        id="expand-ratio",
    ),
    pytest.param(
        '[expand]\nscene = ["oak", "oak"]',
        "[expand]: `scene`: 'oak' stands there twice",
        id="expand-twice",
    ),
    pytest.param(
        "[expand]\nscene = []", "[expand]: `scene`: the list is empty", id="expand-none"
    ),
    pytest.param(
        '[expand]\nscene = "a|b"',
        "[expand]: `scene`: 'a|b' is neither a list of values nor a column",
        id="expand-text",
    ),
    pytest.param(
        '[expand]\nfrom = "viws.csv"',
        "[expand]: `from`: no such file: jobs/viws.csv",
        id="expand-from",
    ),
    pytest.param(
        f"[expand]\na = {list(range(101))}\nb = {list(range(100))}",
        "[expand]: each row would become 10,100 rows, more than 10,000",
        id="expand-many",
    ),
    pytest.param(
        "[prices.foxapi]\n8K = 1", "[prices.foxapi], `8K`: '8K' is none", id="8K"
    ),
    pytest.param(
        "[prices.foxapi]\n1K = { expected = 2, ceiling = 1 }",
        "[prices.foxapi], `1K`: the ceiling 1 is below the expected 2",
        id="ceiling",
    ),
    pytest.param(
        "[prices.foxapi]\n1K = { expcted = 2 }",
        "[prices.foxapi], `1K`: unknown key `expcted`: did you mean `expected`?",
        id="price-key",
    ),
    pytest.param(
        "[prices.foxapi]\n1K = { ceiling = 2 }",
        "[prices.foxapi], `1K`: the table has no `expected`",
        id="price-without-expected",
    ),
    pytest.param(
        "[prices]\nfoxapi = 1",
        "`prices.foxapi` must be a table: write [prices.foxapi]",
        id="price-no-table",
    ),
    pytest.param("prices = 1", "`prices` must be a table: write [prices]", id="table"),
    pytest.param(
        "[providers.aimlapi]\nrmp = 1",
        "[providers.aimlapi]: unknown key `rmp`: did you mean `rpm`?",
        id="term",
    ),
    pytest.param(
        '[providers.aimlapi]\nfailed_tasks = "maybe"',
        "[providers.aimlapi], `failed_tasks`: 'maybe' is none of unknown, free",
        id="failed-tasks",
    ),
    pytest.param(
        '[model]\nfoxap = "x"', "[model]: unknown provider `foxap`", id="model-of"
    ),
    pytest.param("rpm = 0", "`rpm`: 0 is not from 0.001 to 1,000,000", id="rpm-0"),
    pytest.param("rpm = -1", "`rpm`: -1 is not from", id="rpm-negative"),
    pytest.param("rpm = nan", "`rpm`: NaN is not a number", id="rpm-nan"),
    pytest.param("rpm = true", "`rpm`: true is not a number", id="rpm-bool"),
    pytest.param('rpm = "9"', "`rpm`: '9' is not a number", id="rpm-text"),
    pytest.param('rpm = "AUTO"', "`rpm`: 'AUTO' is not a number", id="rpm-word"),
    pytest.param(
        'rpm = "fast"',
        'a number: write it in digits, without quotes; or write "auto"',
        id="rpm-or-auto",
    ),
    pytest.param("max_failures = true", "true is not a number", id="failures-true"),
    pytest.param(
        "max_failures = 0", "0 is not from 0.02 to 1 (or false)", id="failures-0"
    ),
    pytest.param("max_failures = 90", "90 is not from 0.02", id="failures-percent"),
    pytest.param("concurrency = 0", "`concurrency`: 0 is not from 1", id="none"),
    pytest.param("n = 1.5", "`n`: 1.5 is not a whole number", id="n-fraction"),
    pytest.param("n = 1001", "`n`: 1001 is not from 1 to 1,000", id="n-many"),
    pytest.param("limit = 0", "`limit`: 0 is not from 1", id="limit"),
    pytest.param("grace = -1", "`grace`: -1 is not from 0", id="grace"),
    pytest.param("grace = inf", "`grace`: Infinity is not a number", id="inf"),
    pytest.param("max_cost = -0.01", "`max_cost`: -0.01 is not from 0", id="cost"),
    pytest.param("max_cost = inf", "`max_cost`: Infinity is not", id="cost-inf"),
    pytest.param(
        'max_cost = "ten"', "`max_cost`: 'ten' is not an amount", id="cost-text"
    ),
    pytest.param(
        "max_cost = 0.0000000001",
        "`max_cost`: 1E-10 has more than nine decimals",
        id="cost-too-fine",
    ),
    pytest.param(
        "[budget]\nper_month = 1", "[budget]: unknown key `per_month`", id="month"
    ),
    pytest.param(
        "[budget]\nper_day = -1", "[budget], `per_day`: -1 is not", id="per-day"
    ),
    pytest.param(
        "[budget]\nby = 3", "[budget]: `by` must be a table", id="by-no-table"
    ),
    pytest.param(
        "[budget.by]\nbrand = {}", "[budget.by], `brand`: the table", id="by-empty"
    ),
    pytest.param(
        "[budget.by]\nbrand = { Acme = -2 }",
        "[budget.by], `brand`: `Acme`: -2 is not from 0",
        id="by-value",
    ),
    pytest.param("price = []", "`price`: a list is not a number", id="price-list"),
    pytest.param(
        'on_unknown = "ask"', "`on_unknown`: 'ask' is none of retry, hold", id="ask"
    ),
    pytest.param("allow_http = 1", "`allow_http`: 1 is neither true nor", id="bool"),
    pytest.param(
        'prompt = " "', "`prompt`: it is empty: write a template", id="blank-prompt"
    ),
    pytest.param("out = 1", "`out`: 1 is not a text", id="out"),
    pytest.param(
        'aspect_ratio = "16x9"', "`aspect_ratio`: '16x9' is no W:H", id="ratio"
    ),
    pytest.param('resolution = "8K"', "`resolution`: '8K' is none", id="resolution"),
    pytest.param(
        'base_url = "ftp://x"', "`base_url`: 'ftp://x' is not an https://", id="ftp"
    ),
    pytest.param(
        'base_url = "https://x.example?a=1"', "`base_url`: 'https://x", id="query"
    ),
    pytest.param(
        'unsupported = "dorp"',
        "`unsupported`: 'dorp' is none of refuse, drop",
        id="unsupported",
    ),
    pytest.param(
        "references = true",
        "`references` must be a table: write [references]",
        id="references-no-table",
    ),
    pytest.param(
        "[references]\nshrnk = true",
        "[references]: unknown key `shrnk`: did you mean `shrink`?",
        id="references-key",
    ),
    pytest.param(
        "[references]\nshrink = 'yes'",
        "[references], `shrink`: 'yes' is neither true nor false",
        id="shrink",
    ),
    pytest.param(
        "[references]\nfolder = 'gone'",
        "[references], `folder`: no such folder: jobs/gone",
        id="no-such-folder",
    ),
    pytest.param(
        "[references]\nfolder = 'm.csv'",
        "[references], `folder`: no such folder: jobs/m.csv",
        id="folder-is-a-file",
    ),
    pytest.param(
        'endpoint = "https://x.example/v1"',
        "`endpoint`: 'https://x.example/v1' is neither a path that begins with /",
        id="endpoint-address",
    ),
    pytest.param(
        'endpoint = "@x.example/v1"', "`endpoint`: '@x.example", id="endpoint-host"
    ),
    pytest.param('endpoint = "/v1?a=b"', "`endpoint`: '/v1?a=b' is", id="endpoint"),
    pytest.param(
        '[endpoint]\nfoxap = "edit"',
        "[endpoint]: unknown provider `foxap`: did you mean `foxapi`?",
        id="endpoint-of-nobody",
    ),
    pytest.param(
        "[providers.foxapi]\nimages_per_request = 0",
        "[providers.foxapi], `images_per_request`: 0 is not from 1 to 1,000",
        id="images-per-request",
    ),
    pytest.param(
        "[providers.foxapi]\nmax_references = -1",
        "`max_references`: -1 is not from 0 to 1,000",
        id="max-references",
    ),
    pytest.param(
        "[providers.foxapi]\nmax_reference_bytes = 10",
        "`max_reference_bytes`: 10 is not from 1,000 to 1,000,000,000",
        id="max-reference-bytes",
    ),
    pytest.param(
        '[providers.foxapi]\nreferences = "link"',
        "`references`: 'link' is none of inline, upload",
        id="references-way",
    ),
    pytest.param(
        "[providers.foxapi]\nusd_per_credit = -1",
        "`usd_per_credit`: -1 is not from 0",
        id="credit",
    ),
    pytest.param(
        "[providers.foxapi]\nusd_per_credit = 1e-19",
        "`usd_per_credit`: 1E-19 is not from 0",
        id="credit-too-fine",
    ),
    pytest.param(
        "[providers.foxapi]\nusd_per_credit = 1\nrates = { credit = 1 }",
        "`usd_per_credit`: `rates` has a `credit`, too: say one of them",
        id="credit-twice",
    ),
    pytest.param(
        "[providers.foxapi]\nrates = { image_token = 'x' }",
        "[providers.foxapi], `rates`: `image_token`: 'x' is not a number",
        id="rate-text",
    ),
    pytest.param("[providers.foxapi]\nrates = 5", "`rates`: 5 is no table", id="rates"),
    pytest.param(
        "[providers.foxapi]\nusd_per_credits = 1",
        "unknown key `usd_per_credits`: did you mean `usd_per_credit`?",
        id="term-mistyped",
    ),
]
"""Lines of a job file, with words of the message that refuses them."""


@pytest.mark.parametrize(("toml", "message"), WRONG)
def test_a_job_file_that_says_what_cannot_be_is_refused_with_its_key(
    toml: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        load(HEAD + toml)

    assert str(caught.value).startswith("jobs/j.toml")
    assert message in str(caught.value)
    assert type(caught.value) is SpecError


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        pytest.param(
            "provider = 'aimlapi'",
            "jobs/j.toml: `manifest` is missing",
            id="no-manifest",
        ),
        pytest.param(
            "manifest = 'm.csv'",
            "jobs/j.toml: `provider` is missing: choose from aimlapi, foxapi",
            id="no-provider",
        ),
        pytest.param(
            "manifest = 'm.csv'\nprovider = []",
            "jobs/j.toml, `provider`: the list is empty",
            id="empty-list",
        ),
        pytest.param(
            "manifest = 'm.csv'\nprovider = 'fox'",
            "jobs/j.toml, `provider`: unknown provider `fox`: did you mean `foxapi`?",
            id="unknown-provider",
        ),
        pytest.param(
            "manifest = 'm.csv'\nprovider = ['aimlapi', 'foxapi']\n"
            "base_url = 'https://x.example'",
            "jobs/j.toml, `base_url`: say which of aimlapi, foxapi it belongs to",
            id="whose-address",
        ),
        pytest.param(
            "manifest = 'm.csv'\nprovider = ['aimlapi', 'foxapi']\nendpoint = 'edit'",
            "jobs/j.toml, `endpoint`: say which of aimlapi, foxapi it belongs to",
            id="whose-endpoint",
        ),
        pytest.param(
            "manifest = 'n.csv'\nprovider = 'aimlapi'",
            "jobs/j.toml, `manifest`: no such file: jobs/n.csv: did you mean "
            "jobs/m.csv?",
            id="manifest-not-there",
        ),
        pytest.param(
            "manifest = 'm.csv'\nn = = 1",
            "jobs/j.toml, line 2, column 5: no valid TOML: Invalid value",
            id="syntax",
        ),
        pytest.param(
            "manifest = 'm.csv'\nn = [1,",
            "jobs/j.toml, end of document: no valid TOML",
            id="cut-off",
        ),
        pytest.param(
            "n = 1\nn = 2\n", "jobs/j.toml, line 2, column 6: no valid TOML", id="twice"
        ),
    ],
)
def test_a_job_file_that_cannot_run_is_refused_with_its_place(
    toml: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        load(toml)

    assert str(caught.value).startswith(message)


def test_a_job_file_that_is_not_utf8_is_refused_with_its_line(folder: Path) -> None:
    (folder / "j.toml").write_bytes(b"n = 1\nprompt = 'caf\xe9'\n")

    with pytest.raises(SpecError, match=r"^jobs/j\.toml, line 2: not UTF-8"):
        load_job_with_options(Path("jobs/j.toml"), {}, KNOWN)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"rpm": 0.0}, "--rpm: 0.0 is not from"),
        ({"rpm": float("nan")}, "--rpm: nan is not a number"),
        ({"n": 0}, "--n: 0 is not from 1 to 1,000"),
        ({"max_cost": "-1"}, "--max-cost: '-1' is not from 0"),
        ({"max_cost": "nan"}, "--max-cost: 'nan' is not an amount"),
        ({"price": "x"}, "--price: 'x' is not an amount"),
        ({"on_unknown": "x"}, "--on-unknown: 'x' is none of retry, hold"),
        ({"aspect_ratio": "wide"}, "--aspect-ratio: 'wide' is no W:H"),
        ({"prompt": ""}, "--prompt: it is empty: write a template"),
        ({"provider": "fox"}, "--provider: unknown provider `fox`: did you mean"),
        (
            {"provider": ","},
            "--provider: ',' has a comma without a name beside it: choose from",
        ),
        ({"base_url": ("x",)}, "--base-url: 'x' is not an https:// address"),
        ({"base_url": ("fox=https://x",)}, "--base-url: unknown provider `fox`"),
        (
            {"provider": "aimlapi,foxapi", "base_url": ("https://x.example",)},
            "--base-url: say which of aimlapi, foxapi it belongs to",
        ),
        ({"provider": None}, "--provider is missing: choose from aimlapi, foxapi"),
    ],
)
def test_an_option_that_cannot_be_is_wrong_usage(
    flags: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_manifest(**{"provider": "aimlapi", **flags})

    assert str(caught.value).startswith(message)
    assert type(caught.value) is UsageError


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="user or password") as caught:
        load_manifest(provider="foxapi", base_url=("https://me:s3cret@x.example",))

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(
            "jobs/j.tml",
            "no such file: jobs/j.tml: did you mean jobs/j.toml?",
            id="mistyped",
        ),
        pytest.param("nowhere/j.toml", "no such file: nowhere/j.toml", id="no-folder"),
        pytest.param("jobs", "jobs is a folder: name a job file", id="folder"),
        pytest.param(
            "jobs/m.docx",
            "jobs/m.docx: neither a job file (.toml) nor a manifest: CSV, TSV",
            id="suffix",
        ),
    ],
)
def test_a_source_that_is_none_is_refused_by_name(
    folder: Path, source: str, message: str
) -> None:
    (folder / "j.toml").touch()
    (folder / "m.docx").touch()

    with pytest.raises(SpecError) as caught:
        load_job_with_options(Path(source), {"provider": "aimlapi"}, KNOWN)

    assert str(caught.value).startswith(message)


@pytest.mark.usefixtures("folder")
def test_prices_may_say_what_they_hold_for() -> None:
    job = load(
        HEAD
        + """
        price = 0.2
        [[prices.aimlapi]]
        service_tier = "priority"
        resolution = "2k"
        expected = 0.09
        [[prices.aimlapi]]
        model = "nano-9"
        expected = 0.05
        ceiling = 0.06
        per_reference = 0.001
        """
    )

    first, second, rest = job.terms_of("aimlapi").prices
    assert (first.resolution, first.tiers) == ("2K", frozenset({"priority"}))
    assert (first.expected, first.ceiling) == (Decimal("0.09"), Decimal("0.09"))
    assert (second.models, second.ceiling) == (frozenset({"nano-9"}), Decimal("0.06"))
    assert second.per_reference == Decimal("0.001")
    assert rest == Price.agreed(Decimal("0.2"), "jobs/j.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("expected = -1", "number 1: -1 is not from 0", id="amount"),
        pytest.param("model = 'a'", "the table has no `expected`", id="no-amount"),
        pytest.param("expected = 1\nmodle = 'a'", "unknown key `modle`", id="key"),
        pytest.param("expected = 1\nresolution = '3K'", "'3K' is none of", id="size"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_price_rule_that_cannot_be_is_named(text: str, words: str) -> None:
    with pytest.raises(SpecError, match=re.escape(words)):
        load(f"{HEAD}[[prices.aimlapi]]\n{text}\n")


@pytest.mark.usefixtures("folder")
def test_columns_are_named_one_by_one_on_the_command_line() -> None:
    toml = HEAD + '[columns]\nid = "SKU"\nprompt = "Text"\n'

    job = load(
        toml,
        columns=("prompt=Description", "filename = a=b"),
        reference_columns="IMAGE1,IMAGE2",
        filename="{{ SKU }}",
    )

    assert job.columns == {
        "id": "SKU",
        "prompt": "Description",
        "filename": "a=b",
        "references": "IMAGE1,IMAGE2",
    }
    assert job.filename == "{{ SKU }}"


@pytest.mark.usefixtures("folder")
def test_several_columns_of_references_are_a_list_or_a_text() -> None:
    as_list = load(HEAD + '[columns]\nreferences = ["A", "B"]\n')
    as_text = load(HEAD + '[columns]\nreferences = "A,B"\n')

    assert as_list.columns == as_text.columns == {"references": "A,B"}


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (("Description",), "--columns: 'Description' is no pair: write batchgen's"),
        (("SKU=id",), "--columns: batchgen's name stands first: write id=SKU"),
        (("promt=x",), "--columns: unknown key `promt`: did you mean `prompt`?"),
        (("prompt=a", "prompt=b"), "--columns: `prompt` is said twice, as `a`"),
        (("image=a",), "--columns: unknown key `image`: did you mean `references`?"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_pair_that_cannot_be_is_refused_with_the_right_one(
    pairs: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_manifest(provider="aimlapi", columns=pairs)

    assert str(caught.value).startswith(message)
