"""fal.ai, Nano Banana 2: submit to a queue, ask for the status, then for the result.

Source: the pages of fal-ai/nano-banana-2 and its `/edit` at fal.ai, and their llms.txt;
fal.ai/docs, pages queue, errors, request-errors, concurrency-limits and faq; the client
`fal_client` for the error that stands in a status; read 2026-11-30.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from urllib.parse import quote, urlsplit

from batchgen.providers.kit import (
    PIXELS_AT_1K,
    RESOLUTIONS,
    Accepted,
    AttemptError,
    Call,
    Capabilities,
    Charge,
    Defaults,
    Delivered,
    Endpoint,
    GenerationFailed,
    ImageRequest,
    Json,
    Next,
    NoImage,
    OptionRule,
    Payload,
    PollSchedule,
    Price,
    PriceList,
    RateList,
    ReferenceRules,
    Refused,
    Reply,
    RequestInvalid,
    Running,
    Task,
    as_urls,
    fields,
    images_of_plain_body,
    join_documents,
    message_of,
    objects,
    poll_error,
    purchase_error,
    stated_message,
    tasks_in,
    text_of,
)

NAME = "fal"
MODEL = "fal-ai/nano-banana-2"
HANDLE = re.compile(r"[!-~]{1,500}")
# Types of errors after which the same request fails again; after any other it may work.
KINDS: Mapping[str, type[AttemptError]] = MappingProxyType(
    {
        "content_policy_violation": Refused,
        "no_media_generated": NoImage,
        **dict.fromkeys(
            (
                *("file_download_error", "file_too_large", "image_load_error"),
                *("image_too_large", "image_too_small", "unsupported_image_format"),
                *("missing", "value_error", "literal_error", "string_too_short"),
            ),
            RequestInvalid,
        ),
    }
)


def _price(resolution: str, usd: str) -> Price:
    return Price(
        expected=Decimal(usd),
        ceiling=Decimal(usd),
        page="fal.ai, page of fal-ai/nano-banana-2",
        read_on=date(2026, 11, 30),
        resolution=resolution,
        models=frozenset({MODEL}),
        per_search=Decimal("0.015"),
    )


class Fal:
    """Encode a request for fal's queue, follow its task, and decode the replies."""

    name = NAME
    defaults = Defaults(
        base_url="https://queue.fal.run",
        model=MODEL,
        rpm=None,
        concurrency=10,
        reply_timeout_s=60.0,
        source="fal.ai/docs, read 2026-11-30; concurrency and timeout assumed",
        failed_tasks="unknown",
        failed_tasks_source="fal.ai/docs, faq, read 2026-11-30: those that end with "
        "5xx are free, those with 422 may be charged",
        key_variable="FAL_KEY",
        key_prefix="Key ",
    )
    capabilities = Capabilities(
        aspect_ratios=(*PIXELS_AT_1K, "auto"),
        resolutions=RESOLUTIONS,
        default_resolution="1K",
        images_per_request=4,
        references=ReferenceRules(max_count=14, carriers=("link", "inline")),
        options=MappingProxyType(
            {
                "output_format": OptionRule(choices=("png", "jpeg", "jpg", "webp")),
                "web_search": OptionRule(),
            }
        ),
    )
    prices: PriceList = (
        *(_price("512", "0.06"), _price("1K", "0.08")),
        *(_price("2K", "0.12"), _price("4K", "0.16")),
    )
    rates: RateList = MappingProxyType({})
    # [assumed]: no page says how often a status may be requested.
    polling = PollSchedule(first_s=3.0, every_s=2.0, factor=1.25, longest_s=15.0)

    def encode(
        self,
        request: ImageRequest,
        model: str,
        endpoint: Endpoint,
        references: Sequence[Payload] = (),
    ) -> Call:
        """Return the request that submits one task; the path names the model."""
        body: dict[str, object] = {"prompt": request.prompt}
        if request.n > 1:
            body["num_images"] = request.n
        if request.aspect_ratio is not None:
            body["aspect_ratio"] = request.aspect_ratio
        if request.resolution is not None:
            body["resolution"] = request.resolution.replace("512", "0.5K")
        if file_format := request.options.get("output_format"):
            body["output_format"] = str(file_format).replace("jpg", "jpeg")
        if request.options.get("web_search"):
            body["enable_web_search"] = True
        if references:
            body["image_urls"] = as_urls(references)
        return Call(
            method="POST",
            url=endpoint.at(endpoint.path(f"/{model}{'/edit' if references else ''}")),
            headers=self.defaults.headers(endpoint),
            json=body,
        )

    def decode(self, reply: Reply) -> Delivered | Accepted:
        """Read the answer to a submit; the URL of the task's status is its handle."""
        reply = join_documents(reply)
        body = fields(reply.body)
        request_id = text_of(body.get("request_id")) or None
        if not 200 <= reply.status < 300:
            delivered = Delivered(images=(), request_id=request_id)
            raise purchase_error(NAME, reply, delivered, is_documented=False)
        if HANDLE.fullmatch(url := text_of(body.get("status_url"))):
            return Accepted(handle=url, request_id=request_id)
        return _task(reply).read_submit(reply)

    def encode_poll(self, handle: str, endpoint: Endpoint) -> Call:
        """Return the request for a task's status; its URL may be the documented one."""
        is_url = "/" in handle
        return self._get(handle if is_url else f"{_task_path(handle)}/status", endpoint)

    def decode_poll(
        self, reply: Reply, endpoint: Endpoint
    ) -> Delivered | Running | Next:
        """Read a status, which leads to the result, or the result itself."""
        reply = join_documents(reply)
        body = fields(reply.body)
        if images := images_of_plain_body(reply):
            return Delivered(images=images)
        if not 200 <= reply.status < 300 or not body:
            return _result_error(reply)
        if kind := text_of(body.get("error_type")):
            raise _failure(text_of(body.get("error")), kind)
        if (url := _result_url(body)) is not None:
            return Next(self._get(url, endpoint))
        return _task(reply).read_poll(reply)

    def _get(self, url: str, endpoint: Endpoint) -> Call:
        """Return a request to the endpoint's own host: others must not get the key."""
        parts, base = urlsplit(url), urlsplit(endpoint.base_url)
        if (parts.scheme, parts.netloc) != (base.scheme, base.netloc):
            query = f"?{parts.query}" if parts.query else ""
            url = endpoint.at("/" + parts.path.lstrip("/") + query)
        return Call(method="GET", url=url, headers=self.defaults.headers(endpoint))


def _task_path(request_id: str) -> str:
    return f"/{MODEL}/requests/{quote(request_id, safe='')}"


def _result_url(body: Mapping[str, Json]) -> str | None:
    """Return the URL of the result; None if a body is no status of a completed task."""
    if text_of(body.get("status")).upper() != "COMPLETED" or "images" in body:
        return None
    if url := text_of(body.get("response_url")):
        return url
    request_id = text_of(body.get("request_id"))
    return _task_path(request_id) if request_id else None


def _task(reply: Reply) -> Task:
    """Return the task of a reply; a result states neither its id nor a status."""
    task, *other_documents = tasks_in(reply.body)
    request_id = task.get("request_id")
    document = {"id": request_id, **task} if request_id else task
    if "images" in task:
        document = {"status": "completed", **document}
    return Task(
        provider=NAME,
        document=document,
        # Other services use the other two places [assumed].
        results=[task.get(key) for key in ("images", "results", "output")],
        other_documents=tuple(other_documents),
    )


def _result_error(reply: Reply) -> Running:
    """Raise why a task failed, or why its state could not be read.

    Only errors of the task itself have a type.
    """
    details = objects(fields(reply.body).get("detail"))
    types = [kind for detail in details if (kind := text_of(detail.get("type")))]
    if types:
        raise _failure(stated_message(reply.body), types[0])
    if reply.status == 400 and "still in progress" in message_of(reply.body):
        return Running()
    raise poll_error(NAME, reply)


def _failure(message: str, kind: str) -> AttemptError:
    error = KINDS.get(kind.lower(), GenerationFailed)
    return error(NAME, f"{message or 'the task failed'} ({kind})", Charge.UNKNOWN)
