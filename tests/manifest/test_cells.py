from __future__ import annotations

import pytest

from batchgen.manifest.cell_values import (
    read_count,
    read_option,
    read_ratio,
    read_resolution,
)


@pytest.mark.parametrize(
    ("text", "ratio"),
    [
        ("16:9", "16:9"),
        ("16 : 9", "16:9"),
        ("16:09", "16:9"),
        ("AUTO", "auto"),
        ("match_input_image", "auto"),
    ],
)
def test_a_ratio_is_read(text: str, ratio: str) -> None:
    assert read_ratio(text) == ratio


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("16x9", "'16x9' is no W:H, like 16:9, and not `auto`; write 16:9"),
        ("16/9", "write 16:9"),
        ("16:09:00", "a spreadsheet made a time of it"),
        ("0:1", "'0:1' is no W:H"),
        ("wide", "'wide' is no W:H"),
        ("-1:1", "'-1:1' is no W:H"),
    ],
)
def test_what_is_no_ratio_is_refused_with_a_hint(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="is no W:H") as caught:
        read_ratio(text)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "resolution"),
    [("0.5K", "512"), ("0.5k", "512"), ("512px", "512"), ("512", "512"), ("1k", "1K")],
)
def test_a_resolution_is_read(text: str, resolution: str) -> None:
    assert read_resolution(text) == resolution


def test_an_unknown_resolution_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'8K' is none of 512, 1K, 2K, 4K"):
        read_resolution("8K")


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1001", "two", "nan", "1e99"])
def test_what_is_no_number_of_images_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no whole number from 1 to 1000"):
        read_count(text)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("output_format", "JPEG", "jpg"),
        ("web_search", "Yes", True),
        ("image_search", "0", False),
        ("official_fallback", "TRUE", True),
        ("temperature", "2", 2.0),
        ("top_p", "0.95", 0.95),
        ("top_k", "40.0", 40),
        ("max_output_tokens", "1", 1),
        ("service_tier", "flex", "flex"),
    ],
)
def test_an_option_is_read_as_its_type(name: str, text: str, value: object) -> None:
    read = read_option(name)(text)

    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("output_format", "tiff"),
        ("web_search", "maybe"),
        ("temperature", "2.1"),
        ("temperature", "0,5"),
        ("top_p", "nan"),
        ("top_k", "0"),
        ("max_output_tokens", "1.5"),
    ],
)
def test_an_option_out_of_its_range_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is n"):
        read_option(name)(text)
