"""Words about a reference image that cannot be fetched are told from all others."""

from __future__ import annotations

import pytest

from batchgen.providers._reasons import blames_reference


@pytest.mark.parametrize(
    "text",
    [
        "invalid_image_url",
        "Invalid reference image URL",
        "image url expired",
        "The image_url is not accessible",
        "input image link not found",
        "failed to download image",
        "Failed to fetch the given reference image: 404",
        "unable to access reference image",
        "could not retrieve the input file",
        "Error while downloading image from URL",
        "image download failed: 404",
        "reference image cannot be fetched",
        "InvalidImageUrl",
        "image_url_expired",
        "下载图片失败",
        "参考图链接已过期",
    ],
)
def test_words_about_a_reference_that_cannot_be_fetched(text: str) -> None:
    assert blames_reference(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "prompt is required",
        "failed to generate image",
        "no image found in the response",
        "image generation failed: timeout",
        "The image was flagged by moderation",
        "model not found",
        "image_urls must have at most 14 items",
        "unsupported image format",
        "file too large",
        "your access token expired",
    ],
)
def test_other_words_do_not_blame_it(text: str) -> None:
    assert not blames_reference(text)
