"""Put a run together, start it from the ledger's money, carry on what is open."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from anyio.abc import TaskGroup

from batchgen.budget import DAY_MICROS, Budget, Group, limits_of, shares_of
from batchgen.engines.config import RunConfig
from batchgen.errors import BatchgenError, SpecError
from batchgen.ledger import AttemptRecord, Reader
from batchgen.limits import Failures
from batchgen.model import (
    Endpoint,
    Job,
    Price,
    Sale,
    State,
    Terms,
    find_price,
    to_nano,
)
from batchgen.providers import key_variable
from batchgen.runner.again import given_up, hold, read_kept, reopen
from batchgen.runner.context import Run, Time
from batchgen.runner.decide import Policy
from batchgen.runner.lane import Lane
from batchgen.runner.lull import Lull
from batchgen.runner.own_address import is_named_address
from batchgen.runner.pacing import found_under, pacing_of
from batchgen.runner.proof import Proof
from batchgen.runner.resume import ask_first, carry_on, flights_of
from batchgen.runner.room import Room
from batchgen.runner.writer import Writer
from batchgen.wire import scrubber_of
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
    room: Room
    end: Callable[[BatchgenError], None]
    max_purchases: Mapping[str, int]


def assemble(job: Job, config: RunConfig, connections: Connections, time: Time) -> Run:
    """Return the run of a job, nothing begun yet.

    Raises:
        SpecError: nobody says where a provider is.
    """
    prices = dict(config.prices)

    @cache
    def price_of(group: Group) -> Price | None:
        return find_price(prices.get(group.provider, ()), group)

    @cache
    def ceiling(group: Group) -> int | None:
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
        lanes={
            name: _chosen_lane(name, job, config, connections, time)
            for name in job.providers
        },
        price=price_of,
        progress=config.progress,
        scrubber=scrubber_of(config.keys.values()),
        time=time,
        rng=random.Random(config.seed),
        offload=config.offload,
        log=config.log,
        tasks=connections.tasks,
        lull=Lull(connections.tasks, time.monotonic),
        failures=Failures(job.max_failures),
        end=connections.end,
    )


def _chosen_lane(
    name: str, job: Job, config: RunConfig, connections: Connections, time: Time
) -> Lane:
    ledger = connections.ledger
    provider, terms = config.providers[name], job.terms_of(name)
    defaults = provider.defaults
    base_url = terms.base_url or defaults.base_url
    if base_url is None:
        raise SpecError(
            f"{name} publishes no address: give one with --base-url, or in the job"
        )
    base_url = base_url.rstrip("/")
    departures, pacing = pacing_of(
        terms,
        defaults,
        ledger.get(found_under(name, base_url)),
        time.monotonic,
        connections.max_purchases.get(name),
    )
    now = time.now()
    since = now - int((departures.window_s + LEFT_LATER_S) * 1e6)
    # The ledger says when each was about to leave; it left after that.
    ages_s = ((now - it) / 1e6 - LEFT_LATER_S for it in ledger.sent_since(name, since))
    departures.seed(max(0.0, age_s) for age_s in ages_s)
    endpoint = Endpoint(base_url, config.keys[name], terms.endpoint)
    return Lane(
        provider,
        endpoint,
        departures,
        pacing,
        Proof(ledger, name, endpoint),
        terms,
    )


@dataclass(frozen=True, slots=True)
class LeftOpen:
    """Tasks of an earlier run that this one cannot ask for.

    Attributes:
        variables: Whose keys would let them be fetched.
        unnamed: Where they are, at addresses that only the run folder names.
    """

    variables: Sequence[str] = ()
    unnamed: Sequence[Place] = ()


async def resume(run: Run, config: RunConfig) -> LeftOpen:
    """Start from the money that the ledger knows, and carry on what is open.

    When it returns, nothing is left to be asked for rows that may be bought again.

    Returns:
        What cannot be asked for.
    """
    open_attempts = run.ledger.open_attempts()
    former = given_up(run)
    lanes, without = _lanes_for(run, config, [*open_attempts, *former])
    run.places = lanes
    flights = flights_of(run, lanes, open_attempts)
    money = run.ledger.money()
    run.progress.spent = money.spent + money.retired
    run.progress.retired = money.retired
    run.progress.at_risk = money.at_risk
    _commit_known(run)
    for it in flights:
        # What is carried on is held; but what was delivered is bought, at whatever.
        if it.attempt.state is not State.DELIVERED:
            hold(run, it)
    for provider, resolution, per_image in run.ledger.dearest():
        run.budget.saw(Sale(provider, resolution), per_image)
    run.progress.phase = "running"
    first = [*await read_kept(run, lanes), *await reopen(run, lanes)]
    carry_on(run, [*await ask_first(run, flights), *first])
    open_ids = {attempt.attempt_id for attempt in open_attempts}
    waiting = [attempt for attempt in without if attempt.attempt_id in open_ids]
    return LeftOpen(
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
            budget.commit(nano, *shares_of(group))
    if budget.limits:
        _commit_unpriced(run)


def _commit_unpriced(run: Run) -> None:
    """Count what was bought when it had no price, at the most that it costs today."""
    for it in run.ledger.run("images_unpriced"):
        ceiling = run.budget.ceiling(
            Sale(it["provider"], it["resolution"], it["model"])
        )
        scopes = (*shares_of(it["budget_group"]), "run", it["day"])
        run.budget.commit((ceiling or 0) * it["images"], *scopes)


def _lanes_for(
    run: Run, config: RunConfig, attempts: Sequence[AttemptRecord]
) -> tuple[dict[Place, Lane], list[AttemptRecord]]:
    """Return where attempts can be asked for: where they were sent, with that key.

    Returns:
        The places, and attempts whose provider's key is not at hand, or may not go
        there.
    """
    lanes = {(it.name, it.endpoint.base_url): it for it in run.lanes.values()}
    without = []
    for attempt in attempts:
        place = (attempt.provider, attempt.base_url)
        if place in lanes:
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
        departures, pacing = pacing_of(
            Terms(), provider.defaults, None, run.time.monotonic
        )
        lanes[place] = Lane(
            provider,
            endpoint,
            departures,
            pacing,
            Proof(run.ledger, provider.name, endpoint),
            run.job.terms_of(provider.name),
        )
    return lanes, without
