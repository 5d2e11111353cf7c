"""gccai, Nano Banana 2: the task protocol of APIMart; links live 24 hours.

Source: gccai.heqingsong.uk, page images/gemini-3.1-flash/generation, for fields and
values; docs.apimart.ai, pages of the same tree and tasks/status, for the replies;
APIMart's public clients for its upload; read 2026-11-20.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from urllib.parse import quote

from batchgen.providers._stated_errors import stated_status
from batchgen.providers.kit import (
    BASE64_KEYS,
    PIXELS_AT_1K,
    RESOLUTIONS,
    Accepted,
    Attachment,
    AttemptError,
    Balance,
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
    Refused,
    Reply,
    ReplyMalformed,
    RequestInvalid,
    Running,
    Task,
    as_urls,
    balance_in,
    fields,
    images_of_plain_body,
    join_documents,
    number,
    poll_error,
    purchase_error,
    tasks_in,
    text_of,
    upload_link,
)

NAME = "gccai"
MAX_CREDITS = Decimal(1_000_000)  # more for one task is an error [assumed]
STATUS = re.compile("[45][0-9]{2}")
# 200 is documented. At similar services the others mean success, too, if the reply has
# data [assumed].
SUCCESS, SUCCESSES_ELSEWHERE = "200", frozenset({"0", "success", "succeed", "ok"})
# Types of errors at a similar gateway (docs.apimp.ai); gccai documents none.
STATUS_OF_TYPE = {"insufficient_credits_error": 402, "permission_denied_error": 403}
KINDS: Mapping[str, type[AttemptError]] = MappingProxyType(
    {
        "content_moderation_error": Refused,
        "validation_error": RequestInvalid,
        "content_too_long_error": RequestInvalid,
        "file_format_error": RequestInvalid,
    }
)


class Gccai:
    """Encode a request for gccai, ask for its task, and decode the replies."""

    name = NAME
    defaults = Defaults(
        base_url=None,  # not documented; it may or may not be APIMart's
        model="gemini-3.1-flash-image-preview",
        rpm=None,  # not published
        concurrency=16,
        reply_timeout_s=60.0,
        source="docs.apimart.ai, read 2026-11-20; concurrency and timeout assumed",
        empty_polls=2,  # [assumed], as at FoxAPI
    )
    capabilities = Capabilities(
        aspect_ratios=(*PIXELS_AT_1K, "auto"),
        resolutions=RESOLUTIONS,
        default_resolution="1K",
        images_per_request=4,
        references=ReferenceRules(
            max_count=14,
            carriers=("link", "inline", "upload"),
            media_types=("image/jpeg", "image/png", "image/webp"),
            max_bytes=10_000_000,
        ),
        options=MappingProxyType(
            {
                "official_fallback": OptionRule(),
                "web_search": OptionRule(),
                "image_search": OptionRule(needs="web_search"),
            }
        ),
    )
    prices: PriceList = ()  # not published
    rates: RateList = MappingProxyType({})  # the price of a credit is not published
    # Clients wait 10 s and then ask every 3 to 5 s; the rest is assumed.
    polling = PollSchedule(first_s=10.0, every_s=4.0, factor=1.25, longest_s=15.0)
    upload_life_s = 24 * 3600.0  # [assumed]: as long as links of generated images

    def encode(
        self,
        request: ImageRequest,
        model: str,
        endpoint: Endpoint,
        references: Sequence[Payload] = (),
    ) -> Call:
        """Return the request that submits one task of up to four images."""
        body: dict[str, object] = {"model": model, "prompt": request.prompt}
        if request.aspect_ratio is not None:
            body["size"] = request.aspect_ratio
        if request.resolution not in {None, self.capabilities.default_resolution}:
            body["resolution"] = request.resolution.replace("512", "0.5K")
        if request.n > 1:
            body["n"] = request.n
        if request.options.get("official_fallback"):
            body["official_fallback"] = True
        if references:
            body["image_urls"] = as_urls(references)
        if request.options.get("web_search"):
            body["google_search"] = True
        if request.options.get("image_search"):
            body["google_image_search"] = True
        return Call(
            method="POST",
            url=endpoint.at(endpoint.path("/v1/images/generations")),
            headers=self.defaults.headers(endpoint),
            json=body,
            blob_keys=BASE64_KEYS,
        )

    def decode(self, reply: Reply) -> Delivered | Accepted:
        """Read the answer to a submit; a 200 with another `code` is an error.

        A task in the same reply is accepted, unless the code states an error.
        """
        reply = join_documents(reply)
        task = _task(reply)
        is_stated = stated_status(reply.body) is not None and not task.state
        if _is_error(reply) and (task.id is None or is_stated or reply.status >= 300):
            raise _submit_error(reply)
        return task.read_submit(reply)

    def encode_poll(self, handle: str, endpoint: Endpoint) -> Call:
        return Call(
            method="GET",
            url=endpoint.at(f"/v1/tasks/{quote(handle, safe='')}?language=en"),
            headers=self.defaults.headers(endpoint),
            blob_keys=BASE64_KEYS,
        )

    def decode_poll(self, reply: Reply, endpoint: Endpoint) -> Delivered | Running:  # noqa: ARG002  one request is enough here
        reply = join_documents(reply)
        if images := images_of_plain_body(reply):
            return Delivered(images=images)
        task = _task(reply)
        is_task = 200 <= reply.status < 300 and bool(task.state)
        if not isinstance(reply.body, dict) or (_is_error(reply) and not is_task):
            raise poll_error(NAME, _as_error(reply))
        return task.read_poll(reply)

    def encode_upload(self, image: Attachment, endpoint: Endpoint) -> Call:
        return Call(
            method="POST",
            url=endpoint.at("/v1/uploads/images"),
            headers=self.defaults.headers(endpoint),
            form=[("file", image)],  # [assumed]: the part's name is not documented
        )

    def decode_upload(self, reply: Reply) -> Link:
        return upload_link(NAME, _as_error(reply), fields(reply.body).get("url"))

    def encode_balance(self, endpoint: Endpoint) -> Call:
        """Return the request for the balance of the account, not of the key."""
        return Call(
            method="GET",
            url=endpoint.at("/v1/user/balance"),
            headers=self.defaults.headers(endpoint),
        )

    def decode_balance(self, reply: Reply) -> Balance:
        """Read the balance in credits; the currency of the other number is unknown.

        In place of the account's number there may be a key without a quota.
        """
        body = fields(reply.body)
        if body.get("unlimited_quota") is True:
            return Balance(None, "credit")
        return balance_in(NAME, _as_error(reply), body.get("remain_credits"), "credit")


def _task(reply: Reply) -> Task:
    """Return the task of a reply, whose `data` is an object or a list.

    No page shows a list of several tasks; if there are several, all are kept.
    """
    task, *other_documents = tasks_in(reply.body)
    cost = number(task.get("credits_cost")) or number(task.get("cost"))
    return Task(
        provider=NAME,
        document=task,
        results=fields(task.get("result")).get("images"),
        estimate=task.get("estimated_time"),
        usage={"credit": cost} if cost and cost <= MAX_CREDITS else {},
        error_types=KINDS,
        other_documents=tuple(other_documents),
    )


def _code(reply: Reply) -> str | None:
    """Return the code in a body, a number or a text; None if there is none."""
    body = fields(reply.body)
    code = body.get("code", fields(body.get("error")).get("code"))
    exact = number(code)
    if exact is not None and exact == exact.to_integral_value():
        return str(int(exact))  # some write 200.0
    return None if code is None else text_of(code).lower() or str(exact)


def _type(reply: Reply) -> str:
    return text_of(fields(fields(reply.body).get("error")).get("type"))


def _is_error(reply: Reply) -> bool:
    return not 200 <= reply.status < 300 or not _is_success(reply)


def _is_success(reply: Reply) -> bool:
    """Return whether the code in a body means success, or there is none."""
    code = _code(reply)
    if code in SUCCESSES_ELSEWHERE:
        return bool(fields(reply.body).get("data"))
    return code in {None, SUCCESS}


def _as_error(reply: Reply) -> Reply:
    """Return an error reply with the status of its type, its code, or itself."""
    code, status = _code(reply), reply.status
    if status < 300 and code is not None and not _is_success(reply):
        status = int(code) if STATUS.fullmatch(code) else 400
    return replace(reply, status=STATUS_OF_TYPE.get(_type(reply), status))


def _submit_error(reply: Reply) -> AttemptError:
    """Return why a submit was not accepted; under a 200, only some codes are free."""
    delivered = Delivered(images=())
    error = purchase_error(NAME, _stating(reply), delivered, is_documented=False)
    kind = KINDS.get(_type(reply))
    if kind is None and isinstance(error, ReplyMalformed) and _code(reply) is not None:
        kind = RequestInvalid  # an unknown code: the request was not accepted
    return error if kind is None else kind(NAME, error.message, error.charge)


def _stating(reply: Reply) -> Reply:
    """Return an error reply that states the status of its type; a 200 in its body."""
    status = STATUS_OF_TYPE.get(_type(reply))
    if status is None:
        return reply
    if reply.status >= 300:
        return replace(reply, status=status)
    body = fields(reply.body)
    error = {**fields(body.get("error")), "code": status}
    return replace(reply, body={**body, "error": error})
