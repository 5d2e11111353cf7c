"""batchgen against a LiteLLM proxy that stands in front of our sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

from batchgen.providers import PROVIDERS
from batchgen.sandbox import SandboxProcess, start_sandbox
from tests.interop.environment import Environment
from tests.interop.findings import Finding, expect, run_check
from tests.interop.purchases import (
    STOPPED,
    Bought,
    Row,
    billed_usd,
    buy,
    expect_law_of_money,
)
from tests.interop.servers import MASTER_KEY, PROXY_TIMEOUT_S, start_proxy

_SLOW_S = 2.0 * PROXY_TIMEOUT_S
# In purchases: fewer than what the rows of the check may lose in all.
_BUDGET = 4
_PLAIN = ({"prompt": "a lamp"}, {"prompt": "a chair"}, {"prompt": "a table"})
_MIXED: tuple[Row, ...] = (
    {"prompt": "a lamp"},
    {"prompt": "two chairs", "n": 2},
    {"prompt": "a shelf", "references": "reference-1.png"},
    {"prompt": "a bed", "references": "reference-1.png|reference-2.png"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A proxy, and the sandboxes behind it."""

    url: str
    folder: Path
    fast: SandboxProcess
    slow: SandboxProcess

    def buy_openai(
        self, name: str, rows: tuple[Row, ...], *options: str, key: str = MASTER_KEY
    ) -> tuple[Bought, Decimal]:
        """Buy through the proxy's images API; return what the upstream billed, too."""
        before = billed_usd(self.fast, "openai")
        terms: tuple[str, ...] = ("--provider", "openai", "--base-url", self.url)
        # A list price is one of the model's own name; others are the proxy's.
        is_listed = PROVIDERS["openai"].prices and "gpt-image-2" in options
        if not is_listed and "--price" not in options:
            terms += ("--price", str(_fare(self.fast, "openai")["expected_usd"]))
        budget = () if "--max-cost" in options else ("--max-cost", "5")
        keys = {"OPENAI_API_KEY": key}
        words = (*terms, *budget, *options)
        bought = buy(self.folder / name, rows, words, keys)
        return bought, billed_usd(self.fast, "openai") - before

    def buy_gemini(self, name: str, base: str, model: str) -> tuple[Bought, Decimal]:
        """Buy through the proxy in Google's protocol."""
        before = billed_usd(self.fast, "gemini")
        terms = ("--provider", "gemini", "--base-url", f"{self.url}{base}")
        options = (*terms, "--model", model, "--max-cost", "5")
        rows = tuple(row for row in _MIXED if "n" not in row)
        keys = {"GEMINI_API_KEY": MASTER_KEY}
        bought = buy(self.folder / name, rows, options, keys)
        return bought, billed_usd(self.fast, "gemini") - before


def check_gateways(environment: Environment, folder: Path) -> Iterator[Finding]:
    """Buy through the proxy, with success and with every error that it is known for."""
    with (
        start_sandbox(folder / "fast", latency=0) as fast,
        start_sandbox(folder / "slow", latency=_SLOW_S) as slow,
        start_proxy(environment, folder / "proxy", fast, slow) as url,
    ):
        gateway = Gateway(url=url, folder=folder, fast=fast, slow=slow)
        for name, check in _CHECKS.items():
            yield run_check(f"LiteLLM proxy: {name}", partial(check, gateway))


def _fare(upstream: SandboxProcess, provider: str) -> Mapping[str, str]:
    fare: Mapping[str, str] = upstream.tariff()[provider]["1K"]
    return fare


def _rows_succeed(gateway: Gateway) -> None:
    bought, billed = gateway.buy_openai("mixed", _MIXED, "--model", "gpt-image-2")
    bought.expect_end(0, succeeded=4)
    bought.expect_images()
    expect_law_of_money(bought, billed)
    expect(bought.at_risk_usd == 0, f"${bought.at_risk_usd} at risk")


def _refusals_end_their_rows(gateway: Gateway) -> None:
    rows = ({"prompt": "REFUSE-ME"}, *_PLAIN)
    bought, billed = gateway.buy_openai("refused", rows, "--model", "gpt-image-2")
    bought.expect_end(3, refused=1, succeeded=3)
    expect_law_of_money(bought, billed)


def _timeouts_are_unknown(gateway: Gateway) -> None:
    """Every purchase times out at the proxy, and is made and charged behind it.

    The run may wait until the proxy answers again, since it says what it waits for.
    """
    price = str(_fare(gateway.slow, "gemini")["ceiling_usd"])
    budget_usd = _BUDGET * Decimal(price)
    bought, _ = gateway.buy_openai(
        *("timeouts", _PLAIN, "--model", "impatient"),
        *("--price", price, "--max-cost", str(budget_usd)),
    )
    billed = billed_usd(gateway.slow, "gemini")
    expect(billed > 0, "the upstream made nothing, so nothing was tried")
    expect_law_of_money(bought, billed)
    expect(billed <= budget_usd, f"${billed} billed under a budget of ${budget_usd}")
    expect(bought.at_risk_usd > 0, "nothing is said to be at risk")
    expect("succeeded" not in bought.statuses, f"statuses {bought.statuses}")
    expect(bought.code in (3, 4, STOPPED), f"exit code {bought.code}")


def _stops(gateway: Gateway, folder: str, model: str, code: int, key: str) -> None:
    """Expect a stop with all rows pending, nothing billed, nothing at risk."""
    bought, billed = gateway.buy_openai(folder, _PLAIN, "--model", model, key=key)
    bought.expect_end(code, pending=len(_PLAIN))
    expect(not billed and not bought.at_risk_usd, "money went, or is at risk")


def _drafts_are_no_results(gateway: Gateway) -> None:
    """The proxy hands on a thinking model's drafts as images before the result."""
    rows = tuple({"prompt": f"a lamp, draft {number}"} for number in range(8))
    bought, _ = gateway.buy_openai("drafts", rows, "--model", "thinking")
    bought.expect_end(0, succeeded=len(rows))
    bought.expect_images()
    sizes = [[file["width_px"] for file in row["files"]] for row in bought.rows]
    expect(all(max(widths) == 1024 for widths in sizes), f"widths {sizes}")


def _gemini_passes_through(gateway: Gateway) -> None:
    model = PROVIDERS["gemini"].defaults.model
    bought, billed = gateway.buy_gemini("gemini", "/gemini/v1beta", model)
    bought.expect_end(0, succeeded=3)
    bought.expect_images()
    expect_law_of_money(bought, billed)


_CHECKS: Mapping[str, Callable[[Gateway], None]] = {
    "rows with and without references succeed, several images, too": _rows_succeed,
    "a refused prompt ends its row, the others succeed": _refusals_end_their_rows,
    "its timeouts are unknown outcomes within the budget": _timeouts_are_unknown,
    "a wrong key of its own (No connected db) stops with 5": partial(
        _stops, folder="key", model="gpt-image-2", code=5, key="sk-another-0123456789"
    ),
    "an upstream that refuses its key stops with 5": partial(
        _stops, folder="upkey", model="upstream-refuses-key", code=5, key=MASTER_KEY
    ),
    "an upstream without credit stops with 5": partial(
        _stops, folder="broke", model="upstream-without-credit", code=5, key=MASTER_KEY
    ),
    "a model that it does not have stops with 1": partial(
        _stops, folder="model", model="no-such-model", code=1, key=MASTER_KEY
    ),
    "Google's protocol passes through it": _gemini_passes_through,
    "a draft of a thinking model is not taken for its result": _drafts_are_no_results,
}
