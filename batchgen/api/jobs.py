"""A job in Python code: from a file, from keywords, or for a polars frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self, Unpack

from batchgen.drives import message_for
from batchgen.errors import LedgerMismatch, SpecError, StorageError, UsageError
from batchgen.job import Settings, job_from, load_job
from batchgen.job.layers import error_context
from batchgen.job.values import PATH
from batchgen.model import Job as JobSpec
from batchgen.output.whole import replacing
from batchgen.runner.access import check_addresses
from batchgen.runner.folder import LEDGER, REHEARSAL_SUFFIX
from batchgen.runner.job_checks import check_settings, check_zero_budget

if TYPE_CHECKING:
    import polars as pl

FRAME = "manifest.parquet"
"""Name of a frame in the run folder of its job."""


class Job:
    """A table, the images to make of it, their providers, and limits.

    The settings are checked at once. Nothing is sent and nothing is written before the
    job is run.

    Attributes:
        manifest: The table.
        out: The run folder; a rehearsal adds `-rehearsal` to its name.
        providers: Names of the providers, in the stated order.
        frame: The table, if it is a frame.
        spec: The job as the other modules of batchgen use it.
    """

    frame: pl.DataFrame | None
    spec: JobSpec

    def __init__(
        self,
        manifest: str | Path | Sequence[str | Path] | pl.DataFrame | None = None,
        /,
        **settings: Unpack[Settings],
    ) -> None:
        """Make a job from settings, by the names of the job file's keys.

        Args:
            manifest: The path of a table, several of them that are one table, or a
                polars frame. A frame is stored in the run folder, so `out` must name
                one. A folder belongs to its first frame: one with other content is
                refused.
            settings: `provider`, `prompt`, `max_cost` and all others; the page
                `job-file` explains each.

        Raises:
            SpecError: a setting is missing or invalid.
        """
        values: dict[str, Any] = {**settings}
        if manifest is not None:
            if "manifest" in values:
                raise SpecError("`manifest` is said twice: name one table")
            values["manifest"] = manifest
        self.frame = _frame_of(values.get("manifest"))
        self.spec = job_from(values) if self.frame is None else _job_of_frame(values)

    @classmethod
    def load(cls, path: str | Path, **settings: Unpack[Settings]) -> Self:
        """Read a job file (.toml) or a bare manifest.

        Args:
            path: The file.
            settings: They override the file.

        Raises:
            SpecError: the file cannot be read, or a setting is invalid.
        """
        job = cls.__new__(cls)
        job.frame = None
        job.spec = load_job(Path(path), **settings)
        return job

    @property
    def manifest(self) -> Path:
        return self.spec.manifest

    @property
    def out(self) -> Path:
        return self.spec.out

    @property
    def providers(self) -> tuple[str, ...]:
        return self.spec.providers

    def __repr__(self) -> str:
        names = ",".join(self.providers)
        return f"Job({str(self.manifest)!r}, provider={names!r}, out={str(self.out)!r})"


def _frame_of(manifest: object) -> pl.DataFrame | None:
    """Return the manifest if it is a frame; None if it is a path."""
    if manifest is None or isinstance(manifest, str | Path | list | tuple):
        return None
    # Imported here: a job for a file needs no polars yet.
    import polars as pl

    if isinstance(manifest, pl.DataFrame):
        return manifest
    raise SpecError(
        f"`manifest`: {type(manifest).__name__} is neither the path of a table nor a "
        "polars DataFrame"
    )


def _job_of_frame(settings: Mapping[str, Any]) -> JobSpec:
    out = settings.get("out")
    if out is None:
        raise SpecError(
            "`out` is missing: a frame has no name, so say in which run folder it is "
            'kept, as in out="out/catalog"'
        )
    with error_context(SpecError, "`out`"):
        place = PATH.read(out).resolve() / FRAME
    # The frame is not written yet, and the setting needs a path that exists.
    spec = job_from({**settings, "manifest": Path.cwd()}, source=place)
    references = spec.references
    if references.folder is None:
        references = replace(references, folder=Path.cwd())
    return replace(spec, manifest=place, references=references)


def spec_to_run(job: Job, *, rehearse: bool) -> JobSpec:
    """Return the spec of a run, with all checks that need no row.

    Raises:
        SpecError: a setting is invalid, or an address is missing.
    """
    if not isinstance(job, Job):
        raise UsageError(
            f"{type(job).__name__} is no batchgen.Job: make one of a table, "
            "batchgen.Job(...), or of a job file, batchgen.Job.load(...)"
        )
    spec = job.spec
    if rehearse:
        spec = replace(spec, out=spec.out.with_name(spec.out.name + REHEARSAL_SUFFIX))
        if job.frame is not None:
            spec = replace(spec, source=spec.out / FRAME, manifest=spec.out / FRAME)
    else:
        check_addresses(spec)
    check_settings(spec, {})
    check_zero_budget(spec, {})
    return spec


@contextmanager
def frame_in_folder(job: Job, spec: JobSpec) -> Iterator[None]:
    """Store the frame of a job, if it has one, in the run folder.

    It is removed again if no run began.

    Raises:
        LedgerMismatch: the run folder belongs to a frame with other content.
    """
    frame = job.frame
    if frame is None or _is_stored(frame, spec):
        yield
        return
    new_folders = [folder for folder in spec.manifest.parents if not folder.exists()]
    _write_frame(frame, spec.manifest)
    try:
        yield
    finally:
        if not (spec.out / LEDGER).exists():
            spec.manifest.unlink(missing_ok=True)
            for folder in new_folders:
                with suppress(OSError):  # it is not empty any more
                    folder.rmdir()


@contextmanager
def readable_spec(job: Job, spec: JobSpec) -> Iterator[JobSpec]:
    """Yield a spec whose manifest can be read, without a change to the run folder.

    Raises:
        LedgerMismatch: the run folder belongs to a frame with other content.
    """
    frame = job.frame
    if frame is None or _is_stored(frame, spec):
        yield spec
        return
    with TemporaryDirectory(prefix="batchgen-frame-") as folder:
        path = Path(folder) / FRAME
        _write_frame(frame, path)
        yield replace(spec, manifest=path)


def _write_frame(frame: pl.DataFrame, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(message_for(error)) from error
    import polars as pl

    try:
        with replacing(path) as file:
            frame.write_parquet(file)
    except pl.exceptions.PolarsError as error:
        raise SpecError(f"the frame cannot be kept as Parquet: {error}") from error


def _is_stored(frame: pl.DataFrame, spec: JobSpec) -> bool:
    """Say whether the run folder already has this frame."""
    if not spec.manifest.exists():
        return False
    import polars as pl

    try:
        existing = pl.read_parquet(spec.manifest)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise StorageError(f"cannot read {spec.manifest}: {error}") from error
    if existing.schema == frame.schema and existing.equals(frame):
        return True
    raise LedgerMismatch(
        f"{spec.out} belongs to a frame with other content; name another folder with "
        "`out`, or carry on with the first. To edit rows of a run, keep them in a file"
    )
