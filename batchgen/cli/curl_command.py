"""Write the requests of one row as curl commands for sh; nothing is sent or read.

In the place of the key and of links of uploads a Call has placeholders, which become
shell variables. The user sets those of links: sh cannot read the reply to an upload
reliably. Images are read from files that the shell can open.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from secrets import token_hex

import anyio.to_thread

from batchgen.addresses import is_local, shown
from batchgen.addresses.url import read_url
from batchgen.errors import AttemptError, SpecError
from batchgen.model import (
    Attachment,
    Call,
    ImageRequest,
    Job,
    Link,
    Payload,
    ReferenceRules,
)
from batchgen.providers import key_variable
from batchgen.providers.base import Endpoint, Provider, TaskProvider, UploadProvider
from batchgen.references import ReferenceCache, Unusable
from batchgen.runner.shell_quoting import quoted_word
from batchgen.wire import is_loopback_host
from batchgen.wire.request_builder import build_purchase, encode_json
from batchgen.wire.sender import Wire

# Linux takes no argument above 128 KB; what is longer goes through a pipe.
_ARGUMENT_BYTES = 100_000

# What stands between double quotes as it is.
_PLAIN = re.compile(r"[A-Za-z0-9 :;=,._/@%+-]*")

# curl makes these itself, from the URL, the body, and for a form its own boundary.
_CURLS_OWN = frozenset({"host", "content-length"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Variables and files of the shell that a command can use.

    Attributes:
        variables: Shell variable by the placeholder that stands in a Call for it.
        files: Path of each image, by the identity of the image's bytes or base64.
    """

    variables: dict[str, str]
    files: dict[int, str]

    def word(self, text: str) -> str:
        """Quote a text for the shell; placeholders become variables."""
        if "\0" in text:
            raise SpecError("a command line cannot hold a zero byte; mend the row")
        marks = "|".join(map(re.escape, self.variables))
        # Plain text and placeholders alternately; plain text first and last.
        pieces = re.split(f"({marks})", text) if marks else [text]
        if len(pieces) == 1:
            return quoted_word(text)
        pieces[1::2] = [f"${self.variables[mark]}" for mark in pieces[1::2]]
        ends_names = not any(re.match(r"\w", piece) for piece in pieces[2::2])
        if ends_names and all(map(_PLAIN.fullmatch, pieces[::2])):
            return f'"{"".join(pieces)}"'
        return "".join(
            f'"{piece}"' if at % 2 else quoted_word(piece)
            for at, piece in enumerate(pieces)
            if piece
        )


def curl(provider: str, call: Call, shell: Shell, *options: str) -> str:
    """Return the command that sends the same request as the runner.

    Args:
        provider: Registered name, for errors.
        call: The request, placeholders in the place of secrets.
        shell: What the placeholders stand for, and where images are.
        options: Further options for curl, quoted already.

    Raises:
        SpecError: no command line can say it.
    """
    feed, body = _body(call, shell)
    implied = "GET" if call.json is None and call.form is None else "POST"
    method = [] if call.method == implied else [f"-X {call.method}"]
    url = read_url(call.url)
    command = ["curl -sS", *method, shell.word(call.url), *options]
    # The runner sends to loopback without a proxy, whatever the environment says.
    command += ["--noproxy '*'"] if is_loopback_host(url.host) else []
    command += ["--globoff"] if set(call.url) & set("[]{}") else []
    command += [f"-H {shell.word(header)}" for header in _headers(provider, call)]
    text = " \\\n  ".join([*command, *body])
    return f"{feed} | {text}" if feed else text


def _headers(provider: str, call: Call) -> Iterator[str]:
    left_out = _CURLS_OWN | ({"content-type"} if call.form is not None else set())
    for name, value in build_purchase(provider, call).headers.items():
        if name not in left_out:
            yield f"{name}: {value}"
    if call.json is not None or call.form is not None:
        yield "expect:"  # curl would ask first whether a large body is welcome


def _body(call: Call, shell: Shell) -> tuple[str, list[str]]:
    """Return what feeds curl's standard input, and the options for the body."""
    if call.form is not None:
        return "", [_form_option(name, value, shell) for name, value in call.form]
    if call.json is None:
        return "", []
    pieces = [value for value in encode_json(call.json) if value]
    if len(pieces) == 1 and len(pieces[0]) < _ARGUMENT_BYTES:
        return "", [f"--data-raw {shell.word(pieces[0].decode())}"]
    lines = "\n  ".join(_feeding(pieces, shell))
    return f"{{\n  {lines}\n}}", ["--data-binary @-"]


def _feeding(pieces: list[bytes], shell: Shell) -> Iterator[str]:
    """Yield the commands that write a JSON document, piece by piece."""
    for path, group in groupby(pieces, lambda value: shell.files.get(id(value))):
        if path is None:
            yield f"printf %s {shell.word(b''.join(group).decode())}"
        else:
            yield from (f"base64 < {shell.word(path)} | tr -d '\\n'" for _ in group)


def _form_option(name: str, value: str | Attachment, shell: Shell) -> str:
    if isinstance(value, str):
        # Unlike -F it takes `@`, `<` and `;` as they are.
        return f"--form-string {shell.word(f'{name}={value}')}"
    path = shell.files[id(value.data)]
    file_type = f"type={value.media_type};filename={value.name}"
    if _PLAIN.fullmatch(path) and not set(path) & set(";,"):
        return f"-F {shell.word(f'{name}=@{path};{file_type}')}"
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    part = f'{name}=@"{escaped}";{file_type}'
    return f"-F {shell.word(part)}"


REPLY = "reply"
"""File for the reply of the printed command: the reply is paid for."""


@dataclass(slots=True)
class Script:
    """Prepares a row's references as the runner does, and notes the commands for that.

    Attributes:
        may_fetch: Whether a reference that is a URL may be looked at.
    """

    job: Job
    provider: Provider
    endpoint: Endpoint
    may_fetch: bool
    shell: Shell = field(init=False)
    _steps: list[str] = field(default_factory=list)
    _links: dict[str, Link] = field(default_factory=dict)

    def __post_init__(self) -> None:
        variables = {self.endpoint.key: key_variable(self.provider.name)}
        self.shell = Shell(variables=variables, files={})

    async def prepare(
        self, request: ImageRequest, rules: ReferenceRules
    ) -> tuple[Payload, ...]:
        """Return a request's references in the form in which they are sent.

        Raises:
            SpecError: one of them cannot be fetched or used.
        """
        count = len(request.references)
        async with Wire(paid_hosts=True) as wire:
            cache = self._cache(wire)
            try:
                return tuple(
                    [
                        await self._payload(cache, reference, rules, count)
                        for reference in request.references
                    ]
                )
            except Unusable as error:
                raise SpecError(f"references: {error}") from error

    def lines(self, call: Call) -> Iterator[str]:
        """Yield the commands; a purchase does not follow on one that failed."""
        yield from self._steps
        for mark in self._links.values():
            variable = self.shell.variables[mark.url]
            yield f': "${{{variable}:?set it to the link in the reply above}}" &&'
        yield curl(self.provider.name, call, self.shell, f"-o {REPLY}")
        if isinstance(self.provider, TaskProvider):
            poll = self.provider.encode_poll("TASK_ID", self.endpoint)
            yield "# how the task stands, by the id in the reply:"
            for line in curl(self.provider.name, poll, self.shell).splitlines():
                yield f"# {line}"

    def _cache(self, wire: Wire) -> ReferenceCache:
        async def fetch(url: str) -> bytes:
            if not self.may_fetch:
                raise Unusable(f"{shown(url)} would have to be fetched first")
            is_near = is_loopback_host(read_url(self.endpoint.base_url).host)
            try:
                blob = await wire.download("reference", url, allow_loopback=is_near)
            except AttemptError as error:
                raise Unusable(f"{shown(url)}: {error.message}") from error
            return blob.data

        job = self.job
        return ReferenceCache(
            job.folder,
            allowed_folder=job.references.folder or job.folder,
            shrink=job.references.shrink,
            offload=anyio.to_thread.run_sync,
            fetch=fetch,
            images=job.images_folder,
        )

    async def _payload(
        self, cache: ReferenceCache, reference: str, rules: ReferenceRules, count: int
    ) -> Payload:
        carrier = rules.carrier_of(reference)
        if carrier == "link":
            return Link(reference)
        image = await cache.attachment(reference, rules, count)
        file = self._file_of(reference, image)
        if carrier == "inline":
            inline = await cache.inline(reference, rules, count)
            self.shell.files[id(inline.base64)] = file
            return inline
        self.shell.files[id(image.data)] = file
        return image if carrier == "part" else self._upload(image)

    def _file_of(self, reference: str, image: Attachment) -> str:
        """Return the file of an image; add a step that makes one if there is none."""
        if is_local(reference):
            path = (self.job.folder / reference).absolute()
            if path.read_bytes() == image.data:
                return str(path)
        file = f"reference-{image.name[-16:]}"
        text = base64.b64encode(image.data).decode()
        self._steps.append(f"base64 -d > {file} <<'END' &&\n{text}\nEND")
        return file

    def _upload(self, image: Attachment) -> Link:
        """Add the upload of an image; return a placeholder of its link."""
        provider = self.provider
        if not isinstance(provider, UploadProvider):
            raise Unusable(f"{provider.name} takes no uploads")
        if image.name not in self._links:
            mark, variable = token_hex(16), f"UPLOAD{len(self._links) + 1}"
            call = provider.encode_upload(image, self.endpoint)
            what_to_do = f"set {variable} to the link in its reply"
            self._steps += [
                f"# upload (buys nothing), then {what_to_do}:",
                curl(provider.name, call, self.shell),
            ]
            self.shell.variables[mark] = variable
            self._links[image.name] = Link(mark)
        return self._links[image.name]
