"""Which provider makes a row, for how much, or why nobody can."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from batchgen.manifest.row import Problem, Row
from batchgen.model import ImageRequest, Job, Price, ReferenceTerms, Terms, to_nano
from batchgen.planning.plan_entries import plan_entry
from batchgen.planning.routing import Router
from batchgen.providers import PROVIDERS
from tests.prices import at

ROW = Row(
    position=4,
    line=6,
    id=None,
    request=ImageRequest(prompt="a cup"),
    problem=None,
    filename=None,
    provider=None,
    prompt="a cup",
    fingerprint=bytes.fromhex("0123456789abcdef" * 2),
)
AIML, FOX = PROVIDERS["aimlapi"], PROVIDERS["foxapi"]


def asking(row: Row = ROW, **request: object) -> Row:
    assert row.request is not None
    return replace(row, request=replace(row.request, **request))  # type: ignore[arg-type]


def router_for(folder: Path, *names: str, **settings: Any) -> Router:
    """Return the choice of a job over a manifest in a folder."""
    job = Job(
        source=folder / "rows.csv",
        manifest=folder / "rows.csv",
        out=folder / "out",
        providers=names,
        **settings,
    )
    prices = {name: provider.prices for name, provider in PROVIDERS.items()}
    return Router.of(job, PROVIDERS, prices)


@pytest.fixture
def router(tmp_path: Path) -> Router:
    terms = {"foxapi": Terms(model="fox-2")}
    return router_for(tmp_path, "aimlapi", "foxapi", terms=terms)


def only(router: Router, name: str) -> Router:
    return replace(router, providers=[PROVIDERS[name]])


def test_the_first_provider_that_can_do_a_row_makes_it(router: Router) -> None:
    plain = plan_entry(ROW, router)
    wide = plan_entry(asking(aspect_ratio="21:9"), router)

    assert (plain.provider, plain.model, plain.problem) == (
        "aimlapi",
        AIML.defaults.model,
        None,
    )
    assert (wide.provider, wide.model, wide.problem) == ("foxapi", "fox-2", None)


def test_the_rows_own_provider_and_model_stand_above_the_jobs(router: Router) -> None:
    entry = plan_entry(asking(replace(ROW, provider="foxapi"), model="mine"), router)

    assert (entry.provider, entry.model) == ("foxapi", "mine")


def test_a_provider_that_the_job_does_not_have_is_named_with_the_way_out(
    router: Router,
) -> None:
    entry = plan_entry(replace(ROW, provider="foxapi"), only(router, "aimlapi"))

    assert entry.provider is None
    assert entry.at_column == "provider"
    assert entry.problem == (
        "'foxapi' is not among the chosen providers: choose it, too, with "
        "--provider aimlapi,foxapi, or in the job file under `provider`"
    )


def test_a_row_that_no_chosen_provider_can_do_says_who_could(router: Router) -> None:
    others = {name: provider.capabilities for name, provider in PROVIDERS.items()}
    *names, last = [name for name in others if "21:9" in others[name].aspect_ratios]

    entry = plan_entry(asking(aspect_ratio="21:9"), only(router, "aimlapi"))

    assert {"foxapi", "openai"} <= {*names, last}
    assert (entry.provider, entry.model, entry.estimate) == (None, None, None)
    assert entry.at_column == "aspect_ratio"
    assert entry.problem is not None
    assert entry.problem.startswith("aimlapi has no 21:9 (it has 1:1, ")
    assert entry.problem.endswith(f"); {', '.join(names)} and {last} can do it")


def test_a_row_that_nobody_can_do_names_nobody(router: Router) -> None:
    entry = plan_entry(asking(aspect_ratio="7:3"), router)

    assert entry.problem is not None
    assert "can do it" not in entry.problem


def test_a_row_that_cannot_be_read_keeps_its_own_problem(router: Router) -> None:
    broken = replace(
        ROW,
        request=None,
        fingerprint=None,
        problem=Problem(column="Text", message="the prompt is empty"),
    )

    entry = plan_entry(broken, router)

    assert (entry.at_column, entry.problem) == ("Text", "the prompt is empty")
    assert (entry.provider, entry.request) == (None, None)


@pytest.mark.parametrize(
    ("resolution", "n", "usd"),
    [
        pytest.param(None, 1, "0.0925", id="the-providers-default"),
        pytest.param("2K", 1, "0.134", id="stated"),
        pytest.param("2K", 3, "0.402", id="for-each-image"),
    ],
)
def test_the_estimate_is_the_expected_price_of_all_images(
    router: Router, resolution: str | None, n: int, usd: str
) -> None:
    entry = plan_entry(asking(resolution=resolution, n=n), router)

    assert entry.estimate == int(Decimal(usd).scaleb(9))


def test_a_row_without_a_known_price_has_no_estimate(router: Router) -> None:
    assert plan_entry(asking(aspect_ratio="21:9"), router).estimate is None

    agreed = {"foxapi": (Price.agreed(Decimal("0.01"), "agreed"),)}
    priced = replace(router, prices=agreed)
    assert plan_entry(asking(aspect_ratio="21:9"), priced).estimate == 10_000_000


@pytest.mark.parametrize(
    ("filename", "row_id", "base_name"),
    [
        pytest.param(None, None, "row-4-01234567", id="position-and-fingerprint"),
        pytest.param(None, "cup 7", "cup 7", id="id"),
        pytest.param("mugs/big.jpg", "cup 7", "mugs/big", id="filename-before-id"),
        pytest.param("../../etc/passwd", None, "etc/passwd", id="no-way-out"),
        pytest.param(None, "a/b", "a/b", id="an-id-may-make-folders"),
    ],
)
def test_the_name_in_the_archive_comes_from_filename_id_or_position(
    router: Router, filename: str | None, row_id: str | None, base_name: str
) -> None:
    entry = plan_entry(replace(ROW, filename=filename, id=row_id), router)

    assert entry.base_name == base_name


# -- the model that is sent and the resolution that is bought

NBDEV = "gemini-3.1-flash-image-preview"


@pytest.mark.parametrize(
    ("row_model", "resolution", "model", "size"),
    [
        pytest.param(None, None, NBDEV, "1K", id="neither"),
        pytest.param(None, "4K", f"{NBDEV}-4k", "4K", id="resolution"),
        pytest.param(f"{NBDEV}-2k", None, f"{NBDEV}-2k", "2K", id="model"),
        pytest.param(NBDEV, "512", f"{NBDEV}-512", "512", id="the-row-decides"),
        pytest.param("another", "2K", "another", "2K", id="a-model-of-ones-own"),
    ],
)
def test_a_resolution_that_is_chosen_by_the_models_id_chooses_it(
    tmp_path: Path,
    row_model: str | None,
    resolution: str | None,
    model: str,
    size: str,
) -> None:
    router = router_for(tmp_path, "nanobananaapi")

    entry = plan_entry(asking(model=row_model, resolution=resolution), router)

    assert (entry.model, entry.resolution) == (model, size)
    price = at(PROVIDERS["nanobananaapi"].prices, size)
    # What is listed was read for the provider's own models.
    estimate = None if model == "another" else to_nano(price.expected)
    assert entry.estimate == estimate


def test_limits_of_the_job_stand_above_the_providers(tmp_path: Path) -> None:
    narrow = {"foxapi": Terms(max_references=1)}
    urls = ("https://a.example/1.png", "https://a.example/2.png")

    entry = plan_entry(
        asking(references=urls), router_for(tmp_path, "foxapi", terms=narrow)
    )

    assert entry.at_column == "references"
    assert "foxapi takes at most 1 reference image, not 2" in str(entry.problem)
    assert "aimlapi" in str(entry.problem)


# -- options that a provider lacks


def test_an_option_that_the_provider_lacks_makes_the_row_invalid(
    router: Router,
) -> None:
    entry = plan_entry(asking(options={"temperature": 0.5}), only(router, "aimlapi"))

    assert (entry.provider, entry.at_column) == (None, "temperature")
    assert str(entry.problem).startswith("aimlapi has no temperature")
    assert "apiai" in str(entry.problem).partition(";")[2]


def test_a_job_may_leave_such_options_out_with_a_warning(tmp_path: Path) -> None:
    router = router_for(tmp_path, "aimlapi", unsupported="drop")
    options = {"temperature": 0.5, "top_k": 3, "web_search": True}

    entry = plan_entry(asking(options=options), router)

    assert (entry.provider, entry.problem) == ("aimlapi", None)
    assert entry.warning == "aimlapi has no temperature and no top_k: left out"


def test_a_wrong_value_is_not_left_out(tmp_path: Path) -> None:
    router = router_for(tmp_path, "apiai", unsupported="drop")

    entry = plan_entry(asking(options={"temperature": 1.5}), router)

    assert entry.at_column == "temperature"
    assert "takes 0 to 1, not 1.5" in str(entry.problem)


# -- reference images


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with images that can and cannot be used."""
    Image.effect_noise((400, 400), 90).save(tmp_path / "noise.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "small.gif")
    (tmp_path / "cut.png").write_bytes((tmp_path / "noise.png").read_bytes()[:-20])
    (tmp_path / "text.png").write_text("no image")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("cut.png", "cut off", id="cut"),
        pytest.param("text.png", "text", id="text"),
    ],
)
def test_a_broken_reference_costs_nothing(files: Path, name: str, message: str) -> None:
    entry = plan_entry(asking(references=(name,)), router_for(files, "aimlapi"))

    assert (entry.provider, entry.at_column) == (None, "references")
    assert name in str(entry.problem)
    assert message in str(entry.problem)


def test_a_reference_that_is_too_large_is_told_with_size_and_limit(
    files: Path,
) -> None:
    terms = {"aimlapi": Terms(max_reference_bytes=100_000)}
    row = asking(references=("noise.png",))

    refused = plan_entry(row, router_for(files, "aimlapi", terms=terms))
    shrinking = ReferenceTerms(shrink=True)
    shrunk = plan_entry(
        row, router_for(files, "aimlapi", terms=terms, references=shrinking)
    )

    assert "at most 0.1 MB are taken" in str(refused.problem)
    assert "shrink = true" in str(refused.problem)
    assert (shrunk.provider, shrunk.problem) == ("aimlapi", None)


def test_a_format_that_is_not_taken_is_told(files: Path) -> None:
    entry = plan_entry(asking(references=("small.gif",)), router_for(files, "gemini"))

    assert "image/gif is not taken" in str(entry.problem)
