"""Rules for the fields of a request, and the problems of a value that breaks them."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from batchgen.sandbox.multipart import Part
from batchgen.sandbox.reference_images import ImageRules, read_data_uri

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape(ABC):
    """The rule for one field."""

    required: bool = False

    @abstractmethod
    def problems(self, value: object, name: str) -> Iterator[str]:
        """Yield one line for each problem of a value; `name` is its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Shape):
    """Text that is not blank, with optional choices or a pattern."""

    choices: tuple[str, ...] = ()
    pattern: str = ".*"

    def problems(self, value: object, name: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield f"'{name}': Expected string, received {_kind_of(value)}"
            return
        if self.choices and value not in self.choices:
            expected = " | ".join(f"'{choice}'" for choice in self.choices)
            yield f"'{name}': Invalid enum value. Expected {expected}, received {value}"
        if not re.fullmatch(self.pattern, value, re.DOTALL):
            yield f"'{name}': String must match {self.pattern}"
        if not value.strip():
            yield f"'{name}': String must contain at least 1 character(s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Shape):
    """`true` or `false`."""

    def problems(self, value: object, name: str) -> Iterator[str]:
        if not isinstance(value, bool):
            yield f"'{name}': Expected boolean, received {_kind_of(value)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Shape):
    """A JSON number; both ends of its range are allowed."""

    minimum: float
    maximum: float
    whole: bool = False

    def problems(self, value: object, name: str) -> Iterator[str]:
        kinds = int if self.whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            expected = "integer" if self.whole else "number"
            yield f"'{name}': Expected {expected}, received {_kind_of(value)}"
        elif not self.minimum <= value <= self.maximum:
            yield f"'{name}': Number must be from {self.minimum} to {self.maximum}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberText(Shape):
    """A number in a form, where every value is text."""

    number: Number

    def problems(self, value: object, name: str) -> Iterator[str]:
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            yield from self.number.problems(json.loads(value), name)
        else:
            yield f"'{name}': Expected number, received {value!r:.100}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageText(Shape):
    """An image as text: a URL, which the sandbox does not fetch, or a data URI.

    Attributes:
        schemes: Allowed schemes: `https`, `http`, `data`.
    """

    schemes: tuple[str, ...]
    image: ImageRules = field(default_factory=ImageRules)

    def problems(self, value: object, name: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield f"'{name}': Expected string, received {_kind_of(value)}"
            return
        if value.startswith("data:") and "data" in self.schemes:
            parsed = read_data_uri(value)
            if parsed is None:
                yield f"'{name}': Invalid data URI"
                return
            media_type, data = parsed
            for problem in self.image.problems(data, media_type):
                yield f"'{name}': {problem}"
        elif not _is_url(value, self.schemes):
            yield f"'{name}': Invalid url"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf(Shape):
    """A list whose items have one shape."""

    item: Shape
    minimum: int = 0
    maximum: int

    def problems(self, value: object, name: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"'{name}': Expected array, received {_kind_of(value)}"
            return
        if not self.minimum <= len(value) <= self.maximum:
            counts = f"{self.minimum} to {self.maximum}"
            yield f"'{name}': Array must contain {counts} element(s)"
        for position, item in enumerate(value):
            yield from self.item.problems(item, f"{name}[{position}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart(Shape):
    """An image as a file of a form."""

    image: ImageRules = field(default_factory=ImageRules)

    def problems(self, value: object, name: str) -> Iterator[str]:
        if not isinstance(value, Part):
            yield f"'{name}': Expected a file"
            return
        for problem in self.image.problems(value.data, value.media_type or None):
            yield f"'{name}': {problem}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files(ListOf):
    """The files of a form under one name: each is a whole image."""

    item: Shape = field(default_factory=FilePart)


@dataclass(frozen=True, slots=True, kw_only=True)
class Object(Shape):
    """An object with known fields.

    Attributes:
        rule: Yields problems that concern several fields; called when each field alone
            is right.
    """

    fields: Mapping[str, Shape]
    rule: Callable[[Mapping[str, Any]], Iterator[str]] | None = None

    def problems(self, value: object, name: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"'{name}': Expected object, received {_kind_of(value)}"
            return
        problems = list(self._problems_of_fields(value, f"{name}." if name else ""))
        yield from problems
        if self.rule is not None and not problems:
            place = f"'{name}': " if name else ""
            yield from (f"{place}{problem}" for problem in self.rule(value))

    def _problems_of_fields(
        self, body: Mapping[str, Any], prefix: str
    ) -> Iterator[str]:
        for name in sorted(body.keys() - self.fields):
            yield f"Unrecognized key(s) in object: '{prefix}{name}'"
        for name, shape in self.fields.items():
            if name in body:
                yield from shape.problems(body[name], f"{prefix}{name}")
            elif shape.required:
                yield f"'{prefix}{name}': Required"


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf(Shape):
    """A value of one of several shapes."""

    shapes: Sequence[Shape]

    def problems(self, value: object, name: str) -> Iterator[str]:
        by_shape = [list(shape.problems(value, name)) for shape in self.shapes]
        # The shape with the fewest problems is most likely the one that was meant.
        yield from min(by_shape, key=len)


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in schemes and " " not in text and bool(parts.hostname)


def _kind_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int() | float():
            return "number"
        case list():
            return "array"
        case _:
            return "object"
