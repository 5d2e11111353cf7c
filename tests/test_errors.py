"""Every error: its place in the tree, its name in the table, its way through pickle."""

from __future__ import annotations

import copy
import pickle
import re
from decimal import Decimal

import pytest

from batchgen import errors
from batchgen.errors import (
    Again,
    AttemptError,
    BatchgenError,
    Charge,
    NotConnected,
    Permanent,
    ProviderStopped,
    ReferenceRejected,
    Refused,
    Throttled,
)


def tree(root: type[BatchgenError]) -> list[type[BatchgenError]]:
    """Return a class and all below it, as a drawing lists them."""
    return [root, *(leaf for kind in root.__subclasses__() for leaf in tree(kind))]


def ours() -> list[type[BatchgenError]]:
    return [
        kind
        for kind in tree(BatchgenError)
        if kind.__module__.startswith("batchgen.errors.")
    ]


def leaves() -> list[type[BatchgenError]]:
    return [our for our in ours() if not our.__subclasses__()]


def attempt_leaves() -> list[type[AttemptError]]:
    return [leave for leave in leaves() if issubclass(leave, AttemptError)]


def drawn_parents() -> dict[str, str | None]:
    """Read the drawing in the module's docstring: each name and what it hangs on."""
    parents: dict[str, str | None] = {}
    path: dict[int, str] = {}
    drawing = (errors.__doc__ or "").partition("\n\n")[2].partition("\n\nCode that")[0]
    for line in drawing.splitlines():
        match = re.match(r"([ │├└─]*)([A-Z]\w+)", line)
        assert match is not None, line
        depth = len(match[1]) // 4
        path[depth] = match[2]
        parents[match[2]] = path.get(depth - 1)
    return parents


def test_the_tree_that_is_drawn_is_the_tree_of_the_classes() -> None:
    ours_by_name = {our.__name__: our for our in ours()}

    parents = drawn_parents()

    assert parents.pop("BatchgenError") is None
    assert parents == {
        name: kind.__mro__[1].__name__
        for name, kind in ours_by_name.items()
        if kind is not BatchgenError
    }


def test_kinds_are_snake_case_and_each_leaf_has_its_own() -> None:
    kinds = [kind.__new__(kind).kind for kind in leaves()]

    assert len(set(kinds)) == len(kinds)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", kind) for kind in kinds)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param(errors.OutcomeUnknown, "outcome_unknown", id="OutcomeUnknown"),
        pytest.param(errors.NoImage, "no_image", id="NoImage"),
        pytest.param(errors.LinkLost, "link_lost", id="LinkLost"),
        pytest.param(errors.OutOfCredit, "out_of_credit", id="OutOfCredit"),
        pytest.param(errors.Refused, "refused", id="Refused"),
    ],
)
def test_names_that_stand_in_users_tables_do_not_change(
    kind: type[AttemptError], name: str
) -> None:
    assert kind("acme", "").kind == name


@pytest.mark.parametrize("kind", attempt_leaves(), ids=lambda entry: entry.__name__)
def test_an_attempt_error_comes_out_of_pickle_with_all_that_it_knew(
    kind: type[AttemptError],
) -> None:
    error = kind(
        "acme",
        "quota of the hour",
        Charge.REPORTED,
        cost_usd=Decimal("0.0925465"),
        retry_after_s=7.5,
        request_id="r-1",
    )

    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is kind
        assert str(other) == str(error) == "acme: quota of the hour"
        assert other.args == error.args
        assert vars(other) == vars(error)
        assert (other.charge, other.cost_usd) == (
            Charge.REPORTED,
            Decimal("0.0925465"),
        )
        assert (other.retry_after_s, other.request_id) == (7.5, "r-1")
        assert (other.again, other.counts, other.kind) == (
            error.again,
            error.counts,
            error.kind,
        )


@pytest.mark.parametrize(
    "kind",
    [leave for leave in leaves() if not issubclass(leave, AttemptError)],
    ids=lambda entry: entry.__name__,
)
def test_every_other_error_comes_out_of_pickle_with_its_words(
    kind: type[BatchgenError],
) -> None:
    error = pickle.loads(pickle.dumps(kind("line 7: no such file")))

    assert type(error) is kind
    assert str(error) == "line 7: no such file"


@pytest.mark.parametrize("kind", attempt_leaves(), ids=lambda entry: entry.__name__)
def test_each_attempt_error_says_charge_and_again_by_its_branch(
    kind: type[AttemptError],
) -> None:
    error = kind("acme", "words")

    assert error.charge is kind.default_charge
    if issubclass(kind, Permanent):
        assert error.again is Again.NEVER
    elif issubclass(kind, ProviderStopped):
        assert error.again is Again.STOP
    else:
        assert error.again in (Again.NOW, Again.LATER)


def test_only_what_was_surely_not_processed_does_not_count_as_a_purchase() -> None:
    uncounted = {kind for kind in attempt_leaves() if not kind.counts}

    assert uncounted == {
        Throttled,
        NotConnected,
        ReferenceRejected,
        *(
            attempt_leave
            for attempt_leave in attempt_leaves()
            if issubclass(attempt_leave, ProviderStopped)
        ),
    }
    assert all(kind.default_charge is Charge.NONE for kind in uncounted)


def test_what_a_provider_charged_for_a_refusal_stands_above_the_default() -> None:
    assert Refused("acme", "no").charge is Charge.NONE
    assert Refused("acme", "no", Charge.UNKNOWN).charge is Charge.UNKNOWN
