"""A page in a real browser: how soon it stands, how soon it filters, no mouse, and
each screen.

    batchgen report RUN --html && python -m tests.benchmarks.report RUN

Needs Playwright (`pip install playwright`) and a Chromium, by `--browser` if it is not
`/usr/bin/chromium`. It says what it measured, and ends with 1 if anything is not as it
should be. The run must hold at least 100 images.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from batchgen.cli.retry import read_selection
from batchgen.report.page import PAGE
from tests.report.browser import MEASURE

OPENED = 3
MAX_OPEN_MS = 2_000
MAX_FILTER_MS = 100
WIDTHS_PX = (375, 390, 768, 1440)
STOPS = (
    *("group", "text", "status", "provider", "from", "to", "only"),
    *("next", "save", "untick"),
)

CHANGES = (["text", "a"], ["text", "zq"], ["status", "refused"], ["from", "0.05"])

STANDS = """() => {
  const images = [...document.querySelectorAll(".card img")];
  return images.length > 0 && images.every((it) => it.complete && it.naturalWidth);
}"""
FILTER = """([id, value]) => {
  const control = document.getElementById(id);
  const before = performance.now();
  control.value = value;
  control.dispatchEvent(new Event("input", { bubbles: true }));
  document.body.offsetHeight; // laid out anew, too
  const taken = performance.now() - before;
  document.getElementById("filters").reset();
  return taken;
}"""
AT = "() => document.activeElement.id || document.activeElement.className"


def main() -> int:
    """Measure, check, and return the exit code."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    page_path = (arguments.run / PAGE).resolve()
    _say(f"{page_path}: {page_path.stat().st_size / 1e6:,.1f} MB")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=arguments.browser, args=["--no-sandbox"]
        )
        wrong = [*_speed(browser, page_path.as_uri())]
        wrong += _without_a_mouse(browser, page_path.as_uri())
        wrong += _on_each_screen(browser, page_path.as_uri())
        browser.close()
    _say("\n".join(wrong) or "all is as it should be")
    return 1 if wrong else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _open(browser: Any, url: str, width_px: int = 1200) -> Any:
    size = {"width": width_px, "height": 800}
    page = browser.new_context(viewport=size, accept_downloads=True).new_page()
    page.goto(url, wait_until="commit")
    page.wait_for_function(STANDS)
    return page


def _speed(browser: Any, url: str) -> list[str]:
    stood, filtered = [], []
    for _ in range(OPENED):
        page = _open(browser, url)
        stood.append(page.evaluate("performance.now()"))
        page.wait_for_load_state("load")
        filtered += [page.evaluate(FILTER, change) for change in CHANGES]
        page.context.close()
    median, usual = statistics.median(stood), statistics.median(filtered)
    _say(
        f"first page of the gallery stands after {median:,.0f} ms (median of {OPENED})"
    )
    _say(
        f"a filter acts within {usual:,.0f} ms (median; the worst {max(filtered):,.0f})"
    )
    late = [f"opens in {median:,.0f} ms"] if median > MAX_OPEN_MS else []
    return late + ([f"filters in {usual:,.0f} ms"] if usual > MAX_FILTER_MS else [])


def _without_a_mouse(browser: Any, url: str) -> list[str]:
    page = _open(browser, url)
    asked: list[str] = []
    page.on("request", lambda entry: asked.append(entry.url))
    page.focus(".card input:enabled[tabindex='0'], .card .open[tabindex='0']")
    keys = page.keyboard
    keys.press("End")
    keys.press("x")
    keys.press("ArrowRight")  # to the next page
    second = page.inner_text("#page")
    keys.press("x")
    keys.press("ArrowDown")
    keys.press("Enter")
    keys.press("x")
    keys.press("Escape")
    back = page.evaluate(AT)
    keys.press("Home")
    ticked = page.inner_text("#ticked")
    reached = _by_tab(page)
    page.focus("#save")
    with page.expect_download() as saved, tempfile.TemporaryDirectory() as folder:
        keys.press("Enter")
        path = Path(folder) / "rejected.csv"
        saved.value.save_as(path)
        picks = read_selection(path)
    wrong = [
        f"the Tab key does not reach {stop}" for stop in STOPS if stop not in reached
    ]
    if (second[:6], ticked, back) != ("page 2", "3 ticked.", "open"):
        wrong.append(f"keys: {second!r}, {ticked!r}, then at {back!r}")
    if len({(pick.id, pick.image) for pick in picks}) != 3:
        wrong.append(f"the list holds {picks}")
    wrong += [
        f"it asked for {text}"
        for text in asked
        if not text.startswith(("data:", "blob:"))
    ]
    page.context.close()
    return wrong


def _by_tab(page: Any) -> set[str]:
    """Return what the Tab key comes to, from the top to the end."""
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    reached: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(AT))
    return reached


def _on_each_screen(browser: Any, url: str) -> list[str]:
    """Return what does not fit a phone, a tablet or a desk."""
    wrong = []
    for width_px in WIDTHS_PX:
        page = _open(browser, url, width_px)
        faults = page.evaluate(MEASURE)
        wrong += [f"{width_px} px: {fault}" for fault in faults]
        page.context.close()
    return wrong


if __name__ == "__main__":
    sys.exit(main())
