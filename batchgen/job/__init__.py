"""The job: a job file or a bare manifest, and the settings that stand above it."""

from batchgen.job.load import job_from, load_job, load_job_with_options
from batchgen.job.settings import Settings

__all__ = ["Settings", "job_from", "load_job", "load_job_with_options"]
