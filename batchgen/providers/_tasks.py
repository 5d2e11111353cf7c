"""Reading tasks and uploads: what the providers share that sell tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from batchgen.errors import (
    AttemptError,
    Charge,
    CredentialRejected,
    GenerationFailed,
    Incomplete,
    NoImage,
    OutOfCredit,
    Refused,
    ReplyMalformed,
    RequestInvalid,
    TaskLost,
)
from batchgen.model import Accepted, Blob, Delivered, Json, Link, Reply, Running
from batchgen.providers._decoding import (
    describe,
    fields,
    link,
    message_and_codes,
    message_of,
    number,
    objects,
    stated_message,
    text_of,
)
from batchgen.providers._reasons import (
    blames_account,
    blames_key,
    lacks_credit,
    policy_reason,
    says_task_unknown,
)
from batchgen.providers._reply_errors import (
    error_by_status,
    purchase_error,
    with_charge,
)
from batchgen.providers._reply_images import images_at, images_in
from batchgen.providers._stated_errors import stated_status
from batchgen.providers._task_states import ENDED_BADLY, ENDED_WELL, UNDER_WAY

LONGEST_ESTIMATE_S = 3600  # a longer one is a broken number [assumed]
TASK_ID = re.compile(r"[!-~]{1,200}")  # it becomes part of a URL
STATES = ("status", "state", "task_status", "taskStatus")
_NO_ERRORS = frozenset({"", "none", "null", "ok", "success", "no error", "0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as a reply shows it.

    Attributes:
        provider: Registered name of the provider.
        shown: The task itself, as it came.
        results: What of it holds the images, by the provider's documents.
        estimate: What of it says how many seconds it takes.
        usage: What it says was charged, in units of the provider's own.
        kinds: Types and codes of errors after which the same request fails again.
        others: Further tasks of the same purchase.
    """

    provider: str
    shown: Mapping[str, Json]
    results: Json
    estimate: Json = None
    usage: Mapping[str, Decimal] = field(default_factory=dict)
    kinds: Mapping[str, type[AttemptError]] = field(default_factory=dict)
    others: tuple[Mapping[str, Json], ...] = ()

    @property
    def id(self) -> str | None:
        """Its id, None where there is none that can be asked for."""
        return _id_of(self.shown)

    @property
    def state(self) -> str:
        """The provider's word for its state, in lower case, parted by `_`."""
        words = (text_of(self.shown.get(key)) for key in STATES)
        word = next(filter(None, words), "").lower()
        return re.sub(r"[\s-]+", "_", word)

    def submitted(self, reply: Reply) -> Delivered | Accepted:
        """Return what a submit brought, which may be at its end already [assumed].

        Raises:
            ReplyMalformed: no task can be asked for; there may be one all the same.
            AttemptError: it has failed, or was not taken.
        """
        ids = list(filter(None, map(_id_of, (self.shown, *self.others))))
        if len(ids) < 2 and self._has_ended_badly():
            is_told = stated_status(reply.body) is not None or not ids
            raise (
                self._not_taken(reply)
                if is_told and not self.state
                else self._failure()
            )
        if len(ids) < 2 and self.state not in UNDER_WAY:
            images = self._images() or bare_images(reply)
            if images:
                return self._delivered(images)
        if not ids:
            raise self._not_taken(reply)
        seconds = number(self.estimate)
        believed = seconds and seconds <= LONGEST_ESTIMATE_S
        return Accepted(
            handle=" ".join(dict.fromkeys(ids)),
            estimate_s=float(seconds or 0) if believed else None,
        )

    def polled(self, reply: Reply) -> Delivered | Running:
        """Return how it stands; a state that is not documented is not an end.

        Its error or its images tell an end, whatever its word is.

        Raises:
            NoImage: it is completed without a result.
            ReplyMalformed: it cannot be read.
            AttemptError: it has failed.
        """
        status = None if self.id or self.state else stated_status(reply.body)
        if status is not None:
            raise poll_error(self.provider, replace(reply, status=status))
        if self._has_ended_badly():
            raise self._failure()
        is_under_way = self.state in UNDER_WAY and not self._is_at_100()
        images = () if is_under_way else self._images()
        if images:
            return self._delivered(images)
        if self.state not in {"", *ENDED_WELL}:
            return Running()
        if error := self._error_of_items():
            raise self._failure(error)
        if self.state and not _is_something(self.results):
            raise self._error(NoImage, "completed without a result")
        words = f"a task that cannot be read; {describe(dict(self.shown))}"
        raise self._error(ReplyMalformed, words)

    def _has_ended_badly(self) -> bool:
        """Say whether its word is a bad end, or it has an error and no images."""
        if self.state in ENDED_BADLY:
            # Links say more than a word alone.
            is_word_alone = not stated_message(dict(self.shown))
            return not (is_word_alone and images_at(self.results))
        return _is_error(self.shown.get("error")) and not self._images()

    def _is_at_100(self) -> bool:
        progress = self.shown.get("progress")
        return number(progress) == 100 or text_of(progress) in {"100", "100%"}

    def _failure(self, error: Json = None) -> AttemptError:
        shown = dict(self.shown)
        error = error or shown.get("error")
        words = stated_message({**shown, "error": error})
        words = words or f"the task ended as {self.state}"
        inner = fields(error)
        codes = [text_of(inner.get(key)).lower() for key in ("type", "code")]
        if policy_reason("; ".join((words, self.state, *codes))):
            return self._error(Refused, words)
        kinds = (self.kinds[word] for word in codes if word in self.kinds)
        return self._error(next(kinds, GenerationFailed), words)

    def _error_of_items(self) -> Json:
        """Return the error of a finished task's items, where they have any."""
        held = self.results if isinstance(self.results, list) else [self.results]
        items = [item for each in held for item in (each, *objects(each))]
        errors = (fields(item).get("error") for item in items)
        return next((error for error in errors if _is_error(error)), None)

    def _error(self, kind: type[AttemptError], words: str) -> AttemptError:
        """Return an error; a charge of which the task says nothing is unknown."""
        said = self._delivered(())
        return with_charge(kind(self.provider, words, Charge.UNKNOWN), said)

    def _not_taken(self, reply: Reply) -> AttemptError:
        """Return why a submit made no task that can be asked for."""
        said = self._delivered(())
        error = purchase_error(self.provider, reply, said, is_documented=False)
        if not isinstance(error, ReplyMalformed):
            return error
        words = f"no task id; {message_of(reply.body)}"
        return self._error(ReplyMalformed, words)

    def _images(self) -> tuple[Link | Blob, ...]:
        """Return its images, at the documented places or under names of results."""
        # What has only been accepted may show its request, references and all.
        is_open = bool(self.state) or self.id is not None
        may_echo = is_open and self.state not in ENDED_WELL
        shown = dict(self.shown)
        images = images_at(self.results) or images_in(shown, may_echo=may_echo)
        if not images and self.state in ENDED_WELL:
            images = images_at(shown.get("url"), shown.get("urls"))
        return images

    def _delivered(self, images: tuple[Link | Blob, ...]) -> Delivered:
        return Delivered(images=images, usage=self.usage, request_id=self.id)


def tasks_in(body: Json) -> list[dict[str, Json]]:
    """Return the tasks of a reply, at least one, which may be empty.

    They are the reply itself, or stand in its `data` or `tasks` as an object, a list
    of objects, or a list of ids.
    """
    holder = fields(body)
    if _id_of(holder) and text_of(holder.get("status")):
        return [holder]
    for key in ("data", "tasks", "task", "task_ids"):
        value = holder.get(key)
        items = value if isinstance(value, list) else [value]
        tasks = [fields(item) for item in items if fields(item)]
        if "task" in key:
            tasks += [{"id": item} for item in items if isinstance(item, str)]
        if any(_id_of(task) or any(map(task.get, STATES)) for task in tasks):
            return tasks
    return [holder]


def _id_of(task: Mapping[str, Json]) -> str | None:
    texts = (text_of(task.get(key)) for key in ("id", "task_id", "taskId"))
    return next((text for text in texts if TASK_ID.fullmatch(text)), None)


def _is_error(error: Json) -> bool:
    """Say whether an error holds anything; some send an empty one with each task."""
    if isinstance(error, dict):
        code = text_of(error.get("code")) or number(error.get("code"))
        return bool(text_of(error).lower() not in _NO_ERRORS or code)
    if isinstance(error, str):
        return error.strip().lower() not in _NO_ERRORS
    return bool(error) if isinstance(error, list) else False


def _is_something(results: Json, depth: int = 6) -> bool:
    """Say whether anything that could be a link stands where results belong."""
    if isinstance(results, dict):
        results = [results.get("url"), results.get("urls")]
    if isinstance(results, list):
        return depth > 0 and any(_is_something(item, depth - 1) for item in results)
    return bool(results)


def bare_images(reply: Reply) -> tuple[Link | Blob, ...]:
    """Return the images of a success that is no object: bytes, a text, or a list."""
    is_bare = 200 <= reply.status < 300 and not isinstance(reply.body, dict)
    return images_in(reply.body) if is_bare else ()


def poll_error(provider: str, reply: Reply) -> AttemptError:
    """Return why a poll failed; it ends the task only if the provider lost it."""
    message = message_of(reply.body)
    words = f"{message}; {message_and_codes(reply.body)}"
    if isinstance(reply.body, dict):
        if reply.status in (404, 410) or says_task_unknown(words):
            return TaskLost(provider, message)
        if policy_reason(words) and reply.status != 429:
            # Some answer the question for a refused task with an error.
            return Refused(provider, message, Charge.UNKNOWN)
        if lacks_credit(words):
            return OutOfCredit(provider, message)
        if reply.status in (400, 403) and (blames_account(words) or blames_key(words)):
            return CredentialRejected(provider, message)
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
    place_now = link(place)
    is_usable = place_now is not None and place_now.url.lower().startswith("http")
    if 200 <= reply.status < 300 and not is_usable:
        # Some state an error's status in the body alone.
        reply = replace(reply, status=stated_status(reply.body) or reply.status)
    if not 200 <= reply.status < 300:
        raise _upload_error(provider, reply, message)
    if place_now is None or not is_usable:
        words = f"an upload without a link; {message}"
        raise ReplyMalformed(provider, words, Charge.NONE)
    return place_now


def _upload_error(provider: str, reply: Reply, message: str) -> AttemptError:
    """Return why an image was not taken; an upload buys nothing, however it fails."""
    words = f"{message}; {message_and_codes(reply.body)}"
    if isinstance(reply.body, dict) and lacks_credit(words):
        return OutOfCredit(provider, message)
    is_about_key = blames_account(words) or blames_key(words)
    if isinstance(reply.body, dict) and reply.status in (400, 403) and is_about_key:
        return CredentialRejected(provider, message)
    return error_by_status(provider, reply, message, failures_are_free=True)
