"""Reference images are made ready once, shared, and kept within bounds."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from batchgen.images import inspect
from batchgen.model import ReferenceRules
from batchgen.references import ReferenceCache, Unusable
from batchgen.references.loading import Identity, read
from batchgen.references.reference_cache import _shrink
from tests.references.pictures import animation, noise, written

T = TypeVar("T")
PNG = written(noise(), "PNG")
RULES = ReferenceRules(max_count=9, carriers=("inline", "part"))

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"]),
]


async def at_once(work: Callable[[], T], /) -> T:
    return work()


async def in_a_thread(work: Callable[[], T], /) -> T:
    return await anyio.to_thread.run_sync(work)


class Web:
    """Addresses that can be fetched, and how often each was."""

    def __init__(self, **pages: bytes) -> None:
        self.pages = pages
        self.urls: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.urls.append(url)
        await anyio.lowlevel.checkpoint()
        return self.pages[url.partition("?")[0].rpartition("/")[2]]


def cache_of(folder: Path, web: Web | None = None, **settings: Any) -> ReferenceCache:
    defaults: dict[str, Any] = {
        "allowed_folder": folder,
        "shrink": False,
        "offload": at_once,
        "fetch": (web or Web()).fetch,
    }
    return ReferenceCache(folder, **(defaults | settings))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of whatever files and data URIs are read."""
    names: list[str] = []

    def counted(reference: str, identity: Identity) -> bytes:
        names.append(reference[:20])
        return read(reference, identity)

    monkeypatch.setattr("batchgen.references.reference_cache.read", counted)
    return names


# -- what comes out


async def test_an_attachment_is_the_file_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a b.jpg").write_bytes(PNG)

    image = await cache_of(tmp_path).attachment("a b.jpg", RULES, 1)

    assert image.data == PNG
    assert image.media_type == "image/png"
    assert image.name == f"{hashlib.sha256(PNG).hexdigest()}.png"


async def test_an_inline_image_is_base64_without_line_breaks(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)

    image = await cache_of(tmp_path).inline("a.png", RULES, 1)

    assert (image.media_type, image.base64) == ("image/png", base64.b64encode(PNG))


async def test_a_data_uri_goes_by_its_content(tmp_path: Path) -> None:
    uri = "data:image/webp;base64," + base64.b64encode(PNG).decode()

    image = await cache_of(tmp_path).attachment(uri, RULES, 1)

    assert (image.data, image.media_type) == (PNG, "image/png")


async def test_a_url_is_fetched_and_judged_like_a_file(tmp_path: Path) -> None:
    web = Web(good=PNG, moving=animation("GIF"), page=b"<html>")
    cache = cache_of(tmp_path, web)

    image = await cache.attachment("https://a.example/good", RULES, 1)

    assert image.data == PNG
    with pytest.raises(Unusable, match=r"^https://a\.example/moving: animated"):
        await cache.attachment("https://a.example/moving", RULES, 1)
    with pytest.raises(Unusable, match=r"^https://a\.example/page: .*HTML.*the URL of"):
        await cache.inline("https://a.example/page?token=secret", RULES, 1)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        pytest.param("gone.png", "gone.png: no such file", id="missing"),
        pytest.param("cut.png", "cut.png: no usable image", id="truncated"),
        pytest.param("a.png", "a.png: 9,432 bytes, at most 9,431", id="too-large"),
        pytest.param("photo.gif", "photo.gif: image/gif is not taken", id="type"),
    ],
)
async def test_what_cannot_be_used_is_refused_by_name(
    tmp_path: Path, reference: str, message: str
) -> None:
    (tmp_path / "cut.png").write_bytes(PNG[:-5])
    (tmp_path / "a.png").write_bytes(PNG[:9432].ljust(9432, b"\0"))
    (tmp_path / "photo.gif").write_bytes(written(noise(), "GIF"))
    rules = ReferenceRules(max_count=1, carriers=("part",), max_bytes=9431)

    with pytest.raises(Unusable) as caught:
        await cache_of(tmp_path).attachment(reference, rules, 1)

    assert str(caught.value).startswith(message)


async def test_an_image_is_shrunk_where_that_is_allowed(tmp_path: Path) -> None:
    data = written(noise((300, 200)), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    rules = ReferenceRules(max_count=1, carriers=("part",), max_bytes=len(data) // 4)
    cache = cache_of(tmp_path, shrink=True, offload=in_a_thread)

    image = await cache.attachment("a.png", rules, 1)
    inline = await cache.inline("a.png", rules, 1)

    assert len(image.data) <= len(data) // 4
    assert image.media_type == inspect(image.data).media_type == "image/jpeg"
    assert image.name == f"{hashlib.sha256(image.data).hexdigest()}.jpg"
    assert base64.b64decode(inline.base64) == image.data
    assert inline.media_type == image.media_type


async def test_a_type_that_is_not_taken_is_turned_into_one_that_is(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.gif").write_bytes(written(noise(), "GIF"))

    image = await cache_of(tmp_path, shrink=True).attachment("a.gif", RULES, 1)

    assert (image.media_type, image.name[-4:]) == ("image/png", ".png")


async def test_images_of_one_request_share_its_limit(tmp_path: Path) -> None:
    data = written(noise((300, 200)), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    rules = ReferenceRules(
        max_count=9, carriers=("part",), max_total_bytes=len(data) + 1
    )
    cache = cache_of(tmp_path, shrink=True)

    alone = await cache.attachment("a.png", rules, 1)
    shared = await cache.attachment("a.png", rules, 3)
    # Whether all fit together was judged before the row was bought.
    unshrunk = await cache_of(tmp_path).attachment("a.png", rules, 3)

    assert alone.data == unshrunk.data == data
    assert len(shared.data) <= len(data) // 3


# -- once, for all


async def test_an_image_is_read_and_encoded_once_for_all_rows(
    tmp_path: Path, reads: list[str]
) -> None:
    (tmp_path / "logo.png").write_bytes(PNG)
    cache = cache_of(tmp_path, offload=in_a_thread)
    images, inlines = set(), set()

    async def row() -> None:
        images.add(await cache.attachment("logo.png", RULES, 1))
        inlines.add(await cache.inline("logo.png", RULES, 1))

    for _ in range(10):
        async with anyio.create_task_group() as rows:
            for _ in range(50):
                rows.start_soon(row)

    assert (len(images), len(inlines), reads) == (1, 1, ["logo.png"])


async def test_a_shrunk_image_is_made_once_for_each_limit(
    tmp_path: Path,
) -> None:
    data = written(noise((300, 200)), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    rules = ReferenceRules(max_count=9, carriers=("part",), max_total_bytes=len(data))
    cache = cache_of(tmp_path, shrink=True)

    images = [await cache.attachment("a.png", rules, n) for n in (2, 2, 3, 3, 2)]

    assert len(set(images)) == 2


async def test_a_url_is_fetched_once(tmp_path: Path) -> None:
    web = Web(a=PNG)
    cache = cache_of(tmp_path, web)

    async with anyio.create_task_group() as rows:
        for _ in range(20):
            rows.start_soon(cache.inline, "https://a.example/a", RULES, 1)

    assert web.urls == ["https://a.example/a"]


async def test_a_failed_fetch_is_passed_on_and_tried_again(tmp_path: Path) -> None:
    web = Web()
    cache = cache_of(tmp_path, web)
    with pytest.raises(KeyError):
        await cache.attachment("https://a.example/a", RULES, 1)
    web.pages["a"] = PNG

    image = await cache.attachment("https://a.example/a", RULES, 1)

    assert image.data == PNG


async def test_a_file_that_was_changed_is_read_anew(
    tmp_path: Path, reads: list[str]
) -> None:
    path, other = tmp_path / "a.png", written(noise((8, 8)), "WEBP")
    path.write_bytes(PNG)
    cache = cache_of(tmp_path)
    before = await cache.inline("a.png", RULES, 1)

    path.write_bytes(other)
    os.utime(path, ns=(1, 1))
    after = await cache.inline("a.png", RULES, 1)

    assert before.media_type == "image/png"
    assert base64.b64decode(after.base64) == other
    assert len(reads) == 2


@pytest.mark.parametrize("link", ["b.png", "sub"])
async def test_a_link_that_led_out_of_the_folder_meanwhile_is_not_followed(
    tmp_path: Path, reads: list[str], link: str
) -> None:
    folder = tmp_path / "inside"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "b.png").write_bytes(PNG)
    reference = f"{link}/b.png" if link == "sub" else link
    (folder / reference).write_bytes(PNG)
    cache = cache_of(folder)
    await cache.attachment(reference, RULES, 1)

    (folder / link).rename(folder / "aside")
    target = tmp_path if link == "sub" else tmp_path / "b.png"
    (folder / link).symlink_to(target)

    with pytest.raises(Unusable, match="lies outside"):
        await cache.attachment(reference, RULES, 1)
    assert len(reads) == 1


async def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)

    async def late(work: Callable[[], T], /) -> T:
        path.write_bytes(PNG + b"more")
        return work()

    with pytest.raises(Unusable, match=r"^a\.png: it changes while it is read$"):
        await cache_of(tmp_path, offload=late).attachment("a.png", RULES, 1)


# -- in bounded memory


async def test_only_so_many_bytes_are_kept(tmp_path: Path, reads: list[str]) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(PNG)
    cache = cache_of(tmp_path, max_bytes=len(PNG) * 2)

    for name in "abac":  # `c` does not fit beside both, and `b` is the older one
        await cache.attachment(name, RULES, 1)
    await cache.attachment("a", RULES, 1)
    assert reads == ["a", "b", "c"]
    await cache.attachment("b", RULES, 1)
    assert reads == ["a", "b", "c", "b"]


async def test_base64_that_is_used_outlives_the_bytes_it_came_from(
    tmp_path: Path, reads: list[str]
) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(PNG)
    text = len(base64.b64encode(PNG))
    cache = cache_of(tmp_path, max_bytes=3 * text)

    for _ in range(5):
        for name in "ab":
            await cache.inline(name, RULES, 1)

    assert reads == ["a", "b"]
    assert cache._prepared._size <= 3 * text


async def test_an_image_that_is_not_kept_is_still_made_ready(
    tmp_path: Path, reads: list[str]
) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    cache = cache_of(tmp_path, max_bytes=10)

    for _ in range(3):
        image = await cache.inline("a.png", RULES, 1)

        assert image.base64 == base64.b64encode(PNG)
    assert cache._prepared._size == 0


async def test_few_are_shrunk_at_a_time(tmp_path: Path) -> None:
    data = written(noise((300, 200)), "PNG")
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(data + bytes(number))
    rules = ReferenceRules(max_count=1, carriers=("part",), max_bytes=len(data) // 2)
    running, max_running = 0, 0

    async def watched(work: Callable[[], T], /) -> T:
        nonlocal running, max_running
        shrinks = isinstance(work, partial) and work.func is _shrink
        if not shrinks:
            return work()
        running += 1
        max_running = max(max_running, running)
        await anyio.lowlevel.checkpoint()
        running -= 1
        return work()

    cache = cache_of(tmp_path, shrink=True, offload=watched)
    async with anyio.create_task_group() as rows:
        for number in range(6):
            rows.start_soon(cache.attachment, f"{number}.png", rules, 1)

    assert max_running == 2
