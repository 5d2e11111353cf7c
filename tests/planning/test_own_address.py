"""What a provider documents holds at its own address, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import Any

import pytest

from batchgen.admission.proof import Proof
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.ledger import Ledger
from batchgen.limits import AimdLimit, ConcurrencyLimiter, RateLimiter
from batchgen.model import Job, Terms
from batchgen.planning.own_address import is_named_address, is_own_address
from batchgen.providers.aimlapi import AimlApi
from batchgen.providers.base import Defaults, Endpoint
from batchgen.providers.foxapi import FoxApi
from batchgen.providers.gccai import Gccai
from batchgen.providers.gemini import Gemini

RELAY = "https://relay.example/v1beta"
CREDIT = {"credit": Decimal("0.0000005")}
MODEL = Gemini.defaults.model


Queues = Callable[..., ProviderQueue]


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queues]:
    """Return what makes a queue of a provider at an address."""
    with closing(Ledger(tmp_path / "run.db")) as ledger:

        def make(provider: Any, base_url: str, **terms: Any) -> ProviderQueue:
            rate_limiter = RateLimiter(None, lambda: 0.0)
            limiter = ConcurrencyLimiter(rate_limiter, 1, AimdLimit(inf), lambda: 0.0)
            place = Endpoint(base_url, "key")
            proof = Proof(ledger, provider.name, place)
            return ProviderQueue(
                provider, place, rate_limiter, limiter, proof, Terms(**terms)
            )

        yield make


@pytest.mark.parametrize(
    ("base_url", "defaults", "is_own"),
    [
        pytest.param(None, Gemini.defaults, True, id="not-stated"),
        pytest.param(Gemini.defaults.base_url, Gemini.defaults, True, id="stated"),
        pytest.param(
            "https://generativelanguage.googleapis.com/v1",
            Gemini.defaults,
            True,
            id="another-path",
        ),
        pytest.param("http://127.0.0.1:8000", Gemini.defaults, True, id="loopback"),
        pytest.param("http://localhost:8000", Gemini.defaults, True, id="localhost"),
        pytest.param(RELAY, Gemini.defaults, False, id="relay"),
        pytest.param(
            "https://generativelanguage.googleapis.com.relay.example",
            Gemini.defaults,
            False,
            id="alike",
        ),
        pytest.param(
            "https://generativelanguage.googleapis.com:8443",
            Gemini.defaults,
            False,
            id="another-port",
        ),
        pytest.param(RELAY, Gccai.defaults, True, id="provider-without-an-address"),
    ],
)
def test_whose_address_it_is(
    base_url: str | None, defaults: Defaults, *, is_own: bool
) -> None:
    assert is_own_address(base_url, defaults) is is_own


def test_counted_units_are_money_at_the_providers_own_address_alone(
    queue: Queues,
) -> None:
    own = AimlApi.defaults.base_url or ""

    assert queue(AimlApi(), own).rates_of("m") == CREDIT
    assert queue(AimlApi(), "http://127.0.0.1:1").rates_of("m") == CREDIT
    assert queue(AimlApi(), RELAY).rates_of("m") == {}


def test_rates_that_the_user_gives_hold_everywhere_and_stand_above(
    queue: Queues,
) -> None:
    job_rates = {"credit": Decimal("0.01")}

    for url in (AimlApi.defaults.base_url or "", RELAY):
        assert queue(AimlApi(), url, rates=job_rates).rates_of("m") == job_rates


def test_a_rate_for_what_is_sent_is_that_of_images_too_unless_one_is_given(
    queue: Queues,
) -> None:
    job_rates = {"input_token": Decimal(1), "output_token": Decimal(2)}

    rates = queue(Gemini(), RELAY, rates=job_rates).rates_of(MODEL)

    assert rates["image_input_token"] == Decimal(1)


class Refunding(FoxApi):
    """A provider that documents that failed tasks are not charged."""

    defaults = Defaults(
        base_url="https://api.fox.example",
        model="m",
        rpm=None,
        concurrency=1,
        reply_timeout_s=1.0,
        source="made up",
        failed_tasks="free",
        failed_tasks_source="fox.example, billing, read 2026-11-30",
    )


@pytest.mark.parametrize(
    ("provider", "base_url", "setting", "failed_tasks"),
    [
        pytest.param(FoxApi(), "https://api.foxapi.cc", None, "unknown", id="nobody"),
        pytest.param(
            Refunding(), "https://api.fox.example", None, "free", id="provider"
        ),
        pytest.param(
            Refunding(), "https://api.fox.example", "unknown", "unknown", id="the-job"
        ),
        pytest.param(Refunding(), RELAY, None, "unknown", id="relay"),
        pytest.param(FoxApi(), RELAY, "free", "free", id="the-job-at-a-relay"),
    ],
)
def test_what_failed_tasks_cost_is_the_jobs_word_or_else_the_providers(
    queue: Queues, provider: Any, base_url: str, setting: Any, failed_tasks: str
) -> None:
    assert queue(provider, base_url, failed_tasks=setting).failed_tasks == failed_tasks


@pytest.mark.parametrize(
    ("base_url", "job_says", "is_named"),
    [
        (FoxApi.defaults.base_url, None, True),
        ("https://relay.example/v1", "https://relay.example/v2", True),
        ("https://relay.example:8443/v1", "https://relay.example/v1", False),
        ("http://relay.example/v1", "https://relay.example/v1", False),
        ("https://evil.example/v1", "https://relay.example/v1", False),
        ("https://evil.example/v1", None, False),
        ("https://evil.example@relay.example:x/", None, False),
        ("http://127.0.0.1:8001/fox", "http://localhost:8000/fox", True),
        ("http://127.0.0.1:8001/fox", None, False),
        ("HTTPS://RELAY.example:443/v1", "https://relay.example", True),
        ("https://relay.example./v1", "https://relay.example/v1", False),
        ("https://user:pw@relay.example/v1", "https://relay.example/v1", False),
        ("https://relay.example/v1?to=evil", "https://relay.example/v1", False),
        ("https://relay.example@evil.example/", "https://relay.example", False),
        ("https://relay.example#@evil.example/", "https://relay.example", False),
        ("https://relay.example\\@evil.example/", "https://relay.example", False),
        ("https://r\u0435lay.example/v1", "https://relay.example/v1", False),
        ("http://localhost.evil.example/", "http://localhost:8000", False),
        ("http://127.0.0.1.evil.example/", "http://localhost:8000", False),
        ("", "https://relay.example/v1", False),
    ],
    ids=str,
)
def test_a_key_goes_to_hosts_that_somebody_else_than_the_folder_names(
    base_url: str, job_says: str | None, *, is_named: bool, tmp_path: Path
) -> None:
    job = Job(
        source=tmp_path / "m.csv",
        manifest=tmp_path / "m.csv",
        out=tmp_path / "out",
        providers=("foxapi",),
        terms={"foxapi": Terms(base_url=job_says)},
    )

    assert is_named_address(base_url, job, "foxapi", FoxApi.defaults) is is_named


def test_a_key_goes_to_no_port_of_this_machine_for_another_providers_sake(
    tmp_path: Path,
) -> None:
    local = "http://127.0.0.1:8000"
    job = Job(
        source=tmp_path / "m.csv",
        manifest=tmp_path / "m.csv",
        out=tmp_path / "out",
        providers=("foxapi",),
        terms={"foxapi": Terms(base_url=local)},
    )

    assert is_named_address(local, job, "foxapi", FoxApi.defaults)
    assert not is_named_address(local, job, "gemini", Gemini.defaults)
