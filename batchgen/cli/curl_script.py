"""The commands of one row: files of its images, uploads, purchase, question for a task.

A shell cannot be trusted to find the link in the reply to an upload: the user sets it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from secrets import token_hex

import anyio.to_thread

from batchgen.addresses import is_local, shown
from batchgen.addresses.url import read_url
from batchgen.cli.curl_command import Shell, curl
from batchgen.errors import AttemptError, SpecError
from batchgen.model import (
    Attachment,
    Call,
    Endpoint,
    ImageRequest,
    Job,
    Link,
    Payload,
    ReferenceRules,
)
from batchgen.providers import key_variable
from batchgen.providers.base import Provider, TaskProvider, UploadProvider
from batchgen.references import ReferenceCache, Unusable
from batchgen.wire import is_loopback_host
from batchgen.wire.sender import Wire

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
            job.manifest.parent,
            allowed_folder=job.references.folder or job.manifest.parent,
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
            path = (self.job.manifest.parent / reference).absolute()
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
            command = curl(
                provider.name, provider.encode_upload(image, self.endpoint), self.shell
            )
            about = f"# an upload, no purchase; then {variable}=LINK, from its reply:"
            self._steps += [about, command]
            self.shell.variables[mark] = variable
            self._links[image.name] = Link(mark)
        return self._links[image.name]
