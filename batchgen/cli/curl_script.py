"""A shell script that prepares references and sends one request, as a run does."""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Sequence
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
    Capabilities,
    Endpoint,
    ImageRequest,
    Inline,
    Job,
    Link,
    Payload,
)
from batchgen.providers import key_variable
from batchgen.providers.base import Provider, TaskProvider, UploadProvider
from batchgen.references import ReferenceCache, Unusable
from batchgen.wire import is_loopback_host
from batchgen.wire.sender import Wire

REPLY = "reply"
"""File for the reply of the printed command: the reply is paid for."""

# Of the last `url` in a reply of one object: JSON may write `/` as `\/`.
_LINK_OF_REPLY = (
    'tr -d \'\\n\' | sed -n \'s/.*"url" *: *"\\([^"]*\\)".*/\\1/p\' | '
    "sed 's/\\\\u0026/\\&/g' | tr -d '\\\\'"
)


@dataclass(slots=True)
class Script:
    """Steps before the purchase, and the shell variables that they set.

    Attributes:
        temporary_files: Variables of temporary files.
    """

    provider: Provider
    endpoint: Endpoint
    steps: list[str] = field(default_factory=list)
    temporary_files: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    files: dict[int, str] = field(default_factory=dict)

    @property
    def shell(self) -> Shell:
        """Variables and files of the steps so far, and the key."""
        key = {self.endpoint.key: key_variable(self.provider.name)}
        return Shell(variables=key | self.variables, files=self.files)

    def new_file(self, number: int) -> str:
        """Add a step that makes a temporary file; return a placeholder of its path."""
        name, mark = f"reference{number}", token_hex(16)
        self.variables[mark] = name
        self.temporary_files.append(f'"${name}"')
        self.steps.append(f"{name}=$(mktemp)")
        return mark

    def fetch(self, url: str, into: str) -> None:
        """Add a step that downloads an image."""
        self.steps.append(
            f"curl -sSfL -o {self.shell.word(into)} {self.shell.word(url)}"
        )

    def write(self, data: bytes, into: str) -> None:
        """Add a step that writes an image whose bytes are in the script."""
        lines = textwrap.wrap(base64.b64encode(data).decode(), 76)
        begin = f"base64 -d > {self.shell.word(into)} <<'END'"
        self.steps.append("\n".join([begin, *lines, "END"]))

    def upload(self, provider: UploadProvider, image: Attachment, number: int) -> Link:
        """Add a step that uploads an image; return a placeholder of its link."""
        name, mark = f"upload{number}", token_hex(16)
        call = provider.encode_upload(image, self.endpoint)
        command = curl(self.provider.name, call, self.shell)
        self.steps.append(f"{name}=$({command} | {_LINK_OF_REPLY})")
        self.steps.append(f': "${{{name}:?the upload brought no link}}"')
        self.variables[mark] = name
        return Link(mark)

    def sending(self, call: Call) -> str:
        """Return the whole script; steps before the purchase must have succeeded."""
        command = curl(self.provider.name, call, self.shell, f"-o {REPLY}")
        if not self.steps:
            return command
        redact = (
            [f"trap 'rm -f {' '.join(self.temporary_files)}' EXIT"]
            if self.temporary_files
            else []
        )
        temporary_files = [step for step in self.steps if step.endswith("$(mktemp)")]
        others = [step for step in self.steps if step not in temporary_files]
        return "\n".join(
            ["(", "set -eu", *temporary_files, *redact, *others, command, ")"]
        )

    def polling(self) -> Sequence[str]:
        """Return comments with the command that polls a task."""
        if not isinstance(self.provider, TaskProvider):
            return []
        call = self.provider.encode_poll("TASK_ID", self.endpoint)
        lines = curl(self.provider.name, call, self.shell).splitlines()
        return ["# how the task stands, by the id in the reply:"] + [
            f"# {line}" for line in lines
        ]


@dataclass(slots=True)
class ReferencePreparation:
    """Prepares references as the runner does, and notes their files for the shell."""

    job: Job
    capabilities: Capabilities
    script: Script
    may_fetch: bool
    fetched: dict[str, bytes] = field(default_factory=dict)
    uploaded: dict[str, Link] = field(default_factory=dict)

    async def ready(self, request: ImageRequest) -> tuple[Payload, ...]:
        """Return a request's references in the form in which they are sent.

        Raises:
            SpecError: one of them cannot be fetched or used.
        """
        async with Wire(paid_hosts=True) as wire:

            async def fetch(url: str) -> bytes:
                if not self.may_fetch:
                    raise Unusable(f"{shown(url)} would have to be fetched first")
                host = read_url(self.script.endpoint.base_url).host
                near = is_loopback_host(host)
                try:
                    blob = await wire.download("reference", url, allow_loopback=near)
                except AttemptError as error:
                    raise Unusable(f"{shown(url)}: {error.message}") from error
                self.fetched[url] = blob.data
                return blob.data

            cache = ReferenceCache(
                self.job.folder,
                allowed_folder=self.job.references.folder or self.job.folder,
                shrink=self.job.references.shrink,
                offload=anyio.to_thread.run_sync,
                fetch=fetch,
                images=self.job.images_folder,
            )
            try:
                among = len(request.references)
                return tuple(
                    [
                        await self._one(cache, reference, among)
                        for reference in request.references
                    ]
                )
            except Unusable as error:
                raise SpecError(f"references: {error}") from error

    async def _one(self, cache: ReferenceCache, reference: str, among: int) -> Payload:
        rules, script = self.capabilities.references, self.script
        carrier = rules.carrier_of(reference)
        if carrier == "link":
            return Link(reference)
        image = await cache.attachment(reference, rules, among)
        inline = None
        if carrier == "inline":
            inline = await cache.inline(reference, rules, among)
        image_or_text: Attachment | Inline = inline or image
        held = inline.base64 if inline else image.data
        if id(held) not in script.files:
            script.files[id(held)] = self._file(reference, image.data)
        if carrier != "upload":
            return image_or_text
        if not isinstance(script.provider, UploadProvider):
            raise Unusable(f"{script.provider.name} takes no uploads")
        if image.name not in self.uploaded:
            number = len(self.uploaded) + 1
            link = script.upload(script.provider, image, number)
            self.uploaded[image.name] = link
        return self.uploaded[image.name]

    def _file(self, reference: str, data: bytes) -> str:
        """Return the file of an image that is sent as `data`, for the shell."""
        script = self.script
        number = len(script.temporary_files) + 1
        if reference in self.fetched:
            file = script.new_file(number)
            if self.fetched[reference] == data:
                script.fetch(reference, file)
            else:
                script.write(data, file)
            return file
        if is_local(reference):
            path = (self.job.folder / reference).absolute()
            if path.read_bytes() == data:
                return str(path)
        file = script.new_file(number)
        script.write(data, file)
        return file
