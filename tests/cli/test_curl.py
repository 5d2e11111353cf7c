"""`curl` prints a command that sends, byte for byte, what the runner sends."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from PIL import Image

from batchgen.cli.curl_command import Shell, curl
from batchgen.model import Attachment, Call
from batchgen.providers import PROVIDERS, key_variable
from batchgen.providers.base import TaskProvider, UploadProvider
from batchgen.sandbox import SandboxProcess
from tests.cli.command import KEY, TIMEOUT_S, batchgen
from tests.cli.recorder import Recorded, Recorder

needs_curl = pytest.mark.skipif(
    not shutil.which("curl"), reason="curl is not installed"
)
SHELLS = [name for name in ("bash", "dash", "sh") if shutil.which(name)]

AWKWARD = (
    'it\'s "a" $HOME `id` $(id) \\n \\\\ é漢😀 ;type=x @file <file %s !x {a,b}\n'
    "  --second line, 'quoted' too\t"
)


def picture(size: tuple[int, int] = (64, 48), kind: str = "PNG") -> bytes:
    drawn = io.BytesIO()
    noise = random.Random(7).randbytes(size[0] * size[1] * 3)
    Image.frombytes("RGB", size, noise).save(drawn, kind)
    return drawn.getvalue()


@pytest.fixture(scope="module")
def desk(
    sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Recorder, Path]]:
    folder = tmp_path_factory.mktemp("desk")
    with Recorder(sandbox.url, {"/pictures/a.png": picture()}) as recorder:
        (folder / "a logo, 1;2.png").write_bytes(picture())
        # Above a megabyte curl would ask first whether the body is welcome.
        (folder / "large.png").write_bytes(picture((700, 520)))
        uri = (
            f"data:image/jpeg;base64,{base64.b64encode(picture(kind='JPEG')).decode()}"
        )
        rows = [
            {"prompt": f"r0 {AWKWARD}", "aspect_ratio": "16:9", "resolution": "2K"},
            {"prompt": "r1", "references": "a logo, 1;2.png|large.png"},
            {"prompt": "r2", "references": uri},
            {"prompt": "r3", "references": f"{recorder.url}/pictures/a.png"},
            {"prompt": "r4", "n": "11"},
        ]
        with (folder / "m.csv").open("w", newline="") as file:
            names = ("prompt", "references", "aspect_ratio", "resolution", "n")
            table = csv.DictWriter(file, names)
            table.writeheader()
            table.writerows(rows)
        yield recorder, folder


def run_in(
    shell: str, script: str, folder: Path, name: str, links: Mapping[str, str] = {}
) -> str:
    """Run a script with a provider's key in the environment; return its output."""
    done = subprocess.run(
        [shell, "-c", script],
        cwd=folder,
        env={**os.environ, **links, key_variable(name): KEY},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert (done.returncode, done.stderr) == (0, ""), script
    return done.stdout


def run_with_uploads(shell: str, script: str, folder: Path, name: str) -> None:
    """Run a script; between uploads and purchase set the links, as a user does."""
    uploads, _, purchase = script.partition('\n: "${UPLOAD1:?')
    if not purchase:
        run_in(shell, script, folder, name)
        return
    replies = run_in(shell, uploads, folder, name)
    urls = re.findall(r'"url": *"([^"]+)"', replies)
    links = {f"UPLOAD{number}": url for number, url in enumerate(urls, 1)}
    run_in(shell, f': "${{UPLOAD1:?{purchase}', folder, name, links)


def purchase_of(requests: list[Recorded], name: str, row: int) -> Recorded:
    """Return the first request that bought a row."""
    words = (f'"r{row}'.encode(), f"\r\n\r\nr{row}".encode())
    purchases = [
        request
        for request in requests
        if any(word in request.content for word in words)
    ]
    assert purchases, f"nothing was bought for row {row} of {name}"
    return purchases[0]


@needs_curl
@pytest.mark.parametrize("name", list(PROVIDERS))
def test_the_command_sends_what_the_runner_sends(
    desk: tuple[Recorder, Path], name: str, tmp_path: Path
) -> None:
    recorder, folder = desk
    options = ["--provider", name, "--base-url", f"{recorder.url}/{name}"]
    start = len(recorder.requests)
    words = ["run", "m.csv", *options, "--yes", "--quiet", "--out", str(tmp_path / "o")]
    ended = batchgen(*words, "--concurrency", "1", at=folder, key=KEY)
    assert ended.code == 0, ended
    runners = recorder.requests[start:]

    for row in range(5):
        shown = batchgen("curl", "m.csv", "--row", str(row), *options, at=folder)
        assert shown.code == 0, shown
        assert KEY not in shown.stdout
        for shell in SHELLS if row == 0 else SHELLS[:1]:
            start = len(recorder.requests)
            run_with_uploads(shell, shown.stdout, tmp_path, name)
            # Our paths are relative to the manifest, the command's are not.
            sent = recorder.requests[start:]
            expected = purchase_of(runners, name, row).essence()
            assert purchase_of(sent, name, row).essence() == expected
            uploads = [request for request in sent[:-1] if request.is_form]
            essences = [runner.essence() for runner in runners]
            assert all(upload.essence() in essences for upload in uploads)
            assert (tmp_path / "reply").stat().st_size > 0


@needs_curl
@pytest.mark.parametrize(
    "name",
    [
        name
        for name, provider in PROVIDERS.items()
        if isinstance(provider, TaskProvider)
    ],
)
def test_the_comment_below_asks_for_the_task(
    desk: tuple[Recorder, Path], name: str, tmp_path: Path
) -> None:
    recorder, folder = desk
    options = ["--provider", name, "--base-url", f"{recorder.url}/{name}"]
    shown = batchgen("curl", "m.csv", "--row", "2", *options, at=folder).stdout
    script, _, comment = shown.partition("# how the task stands")
    run_with_uploads("sh", script, tmp_path, name)
    reply = json.loads((tmp_path / "reply").read_text())
    data = reply.get("data", reply)
    task = data[0] if isinstance(data, list) else data
    names = ("id", "task_id", "request_id")
    task_id = next(task[name] for name in names if name in task)

    lines = comment.splitlines()[1:]
    poll = "\n".join(line.removeprefix("# ") for line in lines)
    answer = run_in("sh", poll.replace("TASK_ID", task_id), tmp_path, name)

    assert task_id in answer
    assert recorder.requests[-1].method == "GET"


@needs_curl
@pytest.mark.parametrize(
    "name",
    [
        name
        for name, provider in PROVIDERS.items()
        if isinstance(provider, UploadProvider)
    ],
)
def test_nothing_is_bought_when_an_upload_brings_no_link(
    sandbox: SandboxProcess, desk: tuple[Recorder, Path], name: str, tmp_path: Path
) -> None:
    recorder, folder = desk
    job = folder / f"{name}.toml"
    job.write_text(
        f'manifest = "m.csv"\nprovider = "{name}"\n'
        f'base_url = "{recorder.url}/{name}"\n'
        f'[providers.{name}]\nreferences = "upload"\n'
    )
    shown = batchgen("curl", job.name, "--row", "1", at=folder).stdout
    assert "then set UPLOAD1 to the link in its reply" in shown
    start = len(recorder.requests)

    done = subprocess.run(
        ["sh", "-c", shown],
        cwd=tmp_path,
        env={**os.environ, key_variable(name): "ak_wrong"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )

    assert [request.is_form for request in recorder.requests[start:]] == [True, True]
    assert done.returncode != 0
    assert "UPLOAD1: set it to the link in the reply above" in done.stderr


def test_a_row_that_cannot_run_gets_its_reason(
    tmp_path: Path,
) -> None:
    (tmp_path / "m.csv").write_text("id,prompt,aspect_ratio\na,x,21:9\na,y,\n")
    options = ["--provider", "aimlapi"]

    misfit = batchgen("curl", "m.csv", "--row", "0", *options, at=tmp_path)
    repeated = batchgen("curl", "m.csv", "--row", "1", *options, at=tmp_path)
    beyond = batchgen("curl", "m.csv", "--row", "2", *options, at=tmp_path)

    assert (misfit.code, repeated.code, beyond.code) == (1, 1, 2)
    where = "m.csv, row 0, line 2: `aspect_ratio`: aimlapi has no 21:9"
    assert misfit.message.startswith(where)
    assert repeated.message.startswith("m.csv, row 1, line 3: `id`: ")
    assert beyond.message == "m.csv has rows 0 to 1, no row 2"


def test_no_key_is_read_and_no_address_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("prompt\nx\n")

    shown = batchgen(
        "curl", "m.csv", "--row", "0", "--provider", "gemini", at=tmp_path, key=KEY
    )
    nowhere = batchgen(
        "curl", "m.csv", "--row", "0", "--provider", "gccai", at=tmp_path
    )

    assert '-H "x-goog-api-key: $GEMINI_API_KEY"' in shown.stdout
    assert KEY not in shown.stdout
    assert nowhere.code == 2
    assert "--base-url" in nowhere.message


def test_a_row_of_several_requests_says_that_this_is_the_first(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("prompt,n\nx,11\n")

    shown = batchgen(
        "curl", "m.csv", "--row", "0", "--provider", "nanobananaapi", at=tmp_path
    )

    assert "# the first of 2 requests for the row's 11 images" in shown.stdout
    assert '"num":9' in shown.stdout


@needs_curl
def test_a_file_whose_name_is_awkward_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "a 'b\" \\c;d,e.png"
    path.write_bytes(b"picture")
    image = Attachment("a.png", "image/png", b"picture")
    with Recorder("http://127.0.0.1:1") as recorder:
        call = Call(
            method="POST",
            url=f"{recorder.url}/pictures/x",
            form=[("image", image), ("text", AWKWARD)],
        )
        recorder.pictures["/pictures/x"] = b"ok"
        shell = Shell(variables={}, files={id(image.data): str(path)})

        output = run_in("sh", curl("acme", call, shell), tmp_path, "acme")

    assert output == "ok"
