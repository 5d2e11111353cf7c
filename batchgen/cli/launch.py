"""Run a job: in earnest, or as a rehearsal."""

from __future__ import annotations

from collections.abc import Mapping

from batchgen.cli.drive import ask, open_and_log, run_in, stop_at_once
from batchgen.cli.manner import End, RunOptions
from batchgen.cli.source import prices_of, read_keys, realm_of
from batchgen.engines.config import RunConfig
from batchgen.model import Job
from batchgen.providers import PROVIDERS
from batchgen.runner.progress import Progress


def launch(job: Job, manner: RunOptions, end: End) -> int:
    """Run a job, or carry on with it, and return the exit code.

    Raises:
        BatchgenError: it could not run, or must stop at once.
    """
    if manner.rehearse:
        # Only here: what is bought in earnest needs no sandbox.
        from batchgen.cli.rehearsal import rehearse

        return rehearse(job, manner, end)
    keys = read_keys(job)
    with open_and_log(job, realm_of(job), keys) as (folder, log):
        result = run_in(job, folder, _config(job, keys, manner), manner, log)
        return end(job, result, None)


def _config(job: Job, keys: Mapping[str, str], manner: RunOptions) -> RunConfig:
    return RunConfig(
        providers=PROVIDERS,
        keys=keys,
        prices=prices_of(job),
        paid_hosts=True,
        consented=manner.yes or job.max_cost is not None,
        rebuy=manner.rebuy,
        keep=manner.keep,
        ask=ask,
        progress=Progress(),
        stop_at_once=stop_at_once,
    )
