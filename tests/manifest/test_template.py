from __future__ import annotations

import pytest

from batchgen.errors import SpecError
from batchgen.manifest.template import PromptTemplate

COLUMNS = ("name", "colour", "My Column")


def render(text: str, **cells: object) -> str:
    empty = dict.fromkeys(COLUMNS)
    return PromptTemplate(text, COLUMNS, "m.csv").render({**empty, **cells})


def test_a_template_is_filled_with_the_rows_own_columns() -> None:
    prompt = render(
        '{{ name }} & {{ row["My Column"] }}{% if colour %}, {{ colour }}{% endif %}',
        name="<Mug>",
        **{"My Column": "nice"},
    )

    assert prompt == "<Mug> & nice"


def test_an_empty_cell_is_empty_text_in_filters_too() -> None:
    assert render("[{{ name }}{{ name | upper }}{{ row.name }}]", name=None) == "[]"


def test_a_cell_is_data_and_never_a_template() -> None:
    assert render("{{ name }}", name="{{ 7 * 7 }}") == "{{ 7 * 7 }}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "{{ color }}",
            "prompt template: m.csv has no column `color`: did you mean `colour`?",
            id="variable",
        ),
        pytest.param(
            'x {{ row["My column"] }}',
            "prompt template: m.csv has no column `My column`: did you mean "
            "`My Column`?",
            id="subscript",
        ),
        pytest.param(
            "a\nb {{ name", "prompt template, line 2: unexpected end", id="not-closed"
        ),
        pytest.param(
            "a\n{{ name | shout }}",
            "prompt template, line 2: there is no filter `shout`: did you mean",
            id="unknown-filter",
        ),
        pytest.param(
            "{{ [1, 2] | random }}",
            "prompt template, line 1: there is no filter `random`",
            id="random-prompts-would-be-bought-again",
        ),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused_as_a_whole(
    text: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        PromptTemplate(text, COLUMNS, "m.csv")

    assert str(caught.value).startswith(message)


def test_a_template_may_provide_for_a_column_that_is_not_there() -> None:
    text = (
        "{{ brand | default('no brand') }}{% if size is defined %}{{ size }}{% endif %}"
    )

    assert render(text) == "no brand"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{{ 1 / (name | int) }}", id="division-by-zero"),
        pytest.param("{{ name + 1 }}", id="text-plus-number"),
        pytest.param("{{ row[name] }}", id="column-known-at-run-time-alone"),
        pytest.param("{{ name.first }}", id="attribute-that-is-not-there"),
        pytest.param("{{ name.__class__ }}", id="way-out-of-the-sandbox"),
        pytest.param("{{ row.update(a=1) }}", id="changing-the-row"),
        pytest.param('{% include "/etc/passwd" %}', id="reading-a-file"),
        pytest.param("{{ 'x' * 1000000000 }}", id="text-without-end"),
        pytest.param("{{ [1] * 1000000000 }}", id="list-without-end"),
        pytest.param("{{ '%1000000000d' % 1 }}", id="padding-without-end"),
        pytest.param("{{ 9 ** 9 ** 9 ** 9 }}", id="power-without-end"),
        pytest.param(
            "{% for a in range(9999) %}{% for b in range(9999) %}"
            "{% endfor %}{% endfor %}",
            id="loops-without-end",
        ),
        pytest.param(
            "{% for a in range(2000) %}{{ 'x' * 100 }}{% endfor %}", id="too-long"
        ),
        pytest.param(r"{{ '\ud800' }}", id="half-a-character"),
    ],
)
def test_a_row_that_the_template_fails_on_is_refused_alone(text: str) -> None:
    with pytest.raises(ValueError, match=r"^the template cannot be filled: ."):
        render(text, name="zero")


def test_a_column_missed_while_rendering_is_named() -> None:
    with pytest.raises(ValueError, match="no column `color`: did you mean `colour`"):
        render("{{ row[name] }}", name="color")


def test_only_the_columns_that_a_template_uses_are_asked_for() -> None:
    assert PromptTemplate("{{ colour }}", COLUMNS, "m").columns == ("colour",)
    assert PromptTemplate("{{ row.colour }}", COLUMNS, "m").columns == COLUMNS


def test_a_column_named_row_is_the_column() -> None:
    template = PromptTemplate("{{ row }}", ("row", "x"), "m.csv")

    assert template.render({"row": "front", "x": None}) == "front"
