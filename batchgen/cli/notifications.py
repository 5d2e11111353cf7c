"""`[notify]` of a job: messages about the end of a run, its budget, and outages.

Addresses hold secrets, so they stand in the environment alone, and nothing shows them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from batchgen.cli.display import Display
from batchgen.cli.formatting import NO_MONEY
from batchgen.cli.messages import write_error
from batchgen.errors import SpecError
from batchgen.model import Job, dollars
from batchgen.runner.progress import Progress

ADDRESSES = "BATCHGEN_NOTIFY_URLS"
LOOK_EVERY_S = 5.0
BUDGET_CODE = 4
"""Exit code of a run that stopped at its budget."""

Send = Callable[[str, str], bool]
"""Sends a title and a text; returns whether all addresses took it."""

_INSTALL = "it needs a package more: pip install 'batchgen[notify]'"


@dataclass(slots=True)
class Notifications:
    """What a job wants to be told, and how.

    Attributes:
        events: `end`, `budget`, `outage`.
        outage_s: How long an outage lasts before it is told.
    """

    name: str
    events: tuple[str, ...]
    outage_s: float
    send: Send
    _told: set[str] = field(default_factory=set)

    async def watch(self, progress: Progress) -> None:
        """Tell of outages until cancelled."""
        while "outage" in self.events:
            for title, text in self.news(progress.outages()):
                await anyio.to_thread.run_sync(
                    self.tell, title, text, abandon_on_cancel=True
                )
            await anyio.sleep(LOOK_EVERY_S)

    def news(self, outages: Mapping[str, float]) -> list[tuple[str, str]]:
        """Return what is new about outages, each as a title and a text.

        Args:
            outages: Seconds so far by provider.
        """
        long = {name for name, age_s in outages.items() if age_s >= self.outage_s}
        begun, over = sorted(long - self._told), sorted(self._told - outages.keys())
        self._told = (self._told | long) - set(over)
        return [*map(self._begun, begun, map(outages.__getitem__, begun))] + [
            (f"{self.name}: {name} answers again", "The run goes on.") for name in over
        ]

    def _begun(self, provider: str, age_s: float) -> tuple[str, str]:
        text = (
            f"For {age_s / 60:.0f} minutes no purchase has succeeded. The run waits, "
            "and tries one now and then."
        )
        return f"{self.name}: {provider} does not answer", text

    def end(self, document: Mapping[str, Any]) -> None:
        """Tell of the end of a run, if that is wanted.

        Args:
            document: The fields of its summary, or of its error.
        """
        is_budget = document["exit_code"] == BUDGET_CODE
        if "end" in self.events or (is_budget and "budget" in self.events):
            title = "stopped at the budget" if is_budget else "ended"
            self.tell(f"{self.name}: {title}", _ending(document))

    def tell(self, title: str, text: str) -> None:
        """Send a message; if that fails, it is said and changes nothing."""
        if not self.send(title, text):
            write_error(
                f'batchgen: not every address in {ADDRESSES} took the message "{title}"'
            )


def _ending(document: Mapping[str, Any]) -> str:
    lines = [f"exit code {document['exit_code']}"]
    rows = document.get("rows") or {}
    if rows:
        counts = [f"{count} {status}" for status, count in rows.items() if count]
        lines.append(f"rows: {', '.join(counts) or 'none'}")
    if (spent := document.get("spent_usd")) is not None:
        is_pretend = document.get("rehearsed")
        mark = f" ({NO_MONEY})" if is_pretend else ""
        word = "pretend cost" if is_pretend else "spent"
        lines.append(f"{word} {dollars(spent)}{mark}")
    error = document.get("error") or {}
    message = document.get("message") or error.get("message")
    return "\n".join([*lines, *([message] if message else [])])


def notifications_of(job: Job) -> Notifications | None:
    """Return the notifications of a job; None if it wants none.

    Raises:
        SpecError: the package or the addresses are missing, or one is wrong.
    """
    if not job.notify_on:
        return None
    return Notifications(
        job.source.stem, job.notify_on, job.notify_outage_minutes * 60, _sender(job)
    )


def _sender(job: Job) -> Send:
    addresses = os.environ.get(ADDRESSES, "").split()
    if not addresses:
        raise SpecError(
            f"{job.source.name}: [notify] needs addresses: export {ADDRESSES}=ADDRESS "
            "(several with blanks between them; github.com/caronc/apprise lists how "
            "they look). They never stand in a file"
        )
    try:
        # Imported here: few jobs notify.
        from apprise import Apprise
    except ImportError as error:
        raise SpecError(f"{job.source.name}: [notify]: {_INSTALL}") from error
    # What it logs holds addresses.
    logger = logging.getLogger("apprise")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    service = Apprise()
    for number, address in enumerate(addresses, start=1):
        if not service.add(address):
            raise SpecError(
                f"{ADDRESSES}: address {number} is none that apprise knows (it is not "
                "shown here, since addresses hold secrets): see "
                "github.com/caronc/apprise for how they look"
            )

    def send(title: str, text: str) -> bool:
        return bool(service.notify(title=title, body=text))

    return send


def notifying(display: Display, notifications: Notifications) -> Display:
    """Return a display that also tells of outages meanwhile."""

    async def show(progress: Progress) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(notifications.watch, progress)
            await display(progress)

    return show
