"""Drive both sandboxes with litellm, which speaks many providers' protocols."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import litellm

from tests.interop.clients.checklist import (
    Shop,
    check,
    check_error,
    expect,
    make_png,
    png_size,
)


def main() -> None:
    """Run all checks; the model of the command line is `OPENAI,GEMINI`."""
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    shop = Shop.from_command_line()
    openai_model, gemini_model = shop.model.split(",")
    buy_from_openai(shop, f"openai/{openai_model}")
    buy_from_gemini(shop, f"gemini/{gemini_model}")
    map_errors(shop, f"openai/{openai_model}", f"gemini/{gemini_model}")


def buy_from_openai(shop: Shop, model: str) -> None:
    """Buy by generations and by edits."""
    terms = {"api_base": f"{shop.root}/openai/v1", "api_key": shop.key}
    with check("litellm: image_generation at openai"):
        reply = litellm.image_generation(
            "a plate", model, size="1536x1024", n=2, **terms, max_retries=0
        )
        sizes = {png_size(file_of(shop, item)) for item in reply.data}
        expect((len(reply.data), sizes), (2, {(1536, 1024)}))
    for count in (1, 2):
        with check(f"litellm: image_edit at openai with {count} reference(s)"):
            references = [BytesIO(make_png(32, 32)) for _ in range(count)]
            reply = litellm.image_edit(
                image=references if count > 1 else references[0],
                prompt=f"an edit of {count}",
                model=model,
                size="1024x1536",
                **terms,
            )
            expect(png_size(file_of(shop, reply.data[0])), (1024, 1536))


def buy_from_gemini(shop: Shop, model: str) -> None:
    """Buy by image_generation, and by completion with modalities.

    It hands on the drafts of a thinking model as images like the others: the last of
    them is the result.
    """
    terms = {"api_base": f"{shop.root}/gemini/v1beta", "api_key": shop.key}
    with check("litellm: image_generation at gemini"):
        reply = litellm.image_generation("a harbour", model, **terms, max_retries=0)
        expect(png_size(file_of(shop, reply.data[-1])), (1024, 1024))
    with check("litellm: image_edit at gemini with a reference"):
        reply = litellm.image_edit(
            image=BytesIO(make_png(160, 90)), prompt="by night", model=model, **terms
        )
        expect(png_size(file_of(shop, reply.data[-1])), (1376, 768))
    with check("litellm: completion at gemini with modalities"):
        reply = litellm.completion(
            model,
            [{"role": "user", "content": "a quay"}],
            modalities=["image", "text"],
            api_key=shop.key,
            api_base=f"{shop.root}/gemini/v1beta",
            num_retries=0,
        )
        link = reply.choices[0].message.images[-1]["image_url"]["url"]
        head, _, data = link.partition(",")
        expect(head, "data:image/png;base64")
        expect(png_size(base64.b64decode(data)), (1024, 1024))


def map_errors(shop: Shop, openai_model: str, gemini_model: str) -> None:
    """Let each error of the sandbox arrive as litellm's own class."""
    broke, wrong = "sk-broke-0123456789", "sk-wrong-0123456789"
    for model, key, kind in (
        (openai_model, broke, litellm.RateLimitError),
        (openai_model, wrong, litellm.AuthenticationError),
        ("openai/dall-e-3", shop.key, litellm.NotFoundError),
        (gemini_model, wrong, litellm.AuthenticationError),
        ("gemini/gemini-of-yesteryear", shop.key, litellm.NotFoundError),
    ):
        what = {broke: "no credit", wrong: "a wrong key"}.get(key, "an unknown model")
        provider = model.partition("/")[0]
        base = "openai/v1" if provider == "openai" else "gemini/v1beta"
        with check_error(f"litellm: {what} at {provider} is {kind.__name__}", kind):
            litellm.image_generation(
                "a lamp",
                model,
                api_base=f"{shop.root}/{base}",
                api_key=key,
                max_retries=0,
            )


def file_of(shop: Shop, item: Any) -> bytes:
    """Return an image, in whichever way it came."""
    if item.b64_json:
        return base64.b64decode(item.b64_json)
    return shop.download(item.url)


if __name__ == "__main__":
    main()
