"""Drive the sandbox of Google's API with google-genai, its official SDK."""

from __future__ import annotations

from google import genai
from google.genai import errors, types

from tests.interop.clients.checklist import (
    Shop,
    check,
    check_error,
    expect,
    expect_error,
    make_png,
    png_size,
)


def main() -> None:
    """Run the checks of both versions of the API."""
    shop = Shop.from_command_line()
    for version in ("v1beta", "v1"):
        buy_images(shop, version)
    map_errors(shop)


def client_of(shop: Shop, version: str, key: str | None = None) -> genai.Client:
    """Return a client that tries once."""
    return genai.Client(
        api_key=key or shop.key,
        http_options=types.HttpOptions(
            base_url=f"{shop.root}/gemini",
            api_version=version,
            timeout=30_000,
            retry_options=types.HttpRetryOptions(attempts=1),
        ),
    )


def buy_images(shop: Shop, version: str) -> None:
    """Buy in the ways that the guides of image generation show."""
    client = client_of(shop, version)
    with check(f"google-genai {version}: a prompt alone brings a square image"):
        reply = client.models.generate_content(
            model=shop.model, contents=f"a harbour, {version}"
        )
        expect(png_size(image_of(reply)), (1024, 1024))
        expect(reply.response_id, shop.last_charge("gemini")["id"])
    with check(f"google-genai {version}: ratio, size, modalities and options"):
        reply = client.models.generate_content(
            model=shop.model,
            contents=["a quay"],
            config=types.GenerateContentConfig(
                response_modalities=["Text", "Image"],
                image_config=types.ImageConfig(aspect_ratio="16:9", image_size="2K"),
                temperature=1,
                top_k=40,
                safety_settings=[
                    types.SafetySetting(
                        category=types.HarmCategory.HARM_CATEGORY_HARASSMENT,
                        threshold=types.HarmBlockThreshold.BLOCK_ONLY_HIGH,
                    )
                ],
                tools=[types.Tool(google_search=types.GoogleSearch())],
            ),
        )
        expect(png_size(image_of(reply)), (2752, 1536))
        expect(shop.last_charge("gemini")["resolution"], "2K")
        details = reply.usage_metadata.candidates_tokens_details
        expect(
            [detail.token_count for detail in details if detail.modality == "IMAGE"],
            [1680],
        )
    for count in (1, 2):
        with check(f"google-genai {version}: {count} reference image(s) inline"):
            references = [
                types.Part.from_bytes(data=make_png(160, 90), mime_type="image/png")
                for _ in range(count)
            ]
            reply = client.models.generate_content(
                model=shop.model, contents=["the same by night", *references]
            )
            expect(png_size(image_of(reply)), (1376, 768))


def map_errors(shop: Shop) -> None:
    """Let each error of the sandbox arrive as the SDK's own class."""
    client = client_of(shop, "v1beta")

    def buy(model: str = shop.model, buyer: genai.Client = client, **more: str) -> None:
        image = types.ImageConfig(**more)
        config = types.GenerateContentConfig(image_config=image)
        buyer.models.generate_content(model=model, contents="a lamp", config=config)

    for fault, kind, code, status in (
        ("throttle", errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
        ("no_credit", errors.ClientError, 402, "RESOURCE_EXHAUSTED"),
        ("model_gone", errors.ClientError, 404, "NOT_FOUND"),
        ("wrong_key", errors.ClientError, 400, "INVALID_ARGUMENT"),
    ):
        with check(f"google-genai: {fault} is {kind.__name__} {code} {status}"):
            shop.queue_fault("gemini", fault)
            with expect_error(kind, code=code, status=status):
                buy()
    with check("google-genai: a failure of the server is ServerError"):
        shop.queue_fault("gemini", "server_error")
        with expect_error(errors.ServerError):
            buy()
    with check_error(
        "google-genai: an unknown model is ClientError 404",
        errors.ClientError,
        code=404,
        status="NOT_FOUND",
    ):
        buy("gemini-of-yesteryear")
    with check_error(
        "google-genai: a size that there is not is ClientError 400",
        errors.ClientError,
        code=400,
        status="INVALID_ARGUMENT",
    ):
        buy(image_size="8K")
    with check_error(
        "google-genai: a wrong key is ClientError 400", errors.ClientError, code=400
    ):
        buy(buyer=client_of(shop, "v1beta", "sk-wrong-0123456789"))


def image_of(reply: types.GenerateContentResponse) -> bytes | None:
    """Return the last image that is no draft."""
    images = [
        part.inline_data.data
        for part in reply.candidates[0].content.parts
        if part.inline_data is not None and not part.thought
    ]
    return images[-1] if images else None


if __name__ == "__main__":
    main()
