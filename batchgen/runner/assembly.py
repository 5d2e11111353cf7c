"""Put a run together, start it from the ledger's money, carry on what is open."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from anyio.abc import TaskGroup

from batchgen.admission.found_limits import limiters_of
from batchgen.admission.next_step import Policy
from batchgen.admission.proof import Proof
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import Run, Time
from batchgen.budget import DAY_MICROS, Budget, Scope, column_values_of, limits_of
from batchgen.errors import BatchgenError, SpecError
from batchgen.ledger import AttemptRecord, Reader
from batchgen.ledger.outstanding import unpriced_images
from batchgen.limits import Failures
from batchgen.model import (
    Endpoint,
    Job,
    Price,
    PriceKey,
    State,
    Terms,
    find_price,
    to_nano,
)
from batchgen.planning.own_address import is_named_address
from batchgen.providers import key_variable
from batchgen.runner.config import RunConfig
from batchgen.runner.resume import ask_first, carry_on, contexts_of
from batchgen.runner.second_chances import given_up, hold, read_kept, reopen
from batchgen.storage.disk_room import DiskRoom
from batchgen.storage.writer import Writer
from batchgen.wire import redactor_for
from batchgen.wire.sender import Wire

LEFT_LATER_S = 10.0
"""Longest time from the ledger's word to the wire that is allowed for [assumed]."""

Place = tuple[str, str]
"""Provider and base URL."""


@dataclass(frozen=True, slots=True)
class Connections:
    """What a run works with: each is opened and closed by the engine.

    Attributes:
        max_purchases: At a time, by provider, for which this process has sockets.
    """

    ledger: Reader
    writer: Writer
    wire: Wire
    tasks: TaskGroup
    room: DiskRoom
    end: Callable[[BatchgenError], None]
    max_purchases: Mapping[str, int]


def assemble(job: Job, config: RunConfig, connections: Connections, time: Time) -> Run:
    """Return the run of a job, nothing begun yet.

    Raises:
        SpecError: nobody says where a provider is.
    """
    prices = dict(config.prices)

    @cache
    def price_of(group: PriceKey) -> Price | None:
        return find_price(prices.get(group.provider, ()), group)

    @cache
    def ceiling(group: PriceKey) -> int | None:
        price = price_of(group)
        return None if price is None else to_nano(price.ceiling)

    return Run(
        job=job,
        folder=connections.ledger.path.parent,
        room=connections.room,
        policy=Policy(
            max_attempts=job.max_attempts,
            on_unknown=job.on_unknown,
            max_unknown=job.max_unknown,
        ),
        ledger=connections.ledger,
        writer=connections.writer,
        wire=connections.wire,
        budget=Budget(
            limits_of(job), ceiling, time.now, pretend=config.progress.rehearsed
        ),
        queues={
            name: _chosen_lane(name, job, config, connections, time)
            for name in job.providers
        },
        price=price_of,
        progress=config.progress,
        redactor=redactor_for(config.keys.values()),
        time=time,
        rng=random.Random(config.seed),
        offload=config.offload,
        log=config.log,
        tasks=connections.tasks,
        failures=Failures(job.max_failures),
        end=connections.end,
    )


def _chosen_lane(
    name: str, job: Job, config: RunConfig, connections: Connections, time: Time
) -> ProviderQueue:
    ledger = connections.ledger
    provider, terms = config.providers[name], job.terms_of(name)
    defaults = provider.defaults
    base_url = terms.base_url or defaults.base_url
    if base_url is None:
        raise SpecError(
            f"{name} publishes no address: give one with --base-url, or in the job"
        )
    base_url = base_url.rstrip("/")
    rate_limiter, limiter = limiters_of(
        terms,
        defaults,
        ledger.meta.found_limits(name, base_url),
        time.monotonic,
        connections.max_purchases.get(name),
    )
    now = time.now()
    since = now - int((rate_limiter.window_s + LEFT_LATER_S) * 1e6)
    # The ledger says when each was about to leave; it left after that.
    ages_s = (
        (now - value) / 1e6 - LEFT_LATER_S for value in ledger.sent_since(name, since)
    )
    rate_limiter.seed(max(0.0, age_s) for age_s in ages_s)
    endpoint = Endpoint(base_url, config.keys[name], terms.endpoint)
    return ProviderQueue(
        provider,
        endpoint,
        rate_limiter,
        limiter,
        Proof(ledger, name, endpoint),
        terms,
    )


@dataclass(frozen=True, slots=True)
class UnreachableTasks:
    """Tasks of an earlier run that this one cannot ask for.

    Attributes:
        missing_keys: Variables to set, so that they can be fetched.
        unnamed_places: Where they are, at addresses that only the run folder names.
    """

    missing_keys: Sequence[str] = ()
    unnamed_places: Sequence[Place] = ()


async def resume(run: Run, config: RunConfig) -> UnreachableTasks:
    """Start from the money that the ledger knows, and carry on what is open.

    When it returns, nothing is left to be asked for rows that may be bought again.

    Returns:
        What cannot be asked for.
    """
    open_attempts = run.ledger.open_attempts()
    former = given_up(run)
    queues, without = _lanes_for(run, config, [*open_attempts, *former])
    run.places = queues
    contexts = contexts_of(run.ledger, queues, open_attempts)
    money = run.ledger.money()
    run.progress.spent = money.spent + money.superseded
    run.progress.superseded = money.superseded
    run.progress.at_risk = money.at_risk
    _commit_known(run)
    for context in contexts:
        # What is carried on is held; but what was delivered is bought, at whatever.
        if context.attempt.state is not State.DELIVERED:
            hold(run, context)
    for provider, resolution, per_image in run.ledger.dearest():
        run.budget.raise_ceiling(PriceKey(provider, resolution), per_image)
    run.progress.phase = "running"
    first = [*await read_kept(run, queues), *await reopen(run, queues)]
    carry_on(run, [*await ask_first(run, contexts), *first])
    open_ids = {attempt.attempt_id for attempt in open_attempts}
    waiting = [attempt for attempt in without if attempt.attempt_id in open_ids]
    return UnreachableTasks(
        sorted(
            {
                key_variable(attempt.provider)
                for attempt in waiting
                if attempt.provider not in config.keys
            }
        ),
        sorted(
            {
                (attempt.provider, attempt.base_url)
                for attempt in waiting
                if attempt.provider in config.keys
            }
        ),
    )


def _commit_known(run: Run) -> None:
    """Count what the ledger knows as spent or at risk."""
    budget, progress = run.budget, run.progress
    budget.commit(progress.spent + progress.at_risk, "run")
    # Yesterday's, too: clocks are set back.
    since = (budget.today - 1) * DAY_MICROS
    if budget.limits.day is not None:
        for day, nano in run.ledger.money_by_day(since):
            budget.commit(nano, day)
    if budget.limits.by:
        for group, nano in run.ledger.money_by_group():
            budget.commit(nano, *column_values_of(group))
    if budget.limits:
        _commit_unpriced(run)


def _commit_unpriced(run: Run) -> None:
    """Count what was bought when it had no price, at the most that it costs today."""
    for bought in unpriced_images(run.ledger):
        price_key = PriceKey(bought.provider, bought.resolution, bought.model)
        scopes: Sequence[Scope] = (
            *column_values_of(bought.budget_group),
            "run",
            bought.day,
        )
        run.budget.commit((run.budget.ceiling(price_key) or 0) * bought.images, *scopes)


def _lanes_for(
    run: Run, config: RunConfig, attempts: Sequence[AttemptRecord]
) -> tuple[dict[Place, ProviderQueue], list[AttemptRecord]]:
    """Return where attempts can be asked for: where they were sent, with that key.

    Returns:
        The places, and attempts whose provider's key is not at hand, or may not go
        there.
    """
    queues = {
        (queue.name, queue.endpoint.base_url): queue for queue in run.queues.values()
    }
    without = []
    for attempt in attempts:
        place = (attempt.provider, attempt.base_url)
        if place in queues:
            continue
        provider = config.providers.get(attempt.provider)
        key = config.keys.get(attempt.provider)
        if provider is None or key is None:
            without.append(attempt)
            continue
        # What a rehearsal sends is no secret.
        if config.paid_hosts and not is_named_address(
            attempt.base_url, run.job, provider.name, provider.defaults
        ):
            without.append(attempt)
            continue
        endpoint = Endpoint(attempt.base_url, key)
        rate_limiter, limiter = limiters_of(
            Terms(), provider.defaults, None, run.time.monotonic
        )
        queues[place] = ProviderQueue(
            provider,
            endpoint,
            rate_limiter,
            limiter,
            Proof(run.ledger, provider.name, endpoint),
            run.job.terms_of(provider.name),
        )
    return queues, without
