"""No template, and nothing in a cell, fills memory or keeps a run waiting."""

from __future__ import annotations

import json
import sys
from subprocess import run

import pytest

from batchgen.errors import SpecError
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.spelling import ColumnNames, unfilled
from batchgen.manifest.template import PromptTemplate
from batchgen.manifest.template_work import (
    MAX_SECONDS,
    MAX_WORK,
    TooMuchWork,
    WorkMeter,
)
from batchgen.output.member_names import safe_base_name
from tests.manifest.conftest import MakeJob, ReadRows
from tests.manifest.template_bombs import BOMBS

BOMB = "{% for a in name * 90000 %}{% for b in name * 90000 %}{% endfor %}{% endfor %}"

# The process has 100 MB beyond what Python itself takes, and a time of the CPU after
# which the system kills it.
_CHILD = """
import json, resource, sys
from datetime import date
from batchgen.manifest.template import PromptTemplate

used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
cells = {"name": "mug", "day": date(2026, 1, 2)}
for name, text in json.load(sys.stdin).items():
    try:
        words = PromptTemplate(text, [*cells], "m.csv").render(cells)
    except ValueError as error:
        words = str(error)
    print(json.dumps([name, words[:200]]), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux counts it")
def test_no_bomb_takes_more_memory_or_time_than_a_row_may() -> None:
    done = run(
        [sys.executable, "-c", _CHILD],
        input=json.dumps(BOMBS),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    ends = [json.loads(line) for line in done.stdout.splitlines()]
    limited = "the template cannot be filled: "
    reasons: tuple[str, ...] = (
        "it needs more than 5,000,000 characters and steps",
        "it takes longer",
    )
    reasons += ("it makes more than 100,000", "a power too large", "formatting by %")
    reasons += ("a number too large", "a format has braces", "its calls go more than")
    assert [name for name, _ in ends] == [*BOMBS]
    assert [
        (name, words)
        for name, words in ends
        if not words.removeprefix(limited).startswith(reasons)
        # A text that is long, and no longer than a prompt may be.
        and not words.startswith("<Namespace>")
    ] == []


def test_a_long_page_of_a_shop_is_read_as_text() -> None:
    page = "<p>A mug for coffee, and <b>for tea</b>, with a handle</p>\n" * 3000
    template = PromptTemplate(
        "{{ page | striptags | truncate(40) }}", ["page"], "m.csv"
    )

    assert template.render({"page": page}) == "A mug for coffee, and for tea, with..."


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        pytest.param(
            "{{ name | title | truncate(2, True, leeway=0, end='') }}", "Bl", id="texts"
        ),
        pytest.param("{{ name | replace('e', '') }}", "blu mug", id="replace"),
        pytest.param("{{ name.split(' ') | join('+') }}", "blue+mug", id="split"),
        pytest.param(
            "{{ name.split() | map('upper') | sort | reverse | join(' ') }}",
            "MUG BLUE",
            id="chain-of-filters",
        ),
        pytest.param(
            "{{ name.split() | reject('eq', 'mug') | first }}", "blue", id="reject"
        ),
        pytest.param("{{ '%5.1f|%s' | format(2.25, name) }}", "  2.2|blue mug", id="%"),
        pytest.param(
            "{{ '{:>6}/{}'.format(7, name) }}", "     7/blue mug", id="format"
        ),
        pytest.param("{{ [1, 2, 3] | sum + 2 * 3 ** 2 }}", "24", id="numbers"),
        pytest.param("{{ 2.345 | round(1) }}", "2.3", id="round"),
        pytest.param(
            "{% for row in range(7) | batch(3, 0) %}{{ row | join }};{% endfor %}",
            "012;345;600;",
            id="batch",
        ),
        pytest.param(
            "{% for part in name.split() %}{{ loop.index }}/{{ loop.length }} "
            "{{ part }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "1/2 blue, 2/2 mug",
            id="loop",
        ),
        pytest.param(
            "{% for a, b in [(1, 2), (3, 4)] if a > 1 %}{{ a ~ b }}{% endfor %}",
            "34",
            id="loop-over-pairs",
        ),
        pytest.param(
            "{% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}"
            "{{ f(9) }}",
            "9876543210",
            id="macro",
        ),
        pytest.param(
            "{% set ns = namespace(n=0) %}{% for c in name if c == 'e' %}"
            "{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "1",
            id="namespace",
        ),
        pytest.param(
            "{{ '<b>x</b>' | striptags }}{{ name | wordcount }}{{ '<' | escape }}",
            "x2&lt;",
            id="markup",
        ),
        pytest.param(
            "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}",
            "ab",
            id="next",
        ),
        pytest.param("{{ {'a': name}['a'] | wordwrap(4) }}", "blue\nmug", id="wrap"),
        pytest.param("{{ range(99999) | length }}", "99999", id="long-range"),
    ],
)
def test_what_people_write_is_filled_in_as_ever(text: str, prompt: str) -> None:
    assert PromptTemplate(text, ["name"], "m").render({"name": "blue mug"}) == prompt


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", id="parentheses"),
        pytest.param("{{ " + "1 + " * 5000 + "1 }}", id="long-sum"),
        pytest.param("{{ " + "9" * 5000 + " }}", id="number-of-5000-digits"),
        pytest.param(
            "{% for a in name %}" * 30 + "{% endfor %}" * 30, id="loops-within-loops"
        ),
        pytest.param("{% if name %}" * 500 + "{% endif %}" * 500, id="conditions"),
    ],
)
def test_a_template_that_is_nested_too_deeply_is_refused_in_words(text: str) -> None:
    with pytest.raises(SpecError, match="nested too deeply, or a number in it is too"):
        PromptTemplate(text, ["name"], "m.csv")


def test_time_ends_what_work_alone_does_not() -> None:
    now = [0.0]
    meter = WorkMeter(clock=lambda: now[0])
    meter.charge(MAX_WORK // 3)
    now[0] = MAX_SECONDS + 0.1

    with pytest.raises(TooMuchWork, match="it takes longer than 1 s: shorten its"):
        meter.charge(MAX_WORK // 3)

    meter.reset()
    meter.charge(MAX_WORK // 3)


def test_a_row_that_is_a_bomb_is_invalid_alone(read_rows: ReadRows) -> None:
    rows = read_rows("name,prompt\nmug,a\nx,b\ncup,c\n", prompt=_bomb_for("x"))

    assert [row.prompt for row in rows] == ["mug", None, "cup"]
    problem = rows[1].problem
    assert problem is not None
    assert problem.column == "prompt"
    assert problem.spares_started
    assert problem.message.startswith("the template cannot be filled: it needs more")


def test_a_template_that_is_a_bomb_ends_the_reading_after_some_rows(
    make_job: MakeJob,
) -> None:
    job = make_job("name\n" + "x\n" * 20, prompt=BOMB)

    with pytest.raises(SpecError) as caught:
        Manifest.open(job)

    assert str(caught.value).startswith(
        "prompt template: 5 rows in turn cannot be filled, so the others were not "
        "tried: with the last one, it needs more than"
    )


def test_bombs_among_good_rows_end_the_reading_when_they_are_many(
    make_job: MakeJob,
) -> None:
    job = make_job("name\n" + "mug\n" * 1000 + "mug\nx\n" * 50, prompt=_bomb_for("x"))
    manifest = Manifest.open(job)

    with pytest.raises(SpecError, match="prompt template: 50 rows cannot be filled"):
        for _ in manifest.slices():
            pass


def _bomb_for(name: str) -> str:
    return (
        "{% if name == '"
        + name
        + "' %}{{ [1] | batch(10 ** 9, 1) | list }}{% else %}{{ name }}{% endif %}"
    )


@pytest.mark.parametrize("sign", ["{", "%", "<", "[", "${", "<%", "{{"])
def test_a_cell_of_signs_and_blanks_is_looked_through_once(sign: str) -> None:
    names = ColumnNames(["Title"])

    assert unfilled(sign + " " * 200_000, names) is None
    assert unfilled(sign * 50_000 + " " * 50_000, names) is None
    assert unfilled(f"{sign * 20}< Title >", names) is not None


def test_a_file_name_of_blanks_is_cut_at_once() -> None:
    assert safe_base_name("a" + " ." * 200_000 + "b") == "a"
