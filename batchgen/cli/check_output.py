"""The text of `check`, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from batchgen.checks.findings import (
    Cost,
    Duplicates,
    Findings,
    Forecast,
    Pace,
    SingleProvider,
)
from batchgen.cli.check_enough import account_line, budget_lines, disk_line, folded
from batchgen.cli.formatting import (
    counted,
    either,
    invalid_lines,
    money_lines,
    problem_lines,
    rows_line,
)
from batchgen.cli.table_places import file_of_row
from batchgen.ledger import Totals
from batchgen.manifest.wording import shown
from batchgen.model import Job, Price, dollars
from batchgen.providers._decoding import one_line
from batchgen.runner.access import mode_of
from batchgen.runner.incomplete_rows import FinishedPrompt, describe_gaps

if TYPE_CHECKING:
    from batchgen.billing.balances import Account

PROMPT_CHARACTERS = 60
"""Shown length of the prompt of a group of duplicates."""


def lines_of(
    job: Job, findings: Findings, accounts: Sequence[Account] | None
) -> Iterator[str]:
    """Yield the lines of the findings, and of the accounts if they were asked."""
    yield from findings.notices
    if findings.mode not in (None, mode_of(job)):
        folder, kind = shown(job.out), f"{findings.mode} run"
        yield from folded(
            f"{folder} holds a {kind}, whose money must not mix with this one's: name "
            "another folder with --out"
        )
    if findings.rehearsal is not None:
        yield from _rehearsed(findings.rehearsal)
    yield from _rows(job, findings)
    yield from _bought(findings)
    yield from _duplicates(job, findings.duplicates)
    if findings.rebuy is not None:
        yield from folded(str(findings.rebuy))
    if not findings.forecast.rows:
        yield "nothing is left to buy"
    else:
        yield from _to_buy(findings.forecast)
        yield from _routes(findings.forecast)
        yield from _time(findings.paces)
        yield disk_line(findings.disk)
    yield from budget_lines(job, findings)
    for account in accounts or ():
        yield account_line(account, findings.forecast)
    is_asked = any(account.was_asked for account in accounts or ())
    yield "nothing was sent" + " but questions for the balance" * is_asked


def _rehearsed(rehearsal: Totals) -> Iterator[str]:
    """Yield what was rehearsed in the folder; the other lines do not count that."""
    money = "; ".join(money_lines(rehearsal))
    images = counted(rehearsal.images, "image")
    yield from folded(
        f"rehearsed there: {images}; {money}. What follows counts none of it"
    )


# -- rows


def _rows(job: Job, findings: Findings) -> Iterator[str]:
    yield rows_line(findings.totals)
    file = file_of_row(job, findings.starts)
    yield from invalid_lines(findings.invalid, file)
    if findings.renamed:
        yield "file names that are not safe, or another row has:"
    yield from problem_lines(file, findings.renamed)
    if findings.left_out:
        yield f"{counted(findings.warned, 'row')} can run, with a warning:"
    yield from problem_lines(file, findings.left_out, findings.warned)
    yield from gap_lines(job, findings)
    yield from prompt_lines(findings.prompts)


def _bought(findings: Findings) -> Iterator[str]:
    totals = findings.totals
    if totals.images or totals.spent or totals.superseded or totals.at_risk_attempts:
        money = "; ".join(money_lines(totals))
        yield from folded(f"bought already: {counted(totals.images, 'image')}; {money}")


def _duplicates(job: Job, same: Duplicates) -> Iterator[str]:
    if not same.rows:
        return
    saved = f"{dollars(same.saved)}"
    if same.unpriced:
        unpriced = f"what {counted(same.unpriced, 'row')} without a known price cost"
        saved = f"{saved} and {unpriced}" if same.saved else unpriced
    rows = counted(same.rows, "row", "has")
    saving = f"`dedupe` saves {saved}" if job.dedupe else f"--dedupe would save {saved}"
    example = ""
    if (first := same.example) is not None:
        prompt = one_line(first.prompt, PROMPT_CHARACTERS)
        line = "" if first.line is None else f", line {first.line}"
        example = f', for example "{prompt}" (row {first.row}{line})'
    yield from folded(
        f"{rows} the same prompt and options as an earlier row{example}; {saving}"
    )


# -- money


def _to_buy(forecast: Forecast) -> Iterator[str]:
    for group in forecast.groups:
        yield from folded(
            f"to buy: {counted(group.images, 'image')} at {group.resolution} from "
            f"{group.provider}, {_each(group.price)}"
            + (f": {_range(group.cost)}" if group.cost else "")
        )
        if group.price is not None:
            yield from folded(f"    {group.model} ({_source(group.price)})")
    if forecast.unpriced < forecast.images:
        yield f"cost: {_range(forecast.cost())}, without retries"
    if forecast.unpriced:
        unpriced = counted(forecast.unpriced, "image", "has")
        yield f"{unpriced} no known price: give one with --price"


def _each(price: Price | None) -> str:
    return "price unknown" if price is None else f"{dollars(price.expected)} each"


def _source(price: Price) -> str:
    read = f", read {price.read_on}" if price.read_on else ""
    return f"{price.page}{read}"


def _range(cost: Cost) -> str:
    if cost.lowest == cost.highest:
        return dollars(cost.expected)
    between = f"{dollars(cost.lowest)} to {dollars(cost.highest)}"
    return f"about {dollars(cost.expected)} ({between})"


def _routes(forecast: Forecast) -> Iterator[str]:
    if not forecast.alone:
        return
    yield from folded(f"split: {', '.join(_split(forecast))}")
    for entry in forecast.alone:
        if not entry.rows:
            yield f"  {entry.provider} alone could do none of the rows"
            continue
        priced = entry.rows - entry.unpriced
        rows = counted(forecast.rows, "row")
        could = f"  {entry.provider} alone could do {entry.rows} of {rows}"
        if not priced:
            yield f"{could}, for an unknown price"
            continue
        of_them = (
            "" if not entry.unpriced else f" ({priced} of them with a known price)"
        )
        yield from folded(
            f"{could}{of_them} for {dollars(entry.alone)}; routed, they cost "
            f"{dollars(entry.routed)}{_saving(entry)}"
        )


def _split(forecast: Forecast) -> Iterator[str]:
    for entry in forecast.alone:
        groups = [
            group for group in forecast.groups if group.provider == entry.provider
        ]
        if groups:
            rows = counted(sum(group.rows for group in groups), "row")
            cost = dollars(forecast.cost(entry.provider).expected)
            price = cost if all(group.price for group in groups) else "an unknown price"
            yield f"{entry.provider} {rows} for {price}"


def _saving(alone: SingleProvider) -> str:
    if alone.alone == alone.routed:
        return ""
    word = "less" if alone.routed < alone.alone else "more"
    return f", {dollars(abs(alone.alone - alone.routed))} {word}"


# -- what else it takes


def _time(paces: Sequence[Pace]) -> Iterator[str]:
    min_s = max(pace.min_s for pace in paces)
    about = max(pace.likely_s for pace in paces)
    bound = f", at least {_duration(min_s)} at the allowed rate" if min_s else ""
    yield f"time: about {_duration(about)}{bound}"
    for pace in paces:
        rate = f"{pace.rpm:g} a minute" if pace.rpm else "no known rate"
        basis = f"the median of {pace.measured}" if pace.measured else "assumed"
        requests = counted(pace.requests, "request")
        yield (
            f"    {pace.provider}: {requests}, {rate}, {pace.concurrency} at once, "
            f"{pace.latency_s:.3g} s each ({basis})"
        )


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


PROMPT_WIDTH = 100


def gap_lines(job: Job, findings: Findings) -> Iterator[str]:
    """Yield how many rows lack a value, and what happens to them."""
    gaps = findings.gaps
    if gaps is None or not gaps.incomplete_rows:
        return
    yield from folded(describe_gaps(gaps))
    if gaps.empty_rows:
        are = either(gaps.empty_rows, "is", "are")
        yield from folded(
            f"  {counted(gaps.empty_rows, 'row', 'has')} none of the values and {are} "
            "never bought"
        )
    if gaps.partial_rows:
        are = either(gaps.partial_rows, "is", "are")
        fate = {
            None: f"{are} bought, with a warning; --empty skip leaves them out",
            "buy": f'{are} bought, with a warning: empty = "buy"',
            "skip": f'{are} not bought: empty = "skip"',
        }[job.empty]
        if findings.is_refused:
            fate = either(gaps.partial_rows, "lacks others", "lack others")
        yield from folded(
            f"  {counted(gaps.partial_rows, 'row')} with some of the values {fate}"
        )
    if findings.is_refused:
        yield from folded(
            "  `run` sends nothing before you say --empty skip or --empty buy (in a "
            'job file: empty = "skip" or "buy")'
        )


def prompt_lines(prompts: Sequence[FinishedPrompt]) -> Iterator[str]:
    """Yield some prompts as they are sent, one line for each."""
    if prompts:
        yield "prompts as they are sent:"
    for each in prompts:
        line = "" if each.line is None else f", line {each.line}"
        text = " ".join(each.prompt.split())
        cut = f"{text[:PROMPT_WIDTH]}..." if len(text) > PROMPT_WIDTH else text
        yield f"  row {each.row}{line}: {cut}"


def gaps_document(job: Job, findings: Findings) -> dict[str, Any] | None:
    """Return the same for programs; None if the template needs no column."""
    gaps = findings.gaps
    if gaps is None:
        return None
    return {
        "rows": gaps.rows,
        "rows_without_any_value": gaps.empty_rows,
        "rows_without_some_values": gaps.partial_rows,
        "columns": dict(gaps.columns),
        "empty": job.empty,
        "is_refused": findings.is_refused,
    }
