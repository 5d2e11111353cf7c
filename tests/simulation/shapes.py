"""How two providers word what the simulation decides: a purchase now, or a task."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tests.simulation.answer import Answer, json_answer


@dataclass(slots=True, kw_only=True)
class Purchase:
    """One request to buy, as the provider's own books have it.

    Attributes:
        at: Seconds of its arrival.
        billed: Nano-dollars.
        fate: What came of it: `made`, or what went wrong.
        ready_at: When its image is made, or its task fails.
        read_at: When the client had read that it is accepted or made.
        end_read_at: When it had read of its end without an image.
        doubts: Polls that met a passing doubt, and downloads that broke.
    """

    number: int
    at: float
    prompt: str
    billed: int = 0
    fate: str = "made"
    ready_at: float = 0.0
    image: bytes = b""
    read_at: float | None = None
    end_read_at: float | None = None
    doubts: int = 0
    broken: int = 0
    links: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"order-{self.number}"


class Shape(Protocol):
    """The words of one provider."""

    works_by_tasks: bool

    def error(self, status: int, words: str, **headers: str) -> Answer:
        """Say no."""

    def bought(self, purchase: Purchase, links: list[str], *, inline: bool) -> Answer:
        """Say yes: the images, or the task."""

    def empty(self, purchase: Purchase) -> Answer:
        """Say yes, without an image."""

    def task(self, purchase: Purchase, status: str, links: list[str]) -> Answer:
        """Say how a task stands."""


class AimlShape:
    """AI/ML API: the image, or a link to it, in the reply to the purchase."""

    works_by_tasks = False

    def error(self, status: int, words: str, **headers: str) -> Answer:
        return json_answer(status, {"message": words, "statusCode": status}, **headers)

    def bought(self, purchase: Purchase, links: list[str], *, inline: bool) -> Answer:
        text = base64.b64encode(purchase.image).decode()
        data = [{"b64_json": text}] if inline else [{"url": link} for link in links]
        return json_answer(200, self._body(purchase, data), x_inference_id=purchase.id)

    def empty(self, purchase: Purchase) -> Answer:
        words = {"message": "here is what I would draw"}
        body = self._body(purchase, []) | words
        return json_answer(200, body, x_inference_id=purchase.id)

    @staticmethod
    def _body(purchase: Purchase, data: object) -> dict[str, object]:
        usage = {"usage": {"credits_used": purchase.billed // 500}}
        return {"data": data, "meta": usage}

    def task(self, purchase: Purchase, status: str, links: list[str]) -> Answer:
        return self.error(404, "no such path")


class FoxShape:
    """FoxAPI: a task, to be asked for."""

    works_by_tasks = True

    def error(self, status: int, words: str, **headers: str) -> Answer:
        return json_answer(status, {"error": {"message": words}}, **headers)

    def bought(self, purchase: Purchase, links: list[str], *, inline: bool) -> Answer:
        document = {"id": purchase.id, "status": "processing"}
        return json_answer(200, document | {"task_info": {"estimated_time": 20}})

    def empty(self, purchase: Purchase) -> Answer:
        return self.task(purchase, "completed", [])

    def task(self, purchase: Purchase, status: str, links: list[str]) -> Answer:
        document: dict[str, object] = {"id": purchase.id, "status": status}
        if status == "completed":
            document["results"] = [{"url": link} for link in links]
        if status == "failed":
            refused = purchase.fate == "refused"
            words = "blocked by our content policy" if refused else "it did not work"
            document["error"] = {"code": "generation_failed", "message": words}
        return json_answer(200, document)


SHAPES: Mapping[str, Shape] = {"aimlapi": AimlShape(), "foxapi": FoxShape()}
