"""A customer of the sandbox that speaks plain HTTP and shares none of its code."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from io import BytesIO
from typing import Any

import httpx
from PIL import Image

from batchgen.sandbox import KEY, SandboxProcess
from tests.providers.expected import facts_of

PURCHASE = "/v1/images/generations"


def image_file(kind: str = "PNG", size: tuple[int, int] = (16, 9)) -> bytes:
    """Return a small whole image."""
    file = BytesIO()
    Image.new("RGB", size, "teal").save(file, kind)
    return file.getvalue()


def data_uri(kind: str = "PNG", size: tuple[int, int] = (16, 9)) -> str:
    data = base64.b64encode(image_file(kind, size)).decode()
    return f"data:image/{kind.lower()};base64,{data}"


class Buyer:
    """Buy from one provider of a sandbox."""

    def __init__(
        self, client: httpx.Client, sandbox: SandboxProcess, provider: str
    ) -> None:
        self.client = client
        self.sandbox = sandbox
        self.provider = provider
        self.url = sandbox.provider_url(provider)
        self.facts = facts_of(provider).buyer
        self.path = self.facts.path

    def body(self, prompt: str = "a lamp", **fields: object) -> dict[str, Any]:
        body = deepcopy(dict(self.facts.body))
        *path, last = self.facts.prompt.split(".")
        holder: Any = body
        for step in path:
            holder = holder[int(step) if step.isdecimal() else step]
        holder[last] = prompt
        return {**body, **fields}

    def buy(
        self, prompt: str = "a lamp", key: str = KEY, **fields: object
    ) -> httpx.Response:
        if self.facts.is_form:
            return self.send_form([*self.body(prompt, **fields).items()], key)
        return self.send(self.body(prompt, **fields), key)

    def send(self, body: object, key: str = KEY, path: str = "") -> httpx.Response:
        url = self.url + (path or self.path)
        return self.client.post(url, json=body, headers=self.headers(key))

    def send_form(
        self, fields: Sequence[tuple[str, Any]], key: str = KEY, path: str = ""
    ) -> httpx.Response:
        """Send a form: each value is text, or (file name, bytes, media type)."""
        parts = [
            (name, value if isinstance(value, tuple) else (None, str(value)))
            for name, value in fields
        ]
        url = self.url + (path or self.path)
        return self.client.post(url, files=parts, headers=self.headers(key))

    def headers(self, key: str = KEY) -> dict[str, str]:
        """Return the header that holds the key, as this provider wants it."""
        return {self.facts.key_header: self.facts.key_prefix + key}

    def poll(self, task_id: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {KEY}"}
        return self.client.get(f"{self.url}/v1/tasks/{task_id}", headers=headers)

    def wait(self, task_id: str) -> dict[str, Any]:
        """Poll until the task has ended, with a result if it is completed."""
        for _ in range(2_000):
            task: dict[str, Any] = self.poll(task_id).raise_for_status().json()
            hurried = task["status"] == "completed" and not links_of(task)
            if task["status"] in ("completed", "failed") and not hurried:
                return task
        raise AssertionError(f"never ends: {task}")

    def link(self, prompt: str = "a lamp", **fields: object) -> str:
        """Buy an image and return its link."""
        body = self.body(prompt, **fields)
        for change in self.facts.variations:
            reply = self.send({**body, **change}).raise_for_status().json()
            if facts_of(self.provider).way == "task":
                reply = self.wait(reply["id"])
            if links := http_texts(reply):
                return links[0]
        raise AssertionError("always base64")

    def download(self, link: str) -> httpx.Response:
        return self.client.get(link)

    def billed(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.sandbox.bill(self.provider)["entries"]
        return entries

    def outcomes(self) -> dict[str, str]:
        """Return by prompt what became of each request."""
        return {
            prompt_of(request["body"], self.facts.prompt): request["outcome"]
            for request in self.sandbox.requests()
            if request["provider"] == self.provider
        }


def links_of(task: dict[str, Any]) -> list[str]:
    """Return the links of a completed task, in whichever shape they came."""
    if task.get("results"):
        return [result["url"] for result in task["results"]]
    return list(task.get("output", {}).get("urls", []))


def urls_of(reply: dict[str, Any]) -> list[str]:
    """Return the links in a reply of nanobananaapi, in whichever shape they came."""
    url = reply["data"]["url"]
    return [url] if isinstance(url, str) else list(url)


def http_texts(value: object) -> list[str]:
    """Return the links anywhere in a document, in its order."""
    match value:
        case dict():
            return [text for item in value.values() for text in http_texts(item)]
        case list():
            return [text for item in value for text in http_texts(item)]
        case str() if value.startswith("http"):
            return [value]
        case _:
            return []


def prompt_of(body: Any, field: str) -> str:
    """Return the prompt of a request as the sandbox wrote it down.

    Empty for one that has none, or that could not be read: other tests send such
    requests to the same sandbox.
    """
    match body:
        case {"contents": [{"parts": [{"text": prompt}, *_]}, *_]}:
            return str(prompt)
        case {**fields}:
            return str(fields.get(field, ""))
        case [*parts]:
            values = {part["name"].lower(): part.get("value") for part in parts}
            return str(values.get(field.lower(), ""))
        case _:
            return ""


@contextmanager
def buyer_at(sandbox: SandboxProcess, provider: str) -> Iterator[Buyer]:
    # Loading the certificates would take longer than the tests.
    with httpx.Client(trust_env=False, verify=False, timeout=20) as client:
        yield Buyer(client, sandbox, provider)
