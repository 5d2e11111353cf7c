"""Measure a page in a real Chromium as wide as a phone, a tablet or a desk.

The page is laid out in frames of these widths, so that the window may be of any size,
and no package drives the browser.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)

MEASURE = """() => {
  const faults = [];
  const width = innerWidth;
  const root = document.documentElement;
  if (root.scrollWidth > width) faults.push(`the page is ${root.scrollWidth} px wide`);
  const start = (node) => node.textContent.trim().slice(0, 40);
  const name = (node) => `${node.tagName} ${node.id} ${start(node)}`;
  const isCut = (node) => {
    for (let each = node.parentElement; each; each = each.parentElement) {
      if (getComputedStyle(each).overflowX !== "visible") return true;
    }
    return false;
  };
  for (const node of document.querySelectorAll("body *:not(script, .skip)")) {
    const box = node.getBoundingClientRect();
    const isOutside = box.right > width + 1 || box.left < -1;
    if (box.width && box.height && isOutside && !isCut(node)) {
      faults.push(`outside: ${name(node)}`);
    }
  }
  for (const node of document.querySelectorAll(".scroll")) {
    if (node.scrollWidth > node.clientWidth + 1) faults.push(`cut: ${name(node)}`);
  }
  for (const drawing of document.querySelectorAll("figure svg")) {
    const around = drawing.closest("figure").getBoundingClientRect();
    const labels = [...drawing.querySelectorAll("text")]
      .map((node) => [node.textContent, node.getBoundingClientRect()])
      .filter(([, box]) => box.width);
    labels.forEach(([text, box], number) => {
      if (box.left < around.left || box.right > around.right) {
        faults.push(`label outside: ${text}`);
      }
      for (const [other, its] of labels.slice(number + 1)) {
        const isBeside = box.right <= its.left + 1 || its.right <= box.left + 1;
        const isAbove = box.bottom <= its.top + 3 || its.bottom <= box.top + 3;
        if (!isBeside && !isAbove) faults.push(`labels overlap: ${text}, ${other}`);
      }
    });
  }
  return faults;
}"""
"""JavaScript that returns what does not fit, in words."""

_FRAME = """<pre id="faults-{width}">nothing was measured</pre>
<iframe width="{width}" height="900" srcdoc="{page}" style="border: 0"></iframe>"""
_INNER = """<script>
addEventListener("load", () => {{
  for (const group of document.querySelectorAll(".group")) group.hidden = false;
  const faults = ({measure})();
  const opener = document.querySelector(".card .open");
  if (opener) opener.click();
  const dialog = document.getElementById("detail");
  if (dialog.scrollWidth > dialog.clientWidth) faults.push("cut: the details");
  const place = parent.document.getElementById(`faults-${{innerWidth}}`);
  place.textContent = JSON.stringify(faults);
}});
</script>"""


def faults_at(
    widths_px: Sequence[int], page: Path, folder: Path
) -> dict[int, list[str]]:
    """Return what of a page does not fit into so many pixels, by their number.

    Args:
        widths_px: Of the screens.
        page: The page as it was written.
        folder: Where the browser may write.
    """
    assert CHROMIUM is not None
    text = page.read_text("utf-8")
    # Its policy lets no script but its own run, so it goes for the measurement.
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    text = text.replace("</body>", _INNER.format(measure=MEASURE) + "</body>")
    frames = [_FRAME.format(width=width, page=html.escape(text)) for width in widths_px]
    outer = folder / "outer.html"
    outer.write_text(f"<!doctype html>{''.join(frames)}", "utf-8")
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu"),
        *(f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=10000"),
        *("--window-size=1600,1000", "--dump-dom", outer.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, timeout=200, check=True)
    pattern = r'<pre id="faults-(\d+)">(.*?)</pre>'
    reports = re.findall(pattern, done.stdout.decode(), re.DOTALL)
    assert len(reports) == len(widths_px), done.stderr.decode()[-2000:]
    return {int(width): json.loads(html.unescape(faults)) for width, faults in reports}
