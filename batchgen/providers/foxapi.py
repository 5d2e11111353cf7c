"""FoxAPI, Nano Banana 2: submit a task, poll it, fetch links that live 24 hours.

Source: the model's page (aif-207f9f5d.mintlify.app) and docs.foxapi.cc, pages
get-task-detail and error-codes; read 2026-11-20. The names of the request's fields
come from a public client of api.foxapi.cc, the pages list only their values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import quote

from batchgen.providers.kit import (
    BASE64_KEYS,
    PIXELS_AT_1K,
    RESOLUTIONS,
    Accepted,
    Attachment,
    AttemptError,
    Call,
    Capabilities,
    Defaults,
    Delivered,
    Endpoint,
    ImageRequest,
    Link,
    OptionRule,
    Payload,
    PollSchedule,
    PriceList,
    RateList,
    ReferenceRules,
    Reply,
    RequestInvalid,
    Running,
    Task,
    as_urls,
    fields,
    images_of_plain_body,
    join_documents,
    message_of,
    poll_error,
    purchase_error,
    tasks_in,
    text_of,
    upload_link,
)

NAME = "foxapi"
# The type of an error is more exact than its status; `invalid_request_error` is not in
# the list, because it adds nothing to 4xx.
STATUS_OF_TYPE = MappingProxyType(
    {
        "authentication_error": 401,
        "insufficient_quota": 402,
        "not_found": 404,
        "rate_limit_error": 429,
        "server_error": 500,
    }
)
# Codes of failed tasks after which the same request fails again. The list is from the
# older of two versions of the page, so requests with another code may be sent again.
INVALID = ("invalid_image_url", "file_too_large", "unsupported_format")
ADVICE = (
    "no channel serves all optional fields of this row: leave out output_format, "
    "web_search or image_search, whichever it states"
)


class FoxApi:
    """Encode a request for FoxAPI, ask for its task, and decode the replies."""

    name = NAME
    defaults = Defaults(
        base_url="https://api.foxapi.cc",
        model="gemini-3.1-flash-image-preview",
        rpm=None,  # there is a limit for each key; its value is not published
        concurrency=16,
        reply_timeout_s=60.0,
        source="docs.foxapi.cc, read 2026-11-20; concurrency and timeout assumed",
        empty_polls=2,  # a client saw results arrive a moment after the state
    )
    capabilities = Capabilities(
        aspect_ratios=(*PIXELS_AT_1K, "auto"),
        resolutions=RESOLUTIONS,
        default_resolution="1K",  # not documented: encode always states it
        images_per_request=1,  # [assumed]: no field for a number of images
        references=ReferenceRules(max_count=14, carriers=("link", "upload")),
        options=MappingProxyType(
            {
                "output_format": OptionRule(choices=("jpg", "png", "webp")),
                "web_search": OptionRule(),
                "image_search": OptionRule(),
            }
        ),
    )
    prices: PriceList = ()  # not published
    rates: RateList = MappingProxyType({})
    # [assumed]: polling is not documented.
    polling = PollSchedule(first_s=3.0, every_s=3.0, factor=1.25, longest_s=15.0)
    upload_life_s = 72 * 3600.0  # with auto_cleanup; stated by a client

    def encode(
        self,
        request: ImageRequest,
        model: str,
        endpoint: Endpoint,
        references: Sequence[Payload] = (),
    ) -> Call:
        """Return the request that submits one task.

        Fields that the row does not state are not sent, because each optional field
        excludes some channels. The resolution is the exception: it decides the price,
        and its default is not documented.
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
                pass  # without an image to match, the provider chooses
            case ratio:
                body["aspect_ratio"] = ratio
        if references:
            body["image_urls"] = as_urls(references)
        if request.options.get("output_format"):
            body["output_format"] = request.options["output_format"]
        if request.options.get("web_search"):
            body["google_search"] = True
        if request.options.get("image_search"):
            body["image_search"] = True
        return Call(
            method="POST",
            url=endpoint.at(endpoint.path("/v1/images/generations")),
            headers=self.defaults.headers(endpoint),
            json=body,
            blob_keys=BASE64_KEYS,
        )

    def decode(self, reply: Reply) -> Delivered | Accepted:
        reply = join_documents(reply)
        if not 200 <= reply.status < 300:
            raise _submit_error(reply)
        return _task(reply).read_submit(_stating_type(reply))

    def encode_poll(self, handle: str, endpoint: Endpoint) -> Call:
        """Return the request for the state of a task.

        `sync_upstream` is not used: with it, a completed task can lack its results.
        """
        return Call(
            method="GET",
            url=endpoint.at(f"/v1/tasks/{quote(handle, safe='')}"),
            headers=self.defaults.headers(endpoint),
            blob_keys=BASE64_KEYS,
        )

    def decode_poll(self, reply: Reply, endpoint: Endpoint) -> Delivered | Running:  # noqa: ARG002  one request is enough here
        reply = join_documents(reply)
        if images := images_of_plain_body(reply):
            return Delivered(images=images)
        if not 200 <= reply.status < 300 or not isinstance(reply.body, dict):
            raise poll_error(NAME, _by_type(reply))
        return _task(reply).read_poll(_stating_type(reply))

    def encode_upload(self, image: Attachment, endpoint: Endpoint) -> Call:
        """Return the request that uploads one image; the provider deletes it later."""
        return Call(
            method="POST",
            url=endpoint.at("/v1/files/upload/stream"),
            headers=self.defaults.headers(endpoint),
            form=(
                *(("file", image), ("file_name", image.name)),
                ("auto_cleanup", "true"),
            ),
        )

    def decode_upload(self, reply: Reply) -> Link:
        return upload_link(NAME, _by_type(reply), fields(reply.body).get("url"))


def _task(reply: Reply) -> Task:
    """Return the task of a reply; its links are in one of two documented places.

    The task may be one level deeper, as at similar gateways [assumed].
    """
    task, *other_documents = tasks_in(reply.body)
    return Task(
        provider=NAME,
        document=task,
        results=[task.get("results"), task.get("output")],
        estimate=fields(task.get("task_info")).get("estimated_time"),
        error_types=dict.fromkeys(INVALID, RequestInvalid),
        other_documents=tuple(other_documents),
    )


def _stating_type(reply: Reply) -> Reply:
    """Return a reply whose error states the status that its type means."""
    body = fields(reply.body)
    error = fields(body.get("error"))
    if (status := STATUS_OF_TYPE.get(text_of(error.get("type")))) is None:
        return reply
    return replace(reply, body={**body, "error": {**error, "status": status}})


def _by_type(reply: Reply) -> Reply:
    """Return an error reply with the status that the error's type means."""
    kind = text_of(fields(fields(reply.body).get("error")).get("type"))
    return replace(reply, status=STATUS_OF_TYPE.get(kind, reply.status))


def _submit_error(reply: Reply) -> AttemptError:
    error, message = fields(fields(reply.body).get("error")), message_of(reply.body)
    if text_of(error.get("code")) == "unsupported_advanced_options":
        return RequestInvalid(NAME, f"{message}; {ADVICE}")
    if text_of(error.get("type")) == "service_unavailable_error":
        reply = replace(reply, status=503)
    return purchase_error(
        NAME, _by_type(reply), Delivered(images=()), is_documented=False
    )
