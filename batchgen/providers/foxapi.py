"""FoxAPI, Nano Banana 2: submit a task, poll it, fetch links that live 24 hours.

Source: the model's page (aif-207f9f5d.mintlify.app) and docs.foxapi.cc, pages
get-task-detail and error-codes; read 2026-11-20. The names of the request's fields
come from a public client of api.foxapi.cc, the pages list only their values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import quote

from batchgen import errors
from batchgen.decoding import (
    describe,
    error_by_status,
    error_by_words,
    fields,
    link,
    number,
    policy_reason,
    text_of,
    words_of,
)
from batchgen.errors import AttemptError, Charge
from batchgen.model import (
    Accepted,
    Call,
    Capabilities,
    Carried,
    Delivered,
    Endpoint,
    ImageRequest,
    Json,
    Link,
    OptionRule,
    Price,
    PriceList,
    ReferenceRules,
    Reply,
    Running,
)
from batchgen.provider import Defaults, PollSchedule

NAME = "foxapi"
LONGEST_ESTIMATE_S = 3600  # a longer one is a broken number [assumed]
TASK_ID = re.compile(r"[!-~]{1,200}")  # it becomes part of a URL
# An error's type says more than its status; `invalid_request_error` says nothing
# that 4xx does not.
STATUS_OF_TYPE = MappingProxyType(
    {
        "authentication_error": 401,
        "insufficient_quota": 402,
        "not_found": 404,
        "rate_limit_error": 429,
        "server_error": 500,
    }
)
# Codes of failed tasks after which the same request fails again; the list is from
# the older of two versions of the page, so an unknown code may be asked again.
INVALID = frozenset({"invalid_image_url", "file_too_large", "unsupported_format"})
ADVICE = (
    "no channel serves all optional fields of this row: leave out output_format, "
    "web_search or image_search, whichever it states"
)
FAILED = frozenset({"failed", "cancelled", "canceled"})


class FoxApi:
    """Encode a request for FoxAPI, ask for its task, and decode the replies."""

    name = NAME
    defaults = Defaults(
        base_url="https://api.foxapi.cc",
        model="gemini-3.1-flash-image-preview",
        rpm=None,  # a limit per key exists, its number is not published
        concurrency=16,
        reply_timeout_s=60.0,
        source="docs.foxapi.cc, read 2026-11-20; concurrency and timeout assumed",
    )
    capabilities = Capabilities(
        aspect_ratios=(
            *("1:1", "1:4", "1:8", "2:3", "3:2", "3:4", "4:1", "4:3", "4:5"),
            *("5:4", "8:1", "9:16", "16:9", "21:9", "auto"),
        ),
        resolutions=("512", "1K", "2K", "4K"),
        default_resolution="1K",  # not documented: encode always says it
        images_per_request=1,  # [assumed]: no field for a number of images
        references=ReferenceRules(most=14, carriers=("link", "upload")),
        options=MappingProxyType(
            dict.fromkeys(("output_format", "web_search", "image_search"), OptionRule())
        ),
    )
    prices: PriceList = MappingProxyType({})  # published nowhere
    rates: Mapping[str, Price] = MappingProxyType({})
    # [assumed]: nothing is said about polling.
    polling = PollSchedule(first_s=3.0, every_s=3.0, factor=1.25, longest_s=15.0)

    def encode(
        self,
        request: ImageRequest,
        model: str,
        endpoint: Endpoint,
        references: Sequence[Carried] = (),
    ) -> Call:
        """Return the request that submits one task.

        What the row leaves open is left out, since each optional field narrows the
        channels that can serve it. The resolution is the exception: it decides the
        price, and its default is not documented.
        """
        resolution = request.resolution or self.capabilities.default_resolution
        body: dict[str, object] = {
            "model": model,
            "prompt": request.prompt,
            "resolution": "0.5K" if resolution == "512" else resolution,
        }
        match request.aspect_ratio:
            case "auto" if references:
                body["aspect_ratio"] = "match_input_image"
            case None | "auto":
                pass  # without an image to match, the choice is the provider's
            case ratio:
                body["aspect_ratio"] = ratio
        if references:
            body["image_urls"] = [it.url for it in references if isinstance(it, Link)]
        if request.options.get("output_format"):
            body["output_format"] = request.options["output_format"]
        if request.options.get("web_search"):
            body["google_search"] = True
        if request.options.get("image_search"):
            body["image_search"] = True
        return Call(
            method="POST",
            url=endpoint.at("/v1/images/generations"),
            headers={"authorization": f"Bearer {endpoint.key}"},
            json=body,
        )

    def decode(self, reply: Reply) -> Delivered | Accepted:
        """Read the answer to a submit, which may be at its end already [assumed]."""
        if not 200 <= reply.status < 300:
            raise _submit_error(reply)
        task = fields(reply.body)
        if _state(task) in FAILED:
            raise _failure(task)
        if _state(task) == "completed" and (links := _links(task)):
            return Delivered(images=links, request_id=_task_id(task))
        task_id = _task_id(task)
        if task_id is None:
            words = words_of(reply.body) or describe(reply.body)
            raise errors.ReplyMalformed(NAME, f"no task id; {words}", Charge.UNKNOWN)
        return Accepted(task_id=task_id, estimate_s=_estimate_s(task))

    def encode_poll(self, task_id: str, endpoint: Endpoint) -> Call:
        """Return the request that asks how a task stands.

        Without `sync_upstream`, which can show a completed task without its results.
        """
        return Call(
            method="GET",
            url=endpoint.at(f"/v1/tasks/{quote(task_id, safe='')}"),
            headers={"authorization": f"Bearer {endpoint.key}"},
        )

    def decode_poll(self, reply: Reply) -> Delivered | Running:
        """Read the answer to a poll; a state that is not documented is not an end."""
        if not 200 <= reply.status < 300:
            raise _poll_error(reply)
        if not isinstance(reply.body, dict):
            raise errors.Incomplete(NAME, f"the poll brought {describe(reply.body)}")
        task = reply.body
        links = _links(task)
        match _state(task):
            case "completed" | "" if links:
                return Delivered(images=links, request_id=_task_id(task))
            case "completed" if not _addresses(task):
                words = "completed without a result"
                raise errors.NoImage(NAME, words, request_id=_task_id(task))
            case "completed" | "":
                words = f"a task that cannot be read; {describe(task)}"
                raise errors.ReplyMalformed(NAME, words, request_id=_task_id(task))
            case state if state in FAILED:
                raise _failure(task)
            case _:
                return Running()


def _state(task: Mapping[str, Json]) -> str:
    return text_of(task.get("status")).lower()


def _estimate_s(task: Mapping[str, Json]) -> float | None:
    seconds = number(fields(task.get("task_info")).get("estimated_time"))
    return float(seconds) if seconds and seconds <= LONGEST_ESTIMATE_S else None


def _task_id(task: Mapping[str, Json]) -> str | None:
    texts = (text_of(task.get(key)) for key in ("id", "task_id"))
    return next((text for text in texts if TASK_ID.fullmatch(text)), None)


def _addresses(task: Mapping[str, Json]) -> list[Json]:
    """Return what stands where links belong, in both documented shapes."""
    output = fields(task.get("output"))
    places = (task.get("results"), output.get("url"), output.get("urls"))
    lists = (place if isinstance(place, list) else [place] for place in places)
    found = (
        item.get("url") if isinstance(item, dict) else item
        for items in lists
        for item in items
    )
    return [address for address in found if address]


def _links(task: Mapping[str, Json]) -> tuple[Link, ...]:
    found = (link(address) for address in _addresses(task))
    return tuple(dict.fromkeys(each for each in found if each))


def _failure(task: Mapping[str, Json]) -> AttemptError:
    """Return the error of a failed task; whether it is charged is not documented."""
    error = fields(task.get("error"))
    message = words_of(dict(task)) or f"the task ended as {_state(task)}"
    kind: type[AttemptError] = errors.GenerationFailed
    if policy_reason(message):
        kind = errors.Refused
    elif text_of(error.get("code")).lower() in INVALID:
        kind = errors.RequestInvalid
    return kind(NAME, message, Charge.UNKNOWN, request_id=_task_id(task))


def _by_type(reply: Reply) -> tuple[Reply, str]:
    """Return an error with the status that its type stands for, and its words."""
    kind = text_of(fields(fields(reply.body).get("error")).get("type"))
    status = STATUS_OF_TYPE.get(kind, reply.status)
    return replace(reply, status=status), words_of(reply.body) or describe(reply.body)


def _submit_error(reply: Reply) -> AttemptError:
    error = fields(fields(reply.body).get("error"))
    reply, message = _by_type(reply)
    if text_of(error.get("code")) == "unsupported_advanced_options":
        return errors.RequestInvalid(NAME, f"{message}; {ADVICE}")
    if text_of(error.get("type")) == "service_unavailable_error":
        return error_by_status(NAME, replace(reply, status=503), message)
    return error_by_words(NAME, reply, message)


def _poll_error(reply: Reply) -> AttemptError:
    """Return why a poll failed; it ends the task only if the provider lost it."""
    reply, message = _by_type(reply)
    if reply.status in (404, 410) and isinstance(reply.body, dict):
        return errors.TaskLost(NAME, message)
    if reply.status in (401, 402, 429) or reply.status >= 500:
        return error_by_status(NAME, reply, message)
    return errors.Incomplete(NAME, message)
