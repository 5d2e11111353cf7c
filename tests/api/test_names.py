"""The module `batchgen` exports what is public, and nothing else."""

from __future__ import annotations

import pytest

import batchgen
from batchgen import errors


def test_the_names_are_sorted_and_each_is_there() -> None:
    assert batchgen.__all__ == sorted(batchgen.__all__)
    assert dir(batchgen) == batchgen.__all__
    for name in batchgen.__all__:
        assert getattr(batchgen, name) is not None


def test_what_is_not_public_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'runs'"):
        batchgen.runs  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("name", batchgen.__all__)
def test_each_public_thing_is_documented(name: str) -> None:
    assert getattr(batchgen, name).__doc__


def test_every_error_that_a_run_can_raise_or_end_by_has_a_public_base() -> None:
    public = {batchgen.SpecError, batchgen.StorageError, batchgen.BatchgenError}

    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, BaseException):
            assert public & {*kind.__mro__}
