"""Drive the sandbox of OpenAI's images API with openai, its official SDK."""

from __future__ import annotations

import base64
from typing import Any

import openai

from tests.interop.clients.checklist import (
    Shop,
    check,
    check_error,
    expect,
    expect_error,
    make_png,
    png_size,
)

_PROMPTS = [f"plate {number}" for number in range(8)]


def main() -> None:
    """Run all checks."""
    shop = Shop.from_command_line()
    buy_images(shop)
    edit_images(shop)
    map_errors(shop)


def client_of(shop: Shop, key: str | None = None) -> openai.OpenAI:
    """Return a client that tries once."""
    return openai.OpenAI(
        api_key=key or shop.key,
        base_url=f"{shop.root}/openai/v1",
        max_retries=0,
        timeout=30,
    )


def buy_images(shop: Shop) -> None:
    """Buy by generations."""
    client = client_of(shop)
    with check("openai: images come as links and as base64, each whole"):
        kinds = set()
        for prompt in _PROMPTS:
            reply = client.images.generate(
                model=shop.model, prompt=prompt, size="1536x1024"
            )
            kinds.add(reply.data[0].url is None)
            expect(png_size(file_of(shop, reply.data[0])), (1536, 1024))
            if reply.data[0].url is None:
                usage = reply.usage
                total = usage.input_tokens + usage.output_tokens
                expect(usage.total_tokens, total)
        expect(kinds, {True, False})
    with check("openai: several images in one request are one charge"):
        before = shop.last_charge("openai")["id"]
        reply = client.images.generate(
            model=shop.model, prompt="three plates", n=3, size="1024x1024"
        )
        files = {file_of(shop, item) for item in reply.data}
        expect(len(files), 3)
        if shop.last_charge("openai")["id"] == before:
            raise ValueError("no charge")
    with check("openai: all that is documented may be said, and may be null"):
        options = {"quality": "low", "output_format": "png", "size": "auto", "n": None}
        reply = client.images.generate(
            model=shop.model, prompt="a plate with all options", **options
        )
        expect(png_size(file_of(shop, reply.data[0])), (1024, 1024))


def edit_images(shop: Shop) -> None:
    """Buy by edits, with one reference and with several."""
    client = client_of(shop)
    one = ("one.png", make_png(32, 32), "image/png")
    for references in (one, [one], [one] * 3):
        count = len(references) if isinstance(references, list) else "one"
        with check(f"openai: an edit of {count} reference(s)"):
            reply = client.images.edit(
                model=shop.model,
                prompt=f"an edit of {count}",
                image=references,
                size="1024x1536",
            )
            expect(png_size(file_of(shop, reply.data[0])), (1024, 1536))


def map_errors(shop: Shop) -> None:
    """Let each error of the sandbox arrive as the SDK's own class."""

    def buy(
        prompt: str = "a lamp", model: str = "", key: str = "", **more: Any
    ) -> None:
        client_of(shop, key).images.generate(
            model=model or shop.model, prompt=prompt, **more
        )

    for fault, kind in (
        ("throttle", openai.RateLimitError),
        ("server_error", openai.InternalServerError),
        ("wrong_key", openai.AuthenticationError),
        ("lost_reply", openai.APIConnectionError),
    ):
        with check(f"openai: {fault} is {kind.__name__}"):
            shop.queue_fault("openai", fault)
            with expect_error(kind):
                buy()
    with check_error(
        "openai: an empty account is RateLimitError insufficient_quota",
        openai.RateLimitError,
        code="insufficient_quota",
    ):
        buy(key="sk-broke-0123456789")
    with check_error(
        "openai: an unknown model is NotFoundError model_not_found",
        openai.NotFoundError,
        code="model_not_found",
    ):
        buy(model="dall-e-3")
    with check_error(
        "openai: a refused prompt is BadRequestError",
        openai.BadRequestError,
        status_code=400,
    ):
        buy("REFUSE-ME")
    with check_error(
        "openai: response_format is BadRequestError, as gpt-image has it",
        openai.BadRequestError,
        status_code=400,
    ):
        buy(response_format="url")


def file_of(shop: Shop, item: Any) -> bytes:
    """Return an image, in whichever way it came."""
    if item.b64_json is not None:
        return base64.b64decode(item.b64_json)
    return shop.download(item.url)


if __name__ == "__main__":
    main()
