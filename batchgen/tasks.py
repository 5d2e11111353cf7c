"""Reading tasks and uploads: what the providers share that sell tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from batchgen.decoding import (
    addresses,
    as_charged,
    describe,
    error_by_status,
    fields,
    link,
    message_of,
    number,
    text_of,
    words_of,
)
from batchgen.errors import (
    AttemptError,
    Charge,
    GenerationFailed,
    Incomplete,
    NoImage,
    Refused,
    ReplyMalformed,
    RequestInvalid,
    TaskLost,
)
from batchgen.model import Accepted, Delivered, Json, Link, Reply, Running
from batchgen.reasons import policy_reason

LONGEST_ESTIMATE_S = 3600  # a longer one is a broken number [assumed]
TASK_ID = re.compile(r"[!-~]{1,200}")  # it becomes part of a URL
# Documented by one provider or another, or seen by its clients; any other word means
# that the task still runs.
ENDED_WELL = frozenset({"completed", "success", "succeeded"})
ENDED_BADLY = frozenset({"failed", "failure", "cancelled", "canceled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as a reply shows it.

    Attributes:
        provider: Registered name of the provider.
        shown: The task itself, as it came.
        results: What of it holds the links.
        estimate: What of it says how many seconds it takes.
        usage: What it says was charged, in units of the provider's own.
        kinds: Types and codes of errors after which the same request fails again.
    """

    provider: str
    shown: Mapping[str, Json]
    results: Json
    estimate: Json = None
    usage: Mapping[str, Decimal] = field(default_factory=dict)
    kinds: Mapping[str, type[AttemptError]] = field(default_factory=dict)

    @property
    def id(self) -> str | None:
        """Its id, None where there is none that can be asked for."""
        texts = (text_of(self.shown.get(key)) for key in ("id", "task_id"))
        return next((text for text in texts if TASK_ID.fullmatch(text)), None)

    @property
    def state(self) -> str:
        """The provider's word for its state, in lower case."""
        return text_of(self.shown.get("status")).lower()

    def submitted(self, reply: Reply) -> Delivered | Accepted:
        """Return what a submit brought, which may be at its end already [assumed].

        Raises:
            ReplyMalformed: no task can be asked for; there may be one all the same.
            AttemptError: it has failed.
        """
        if self.state in ENDED_BADLY:
            raise self._failure()
        if self.state in ENDED_WELL and (links := self._links()):
            return self._delivered(links)
        if self.id is None:
            words = f"no task id; {message_of(reply.body)}"
            raise self._error(ReplyMalformed, words)
        seconds = number(self.estimate)
        believed = seconds and seconds <= LONGEST_ESTIMATE_S
        return Accepted(
            task_id=self.id, estimate_s=float(seconds or 0) if believed else None
        )

    def polled(self) -> Delivered | Running:
        """Return how it stands; a state that is not documented is not an end.

        Raises:
            NoImage: it is completed without a result.
            ReplyMalformed: it cannot be read.
            AttemptError: it has failed.
        """
        if self.state in ENDED_BADLY:
            raise self._failure()
        if self.state not in {"", *ENDED_WELL}:
            return Running()
        if links := self._links():
            return self._delivered(links)
        if self.state and not addresses(self.results):
            raise self._error(NoImage, "completed without a result")
        words = f"a task that cannot be read; {describe(dict(self.shown))}"
        raise self._error(ReplyMalformed, words)

    def _failure(self) -> AttemptError:
        words = words_of(dict(self.shown)) or f"the task ended as {self.state}"
        if policy_reason(words):
            return self._error(Refused, words)
        error = fields(self.shown.get("error"))
        said = (text_of(error.get(key)).lower() for key in ("type", "code"))
        kinds = (self.kinds[word] for word in said if word in self.kinds)
        return self._error(next(kinds, GenerationFailed), words)

    def _error(self, kind: type[AttemptError], words: str) -> AttemptError:
        """Return an error; a charge of which the task says nothing is unknown."""
        said = self._delivered(())
        return as_charged(kind(self.provider, words, Charge.UNKNOWN), said)

    def _links(self) -> tuple[Link, ...]:
        found = (link(address) for address in addresses(self.results))
        return tuple(dict.fromkeys(each for each in found if each))

    def _delivered(self, links: tuple[Link, ...]) -> Delivered:
        return Delivered(images=links, usage=self.usage, request_id=self.id)


def poll_error(provider: str, reply: Reply) -> AttemptError:
    """Return why a poll failed; it ends the task only if the provider lost it."""
    message = message_of(reply.body)
    if reply.status in (404, 410) and isinstance(reply.body, dict):
        return TaskLost(provider, message)
    if reply.status in (401, 402, 429) or reply.status >= 500:
        return error_by_status(provider, reply, message)
    return Incomplete(provider, f"no answer to a poll; {message}")


def uploaded(provider: str, reply: Reply, place: Json) -> Link:
    """Return where an uploaded image is now: the link at `place` in the reply.

    Raises:
        AttemptError: it was not taken; nothing was bought in any case.
    """
    message = message_of(reply.body)
    if reply.status == 413:
        words = f"the image is too large to be uploaded; {message}"
        raise RequestInvalid(provider, words)
    if not 200 <= reply.status < 300:
        raise error_by_status(provider, reply, message)
    found = link(place)
    if found is None:
        words = f"an upload without a link; {message}"
        raise ReplyMalformed(provider, words, Charge.NONE)
    return found
