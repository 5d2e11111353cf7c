"""apiai.me, Nano Banana 2: one synchronous form, and the image itself comes back.

Source: the tool's page (apiai.me, nano-banana-2-2) for endpoint and parameters; a
customer's summary of apiai.me/docs and public client code for the file part, the
reply's headers and its errors; read 2026-11-20.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from batchgen.providers.kit import (
    BASE64_KEYS,
    Attachment,
    Balance,
    Blob,
    Call,
    Capabilities,
    Defaults,
    Delivered,
    Endpoint,
    ImageRequest,
    ModelGone,
    OptionRule,
    Payload,
    PriceList,
    RateList,
    ReferenceRules,
    Reply,
    balance_in,
    fields,
    images_in,
    join_documents,
    message_of,
    number,
    purchase_error,
    text_of,
)

NAME = "apiai"
# The path of the tool's page. Newer documents have /api/process/<slug>; this path may
# be gone [assumed].
PATH = "/api/workflow/nano-banana-2-2"
MOVED = (
    "the tool may have moved to /api/process/<slug>: set `endpoint` of "
    "[providers.apiai] to the path that the account's dashboard shows"
)
SAFETY_LEVELS = (
    *("BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE"),
)


class ApiAi:
    """Encode a request for apiai.me and decode its reply."""

    name = NAME
    defaults = Defaults(
        base_url="https://apiai.me",
        model="nano-banana-2-2",  # chosen by the path; it is not sent
        rpm=None,
        concurrency=1,
        reply_timeout_s=600.0,
        source=(
            "apiai.me/docs (1 execution per user) and its clients' timeout, "
            "read 2026-11-20"
        ),
        key_header="x-api-key",
        key_prefix="",
    )
    capabilities = Capabilities(
        aspect_ratios=("1:1", "3:4", "4:3", "9:16", "16:9"),
        resolutions=("512", "1K", "2K", "4K"),
        default_resolution="1K",  # not documented: encode always states it
        images_per_request=1,  # [assumed]: no field for a number of images
        references=ReferenceRules(
            max_count=14,  # [assumed] as Google's own; not documented
            carriers=("part",),
            # 50 MB for the whole body, the other fields included.
            max_total_bytes=49_000_000,
        ),
        options=MappingProxyType(
            {
                "max_output_tokens": OptionRule(min_value=1, max_value=65_536),
                "negative_prompt": OptionRule(),
                "person_generation": OptionRule(
                    choices=("dont_allow", "allow_adult", "allow_all")
                ),
                "safety_filter_level": OptionRule(choices=SAFETY_LEVELS),
                "temperature": OptionRule(min_value=0, max_value=1),
                "top_k": OptionRule(min_value=1, max_value=64),
                "top_p": OptionRule(min_value=0, max_value=1),
            }
        ),
    )
    prices: PriceList = ()  # not published; the header X-Cost states the charge
    rates: RateList = MappingProxyType({})

    def encode(
        self,
        request: ImageRequest,
        model: str,  # noqa: ARG002 - the path chooses it
        endpoint: Endpoint,
        references: Sequence[Payload] = (),
    ) -> Call:
        """Return the request that buys one image.

        No defaults are documented (the page has only examples), so everything that the
        row states is sent. The resolution is always sent: it decides the price.
        """
        return Call(
            method="POST",
            url=endpoint.at(endpoint.path(PATH)),
            headers=self.defaults.headers(endpoint),
            form=[*self._fields(request), *_parts(references)],
            blob_keys=BASE64_KEYS,
        )

    def _fields(self, request: ImageRequest) -> Iterator[tuple[str, str]]:
        yield "PROMPT", request.prompt
        if request.aspect_ratio is not None:
            yield "aspect_ratio", request.aspect_ratio
        yield "image_size", request.resolution or self.capabilities.default_resolution
        for name in self.capabilities.options:
            match request.options.get(name, ""):
                case "":
                    pass  # an empty field must not be sent
                case str(text):
                    yield name, text
                case value:
                    yield name, f"{value:.15g}"

    def decode(self, reply: Reply) -> Delivered:
        """Read the answer: the only documented success is the bytes of an image.

        Statuses are not documented. The text of an error is in `error`,
        `error.message`, `message` or is the whole body, its code is in `code`; the text
        contains Google's reason.
        """
        reply = join_documents(reply)
        body, is_success = reply.body, 200 <= reply.status < 300
        delivered = Delivered(
            images=images_in(body) if is_success else (),
            cost_usd=_cost_usd(reply),
            request_id=text_of(reply.headers.get("x-request-id")) or None,
        )
        if delivered.images:
            return delivered
        # A success with a text: the tool ran and made no image [assumed].
        is_documented = isinstance(body, Blob) or bool(text_of(fields(body)))
        error = purchase_error(NAME, reply, delivered, is_documented=is_documented)
        if code := text_of(fields(body).get("code")):
            error.message += f" ({code})"
        if reply.status == 404 and isinstance(error, ModelGone):
            error.message = f"{message_of(body)}; {MOVED}"
        raise error

    def encode_balance(self, endpoint: Endpoint) -> Call:
        return Call(
            method="GET",
            url=endpoint.at("/api/account/balance"),
            headers=self.defaults.headers(endpoint),
        )

    def decode_balance(self, reply: Reply) -> Balance:
        """Read the balance, in dollars; the name of its field is [assumed]."""
        return balance_in(NAME, reply, fields(reply.body).get("balance"))


def _parts(references: Sequence[Payload]) -> Iterator[tuple[str, Attachment]]:
    """Yield the files, all with the same name: only their order differs."""
    for reference in references:
        if isinstance(reference, Attachment):
            yield "image", reference


def _cost_usd(reply: Reply) -> Decimal | None:
    try:
        return number(Decimal(reply.headers.get("x-cost", "")))
    except InvalidOperation:
        return None
