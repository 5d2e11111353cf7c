"""Ask providers for the balance of their accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from batchgen.errors import AttemptError, SpecError
from batchgen.model import Balance, Job, PriceKey, rates_for, to_nano
from batchgen.planning.own_address import is_own_address
from batchgen.providers import key_variable
from batchgen.providers.base import BalanceProvider, Endpoint, Provider
from batchgen.wire import redactor_for
from batchgen.wire.sender import Wire

TIMEOUT_S = 30.0

NO_ENDPOINT = "no documented balance endpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The balance of an account at a provider, or why it is unknown.

    Attributes:
        was_asked: Whether anything was sent to the provider.
        balance: None if it is unknown.
        nano: The balance in nano-dollars; None if it is unlimited, or its unit has no
            known rate.
    """

    provider: str
    was_asked: bool
    balance: Balance | None = None
    nano: int | None = None
    problem: str | None = None


async def ask_balances(
    job: Job,
    providers: Sequence[Provider],
    base_urls: Mapping[str, str],
    keys: Mapping[str, str],
) -> list[Account]:
    """Ask each provider that has a balance endpoint and a key.

    Args:
        job: The job.
        providers: The providers to ask.
        base_urls: By provider.
        keys: By provider, as far as they are set.
    """
    async with Wire(paid_hosts=True) as wire:
        return [
            await _ask(wire, job, provider, base_urls[provider.name], keys)
            for provider in providers
        ]


async def _ask(
    wire: Wire,
    job: Job,
    provider: Provider,
    base_url: str,
    keys: Mapping[str, str],
) -> Account:
    name = provider.name
    if not isinstance(provider, BalanceProvider):
        return Account(provider=name, was_asked=False, problem=NO_ENDPOINT)
    if name not in keys:
        problem = f"{key_variable(name)} is not set"
        return Account(provider=name, was_asked=False, problem=problem)
    call = provider.encode_balance(Endpoint(base_url.rstrip("/"), keys[name]))
    try:
        reply = await wire.send(name, call, reply_timeout_s=TIMEOUT_S)
        balance = provider.decode_balance(reply)
    except (AttemptError, SpecError) as error:
        problem = (
            redactor_for(keys.values()).redact(str(error)).removeprefix(f"{name}: ")
        )
        return Account(provider=name, was_asked=True, problem=problem)
    return Account(
        provider=name,
        was_asked=True,
        balance=balance,
        nano=_in_nano(balance, provider, job),
    )


def _in_nano(balance: Balance, provider: Provider, job: Job) -> int | None:
    if balance.amount is None:
        return None
    if balance.unit == "usd":
        return to_nano(balance.amount)
    terms, rates = job.terms_of(provider.name), {}
    if is_own_address(terms.base_url, provider.defaults):
        rates = dict(rates_for(provider.rates, PriceKey(provider.name, None)))
    rate: Decimal | None = (rates | dict(terms.rates)).get(balance.unit)
    return None if rate is None else to_nano(balance.amount * rate)
