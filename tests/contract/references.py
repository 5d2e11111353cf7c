"""Reference images of each kind: files, data URIs, and URLs near and far."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import httpx
from PIL import Image

from batchgen.sandbox import KEY, SandboxProcess
from batchgen.sandbox.drawing import stand_in

FAR = "https://shop.example/lamp.png"
"""Nobody is there: whoever must send bytes sends a drawing in its place."""


@dataclass(frozen=True, slots=True)
class References:
    """Reference images of each kind, beside a manifest.

    Attributes:
        kinds: What stands in the column, by kind.
        digests: Of the file that each reference stands for.
    """

    kinds: Mapping[str, Sequence[str] | None]
    digests: Mapping[str, str]


def make_references(folder: Path, bank: SandboxProcess, max_count: int) -> References:
    """Write small images of each kind; one of them is served by the bank."""
    files = {
        f"sketch {number}.png": _file("PNG", number) for number in range(max_count)
    }
    files |= {"photo.jpg": _file("JPEG", 90), "naïve/photo.webp": _file("WEBP", 91)}
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    inline = _file("PNG", 92)
    uri = f"data:image/png;base64,{b64encode(inline).decode()}"
    served = _file("PNG", 93)
    near = _served(bank, served)
    sketches = [f"sketch {number}.png" for number in range(max_count)]
    bytes_of = {**files, uri: inline, near: served, FAR: stand_in()}
    kinds: dict[str, Sequence[str] | None] = {
        "none": None,
        "png": sketches[:1],
        "jpg": ["photo.jpg"],
        "webp": ["naïve/photo.webp"],
        "data": [uri],
        "far": [FAR],
        "near": [near],
        "several": ["photo.jpg", FAR, uri, sketches[0]][:max_count],
        "most": sketches,
    }
    digests = {name: sha256(data).hexdigest() for name, data in bytes_of.items()}
    return References(kinds, digests)


def _file(kind: str, shade: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (32 + shade % 7, 32), (shade, 255 - shade, 99)).save(file, kind)
    return file.getvalue()


def _served(bank: SandboxProcess, data: bytes) -> str:
    """Return an URL on this machine under which an image is served."""
    reply = httpx.post(
        bank.provider_url("foxapi") + "/v1/files/upload/stream",
        files={
            "file": ("near.png", data, "image/png"),
            "file_name": (None, "near.png"),
            "auto_cleanup": (None, "true"),
        },
        headers={"authorization": f"Bearer {KEY}"},
        trust_env=False,
        verify=False,  # loading the certificates would take longer than the rest
    )
    url: str = reply.raise_for_status().json()["url"]
    return url
