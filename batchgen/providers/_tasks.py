"""Read tasks and uploads: shared by the providers that sell tasks."""

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
    TaskLost,
)
from batchgen.model import Accepted, Blob, Delivered, Json, Link, Reply, Running
from batchgen.providers._decoding import (
    describe,
    fields,
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
from batchgen.providers._reply_charges import with_charge
from batchgen.providers._reply_errors import error_by_status, purchase_error
from batchgen.providers._reply_images import images_at, images_in
from batchgen.providers._stated_errors import stated_status
from batchgen.providers._task_states import (
    FAILURE_STATES,
    PENDING_STATES,
    SUCCESS_STATES,
)

LONGEST_ESTIMATE_S = 3600  # a longer one is a broken number [assumed]
TASK_ID = re.compile(r"[!-~]{1,200}")  # it becomes part of a URL
STATE_KEYS = ("status", "state", "task_status", "taskStatus")
_NO_ERRORS = frozenset({"", "none", "null", "ok", "success", "no error", "0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task in a reply.

    Attributes:
        provider: Registered name of the provider.
        document: The task itself, unchanged.
        results: The part of it that holds the images, by the provider's documents.
        estimate: The part of it that states how many seconds it takes.
        usage: The charge that it states, in the provider's own units.
        error_types: Our errors by the provider's types and codes, for errors after
            which the same request fails again.
        other_documents: Further tasks of the same purchase.
    """

    provider: str
    document: Mapping[str, Json]
    results: Json
    estimate: Json = None
    usage: Mapping[str, Decimal] = field(default_factory=dict)
    error_types: Mapping[str, type[AttemptError]] = field(default_factory=dict)
    other_documents: tuple[Mapping[str, Json], ...] = ()

    @property
    def id(self) -> str | None:
        """Its id; None where there is none that can be polled."""
        return _id_of(self.document)

    @property
    def state(self) -> str:
        """The provider's word for its state, in lower case, joined by `_`."""
        texts = (text_of(self.document.get(key)) for key in STATE_KEYS)
        word = next(filter(None, texts), "").lower()
        return re.sub(r"[\s-]+", "_", word)

    def read_submit(self, reply: Reply) -> Delivered | Accepted:
        """Read the reply to a submit; the task may already be at its end [assumed].

        Raises:
            ReplyMalformed: it names no task; there may be one nevertheless.
            AttemptError: the task has failed, or was not accepted.
        """
        ids = list(filter(None, map(_id_of, (self.document, *self.other_documents))))
        if len(ids) < 2 and self._has_failed():
            has_status = stated_status(reply.body) is not None or not ids
            raise (
                self._submit_error(reply)
                if has_status and not self.state
                else self._failure()
            )
        if len(ids) < 2 and self.state not in PENDING_STATES:
            images = self._images() or images_of_plain_body(reply)
            if images:
                return self._delivered(images)
        if not ids:
            raise self._submit_error(reply)
        seconds = number(self.estimate)
        is_plausible = seconds and seconds <= LONGEST_ESTIMATE_S
        return Accepted(
            handle=" ".join(dict.fromkeys(ids)),
            estimate_s=float(seconds or 0) if is_plausible else None,
        )

    def read_poll(self, reply: Reply) -> Delivered | Running:
        """Read the reply to a poll; an undocumented state is not an end.

        An error or images are an end, whatever the state says.

        Raises:
            NoImage: the task is completed without a result.
            ReplyMalformed: it cannot be read.
            AttemptError: the task has failed.
        """
        status = None if self.id or self.state else stated_status(reply.body)
        if status is not None:
            raise poll_error(self.provider, replace(reply, status=status))
        if self._has_failed():
            raise self._failure()
        is_under_way = self.state in PENDING_STATES and not self._is_at_100()
        images = () if is_under_way else self._images()
        if images:
            return self._delivered(images)
        if self.state not in {"", *SUCCESS_STATES}:
            return Running()
        if error := self._error_of_items():
            raise self._failure(error)
        if self.state and not _may_hold_link(self.results):
            raise self._error(NoImage, "completed without a result")
        text = f"a task that cannot be read; {describe(dict(self.document))}"
        raise self._error(ReplyMalformed, text)

    def _has_failed(self) -> bool:
        """Say whether its state is a failure, or it has an error and no images."""
        if self.state in FAILURE_STATES:
            # A link is better evidence than the state alone.
            has_no_message = not stated_message(dict(self.document))
            return not (has_no_message and images_at(self.results))
        return _is_error(self.document.get("error")) and not self._images()

    def _is_at_100(self) -> bool:
        progress = self.document.get("progress")
        return number(progress) == 100 or text_of(progress) in {"100", "100%"}

    def _failure(self, error: Json = None) -> AttemptError:
        document = dict(self.document)
        error = error or document.get("error")
        text = stated_message({**document, "error": error})
        text = text or f"the task ended as {self.state}"
        inner = fields(error)
        codes = [text_of(inner.get(key)).lower() for key in ("type", "code")]
        if policy_reason("; ".join((text, self.state, *codes))):
            return self._error(Refused, text)
        matches = (self.error_types.get(code) for code in codes)
        return self._error(next(filter(None, matches), GenerationFailed), text)

    def _error_of_items(self) -> Json:
        """Return the error of a finished task's items, where they have any."""
        results = self.results if isinstance(self.results, list) else [self.results]
        items = [item for each in results for item in (each, *objects(each))]
        errors = (fields(item).get("error") for item in items)
        return next((error for error in errors if _is_error(error)), None)

    def _error(self, kind: type[AttemptError], text: str) -> AttemptError:
        """Return an error; a charge that the task does not state is unknown."""
        delivered = self._delivered(())
        return with_charge(kind(self.provider, text, Charge.UNKNOWN), delivered)

    def _submit_error(self, reply: Reply) -> AttemptError:
        """Return why a submit made no task that can be polled."""
        delivered = self._delivered(())
        error = purchase_error(self.provider, reply, delivered, is_documented=False)
        if not isinstance(error, ReplyMalformed):
            return error
        return self._error(ReplyMalformed, f"no task id; {message_of(reply.body)}")

    def _images(self) -> tuple[Link | Blob, ...]:
        """Return its images, at the documented places or under usual names."""
        # A task that is only accepted may repeat its request, with the references.
        is_open = bool(self.state) or self.id is not None
        may_echo = is_open and self.state not in SUCCESS_STATES
        document = dict(self.document)
        images = images_at(self.results) or images_in(document, may_echo=may_echo)
        if not images and self.state in SUCCESS_STATES:
            images = images_at(document.get("url"), document.get("urls"))
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
        if any(_id_of(task) or any(map(task.get, STATE_KEYS)) for task in tasks):
            return tasks
    return [holder]


def _id_of(task: Mapping[str, Json]) -> str | None:
    texts = (text_of(task.get(key)) for key in ("id", "task_id", "taskId"))
    return next((text for text in texts if TASK_ID.fullmatch(text)), None)


def _is_error(error: Json) -> bool:
    """Say whether an error holds anything; some tasks always have an empty one."""
    if isinstance(error, dict):
        code = text_of(error.get("code")) or number(error.get("code"))
        return bool(text_of(error).lower() not in _NO_ERRORS or code)
    if isinstance(error, str):
        return error.strip().lower() not in _NO_ERRORS
    return bool(error) if isinstance(error, list) else False


def _may_hold_link(results: Json, depth: int = 6) -> bool:
    """Say whether the place of results holds anything that could be a link."""
    if isinstance(results, dict):
        results = [results.get("url"), results.get("urls")]
    if isinstance(results, list):
        return depth > 0 and any(_may_hold_link(item, depth - 1) for item in results)
    return bool(results)


def images_of_plain_body(reply: Reply) -> tuple[Link | Blob, ...]:
    """Return the images of a success whose body is bytes, a text, or a list."""
    is_bare = 200 <= reply.status < 300 and not isinstance(reply.body, dict)
    return images_in(reply.body) if is_bare else ()


def poll_error(provider: str, reply: Reply) -> AttemptError:
    """Return why a poll failed; only a task that the provider lost ends by it."""
    message = message_of(reply.body)
    text = f"{message}; {message_and_codes(reply.body)}"
    if isinstance(reply.body, dict):
        if reply.status in (404, 410) or says_task_unknown(text):
            return TaskLost(provider, message)
        if policy_reason(text) and reply.status != 429:
            # Some answer the poll of a refused task with an error.
            return Refused(provider, message, Charge.UNKNOWN)
        if lacks_credit(text):
            return OutOfCredit(provider, message)
        if reply.status in (400, 403) and (blames_account(text) or blames_key(text)):
            return CredentialRejected(provider, message)
    if reply.status in (401, 402, 429) or reply.status >= 500:
        return error_by_status(provider, reply, message)
    return Incomplete(provider, f"no answer to a poll; {message}")
