"""The keywords of a run: what each may be, checked before anything begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, TypedDict

from batchgen.api.run_reports import RunProgress
from batchgen.errors import UsageError
from batchgen.job.layers import error_context
from batchgen.job.names import check_names
from batchgen.job.values import BOOL, read_number, value_type_of
from batchgen.ledger.estimate import Estimate
from batchgen.providers import PROVIDERS
from batchgen.runner.config import RunOptions
from batchgen.runner.credentials import looks_like_a_key
from batchgen.runner.handle import RunHandle


class RunKeywords(TypedDict, total=False):
    """How a job is run, beyond what the job says.

    Attributes:
        rehearse: Run it against the built-in sandbox: free, and without a key.
        faults: What goes wrong in a rehearsal.
        seed: Which of its requests go wrong.
        latency: Seconds that an image takes there; `real` as long as the provider.
        yes: Consent to spend without a budget.
        rebuy: Buy rows again that were changed after they were bought.
        keep: Let rows that were changed keep the image that they have.
        confirm: Called with the `Estimate` where consent is missing; nothing is bought
            unless it returns True.
        keys: By provider; they stand above those of the environment.
        on_progress: Called once a second, and at the end, in the run's own thread.
        on_notice: Called with each sentence that the user should read now.
        handle: Stops the run, from any thread.
    """

    rehearse: bool
    faults: Literal["calm", "storm", "outage"] | None
    seed: int | None
    latency: float | Literal["real"] | None
    yes: bool
    rebuy: bool
    keep: bool
    confirm: Callable[[Estimate], object] | None
    keys: Mapping[str, str] | None
    on_progress: Callable[[RunProgress], object] | None
    on_notice: Callable[[str], object] | None
    handle: RunHandle | None


def options_of(keywords: RunKeywords) -> RunOptions:
    """Return the options that keywords state.

    A misspelt `rehearse` must not spend money, nor `yes="no"` be consent.

    Raises:
        UsageError: a keyword is unknown, its value cannot be, or two contradict each
            other.
    """
    with error_context(UsageError, "keywords of the run"):
        check_names(keywords, RunKeywords.__annotations__, "keyword")
    for name, value in keywords.items():
        with error_context(UsageError, f"`{name}`"):
            _check(name, value)
    names = RunOptions.__dataclass_fields__
    values = {name: value for name, value in keywords.items() if name in names}
    options = RunOptions(**values)  # type: ignore[arg-type]  # checked above
    options.check(lambda name: f"`{name}`")
    return options


def _check(name: str, value: object) -> None:
    """Refuse a value that cannot be; that of a key is in no message."""
    if value is None and name not in _TRUTHS:
        return
    match name, value:
        case ("seed", int()) if not isinstance(value, bool):
            pass
        case ("latency", "real") | ("handle", RunHandle()):
            pass
        case ("latency", _) if read_number(value) >= 0:
            pass
        case ("on_progress" | "on_notice" | "confirm", _) if callable(value):
            pass
        case ("keys", Mapping()):
            _check_keys(value)
        case ("faults", _):
            _FAULTS.read(value)
        case _ if name in _TRUTHS:
            BOOL.read(value)
        case _:
            raise ValueError(_EXPECTED[name])


_TRUTHS = frozenset({"rehearse", "yes", "rebuy", "keep"})
_FAULTS = value_type_of(Literal["calm", "storm", "outage"])
_EXPECTED = MappingProxyType(
    {
        "seed": "write a whole number",
        "latency": 'write seconds, or "real"',
        "keys": 'write the keys by provider: {"gemini": "your-key"}',
        "on_progress": "give a function that takes a RunProgress",
        "confirm": "give a function that takes an Estimate, and returns True for a yes",
        "on_notice": "give a function that takes a text",
        "handle": "give a RunHandle",
    }
)


def _check_keys(keys: Mapping[object, object]) -> None:
    for name, key in keys.items():
        if name not in PROVIDERS and looks_like_a_key(str(name)):
            raise ValueError('the provider comes first: {"gemini": "your-key"}')
        check_names([name], PROVIDERS, "provider")
        match key:
            case str() if key.strip():
                pass
            case _:
                raise ValueError(f"the key of `{name}` is empty, or no text")
