"""Assemble a run, start it with the money in the ledger, and resume open attempts."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from anyio.abc import TaskGroup

from batchgen.admission.learned_limits import limiters_of
from batchgen.admission.next_step import Policy
from batchgen.admission.proof import Proof
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import Run, Time
from batchgen.attempts.kept_replies import kept_files
from batchgen.budget import DAY_MICROS, Budget, Scope, column_values_of, limits_of
from batchgen.errors import BatchgenError, SpecError
from batchgen.ledger import AttemptRecord, Reader
from batchgen.ledger.outstanding import unpriced_images
from batchgen.limits import Failures, RateLimiter
from batchgen.model import (
    Job,
    PriceBook,
    PriceKey,
    State,
    Terms,
)
from batchgen.planning.own_address import is_named_address
from batchgen.providers import key_variable
from batchgen.providers.base import Endpoint, Provider
from batchgen.runner.config import RunConfig, RunResult
from batchgen.runner.second_chances import (
    abandoned_attempts,
    hold,
    read_kept_replies,
    reopen,
)
from batchgen.runner.unfinished import carry_on, contexts_of, poll_overdue
from batchgen.storage.disk_room import DiskRoom
from batchgen.storage.writer import Writer
from batchgen.wire import redactor_for
from batchgen.wire.sender import Wire

SEND_DELAY_S = 10.0
"""Longest time from the entry in the ledger to the sending of the request [assumed]."""


@dataclass(frozen=True, slots=True)
class Connections:
    """What a run works with; the engine opens and closes each of them.

    Attributes:
        max_purchases: How many at a time this process has sockets for, by provider.
    """

    ledger: Reader
    writer: Writer
    wire: Wire
    tasks: TaskGroup
    room: DiskRoom
    end: Callable[[BatchgenError], None]
    max_purchases: Mapping[str, int]


def assemble(job: Job, config: RunConfig, connections: Connections, time: Time) -> Run:
    """Return the run of a job; nothing has started yet.

    Raises:
        SpecError: the address of a provider is unknown.
    """
    prices = PriceBook(config.prices)
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
            limits_of(job), prices.ceiling, time.now, pretend=config.progress.rehearsed
        ),
        queues={
            name: _queue_for(name, job, config, connections, time)
            for name in job.providers
        },
        prices=prices,
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


def _queue_for(
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
    _seed(rate_limiter, ledger, name, time.now())
    endpoint = Endpoint(base_url, config.keys[name], terms.endpoint)
    return ProviderQueue(
        provider,
        endpoint,
        rate_limiter,
        limiter,
        Proof(ledger, name, endpoint),
        terms,
    )


def _seed(rate_limiter: RateLimiter, ledger: Reader, provider: str, now: int) -> None:
    """Count the requests that earlier runs sent within the window."""
    since = now - int((rate_limiter.window_s + SEND_DELAY_S) * 1e6)
    # The ledger has the time just before each request was sent.
    ages_s = (
        (now - sent_at) / 1e6 - SEND_DELAY_S
        for sent_at in ledger.sent_since(provider, since)
    )
    rate_limiter.seed(max(0.0, age_s) for age_s in ages_s)


async def resume(run: Run, config: RunConfig, result: RunResult) -> None:
    """Start with the money in the ledger, and resume the open attempts.

    When it returns, each row that may be bought again has no attempt that a provider
    could still be asked about. The result names the tasks that cannot be polled.
    """
    open_attempts = run.ledger.open_attempts()
    files = kept_files(run.folder, run.redactor)
    abandoned = abandoned_attempts(run.ledger, files)
    queues, unreachable = _queues_for(run, config, [*open_attempts, *abandoned])
    run.all_queues = queues
    contexts = contexts_of(run.ledger, queues, open_attempts)
    money = run.ledger.money()
    run.progress.spent = money.spent + money.superseded
    run.progress.superseded = money.superseded
    run.progress.at_risk = money.at_risk
    run.budget.commit(run.progress.spent + run.progress.at_risk, "run")
    _commit_by_scope(run.ledger, run.budget)
    for context in contexts:
        # A delivered purchase is paid already, whatever it cost.
        if context.attempt.state is not State.DELIVERED:
            hold(run.budget, run.progress, context)
    for provider, resolution, per_image in run.ledger.highest_charges():
        run.budget.raise_ceiling(PriceKey(provider, resolution), per_image)
    run.progress.phase = "running"
    first = [*await read_kept_replies(run, queues, files), *await reopen(run, queues)]
    carry_on(run, [*await poll_overdue(run, contexts), *first])
    open_ids = {attempt.attempt_id for attempt in open_attempts}
    for attempt in unreachable:
        if attempt.attempt_id not in open_ids:
            continue
        if attempt.provider in config.keys:
            result.unnamed_places.add((attempt.provider, attempt.base_url))
        else:
            result.missing_keys.add(key_variable(attempt.provider))


def _commit_by_scope(ledger: Reader, budget: Budget) -> None:
    """Commit the ledger's money by day and by column value, and what has no price."""
    # Yesterday's, too: a clock may have been set back.
    since = (budget.today - 1) * DAY_MICROS
    if budget.limits.day is not None:
        for day, nano in ledger.money_by_day(since):
            budget.commit(nano, day)
    if budget.limits.by:
        for group, nano in ledger.money_by_group():
            budget.commit(nano, *column_values_of(group))
    # Purchases that had no price count at the highest price of today.
    for purchase in unpriced_images(ledger) if budget.limits else ():
        price_key = PriceKey(purchase.provider, purchase.resolution, purchase.model)
        scopes: Sequence[Scope] = column_values_of(purchase.budget_group)
        nano = (budget.ceiling(price_key) or 0) * purchase.images
        budget.commit(nano, *scopes, "run", purchase.day)


def _queues_for(
    run: Run, config: RunConfig, attempts: Sequence[AttemptRecord]
) -> tuple[dict[tuple[str, str], ProviderQueue], list[AttemptRecord]]:
    """Return the queues by which attempts can be polled where they were sent.

    Returns:
        The queues by place, and the attempts whose provider has no key here, or whose
        key may not be sent there.
    """
    queues = {
        (queue.name, queue.endpoint.base_url): queue for queue in run.queues.values()
    }
    unreachable = []
    for attempt in attempts:
        place = (attempt.provider, attempt.base_url)
        if place in queues:
            continue
        provider = config.providers.get(attempt.provider)
        if provider is None or not _may_poll(attempt, provider, run.job, config):
            unreachable.append(attempt)
            continue
        # Nothing is bought at this place, so it has no limits of the job.
        limiters = limiters_of(Terms(), provider.defaults, None, run.time.monotonic)
        endpoint = Endpoint(attempt.base_url, config.keys[provider.name])
        proof = Proof(run.ledger, provider.name, endpoint)
        terms = run.job.terms_of(provider.name)
        queues[place] = ProviderQueue(provider, endpoint, *limiters, proof, terms)
    return queues, unreachable


def _may_poll(
    attempt: AttemptRecord, provider: Provider, job: Job, config: RunConfig
) -> bool:
    """Say whether the run has a key that may be sent to where an attempt was sent."""
    if provider.name not in config.keys:
        return False
    # The key of a rehearsal is no secret.
    return not config.paid_hosts or is_named_address(
        attempt.base_url, job, provider.name, provider.defaults
    )
