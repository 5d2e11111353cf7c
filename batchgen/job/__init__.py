"""The job: a job file or a bare manifest, and what the command line says."""

from batchgen.job.flags import Overrides
from batchgen.job.load import load_job

__all__ = ["Overrides", "load_job"]
