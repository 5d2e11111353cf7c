from __future__ import annotations

import pytest

from batchgen import errors
from batchgen.errors import AttemptError
from batchgen.reasons import (
    blamed,
    blames_model,
    blames_reference,
    lacks_credit,
    policy_reason,
)


@pytest.mark.parametrize(
    "text",
    [
        "Your prompt was blocked: IMAGE_SAFETY",
        "finishReason: SAFETY",
        "No image generated (SAFETY)",
        "blockReason=PROHIBITED_CONTENT",
        "upstream stopped: IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "reason BLOCKLIST",
        "content_policy_violation",
        "This request violates our content policies",
        "The prompt violates Google's Generative AI Prohibited Use Policy",
        "It may violate our usage guidelines",
        "Your request was rejected as a result of our safety system.",
        "The safety system flagged it",
        "Image generation failed due to safety reasons",
        "blocked by Google's safety filters",
        "The image was flagged by moderation",
        "moderation_blocked",
        "Response blocked",
        "The output contains sexually explicit material",
        "NSFW content detected",
        "sensitive words detected",
        "Potentially unsafe prompt",
        "harmful content",
        "We cannot make this image for safety reasons",
        "blocked for safety",
        "Rejected: safety policy",
        "Prompt rejected: NSFW",
        "This may be copyrighted",
    ],
)
def test_words_of_a_content_policy_are_recognized(text: str) -> None:
    assert policy_reason(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Internal server error",
        "Body validation error: prompt is required",
        "unsafe characters in JSON",
        "safety_filter_level must be one of BLOCK_NONE, BLOCK_ONLY_HIGH",
        "Invalid value for safety settings",
        "rejected: invalid value for safety_filter_level",
        "Additional properties are prohibited",
        "The moderation service is unavailable",
        "image_urls[0]: download blocked by robots.txt",
        "Request violates the rate limit policy of your plan",
        "Your IP is blocked",
        "Field names are case-sensitive",
        "Invalid content type: expected application/json",
        "No output was generated: OTHER",
        "NO_IMAGE",
        "MAX_TOKENS",
        "Failed while drawing 'A SAFETY HELMET on a peg'",
        "retry policy exhausted",
        "Failed while drawing 'a poster for road safety'",
        "Missing Content-Security-Policy",
        "explicit null is not allowed",
    ],
)
def test_an_ordinary_error_is_not_called_a_refusal(text: str) -> None:
    assert policy_reason(text) is None


@pytest.mark.parametrize(
    ("text", "is_blamed"),
    [
        ("Unknown model: gemini-2-flash", True),
        ("The model `gpt-x` does not exist", True),
        ("Model google/nano-banana-1 not found", True),
        ("model_not_found", True),
        ("The model is no longer available", True),
        ("The model is under maintenance", False),
        ("Invalid model parameters", False),
        ("The model does not support resolution 4K", False),
        ("Model is not available for 4K", False),
        ("Invalid aspect_ratio for model google/nano-banana-2", False),
        ("prompt is required", False),
    ],
)
def test_only_an_error_about_the_model_itself_blames_it(
    text: str,
    is_blamed: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert blames_model(text) is is_blamed


@pytest.mark.parametrize(
    ("text", "is_empty"),
    [
        ("You've run out of credits. Please top up your balance.", True),
        ("Insufficient balance", True),
        ("insufficient_user_quota", True),
        ("INSUFFICIENT_BALANCE_ERROR", True),
        ("Not enough account credits", True),
        ("Your balance is too low", True),
        ("no credits left", True),
        ("A prompt about a credit card", False),
        ("there is no credit card in the image", False),
        ("no white balance", False),
        ("credits must be a number", False),
        ("rate quota exceeded", False),
    ],
)
def test_only_an_error_about_the_account_says_that_credit_is_out(
    text: str,
    is_empty: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert lacks_credit(text) is is_empty


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Blocked by the content policy", errors.Refused),
        ("insufficient credits for this model", errors.OutOfCredit),
        ("Unknown model: x", errors.ModelGone),
        ("Rate limit exceeded", errors.Throttled),
        ("RATE_LIMIT", errors.Throttled),
        ("Too many requests", errors.Throttled),
        ("Unauthorized", errors.CredentialRejected),
        ("Invalid API key", errors.CredentialRejected),
        ("API key is not active", errors.CredentialRejected),
        ("prompt is required", errors.RequestInvalid),
        ("Unsupported value: 7:5", errors.RequestInvalid),
        ("Image generation failed", None),
        ("A piano with a missing key signature", None),
        ("internal error", None),
        ("", None),
    ],
)
def test_words_alone_tell_what_went_wrong_or_nothing(
    text: str, kind: type[AttemptError] | None
) -> None:
    assert blamed(text) is kind


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
