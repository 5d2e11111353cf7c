"""What a document says of the fields of a request, and what is wrong with a value."""

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
    """What one field must be."""

    required: bool = False

    @abstractmethod
    def problems(self, value: object, name: str) -> Iterator[str]:
        """Yield one line for each fault of a value; `name` says where it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Shape):
    """Text that is not blank; without choices or a pattern any is allowed."""

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
    """A number that stands without quotes; both ends of its range are allowed."""

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
    """A number in a form, where all is text."""

    number: Number

    def problems(self, value: object, name: str) -> Iterator[str]:
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            yield from self.number.problems(json.loads(value), name)
        else:
            yield f"'{name}': Expected number, received {value!r:.100}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageText(Shape):
    """An image as text: a URL, which nobody fetches here, or a data URI.

    Attributes:
        schemes: What it may start with: `https`, `http`, `data`.
    """

    schemes: tuple[str, ...]
    image: ImageRules = field(default_factory=ImageRules)

    def problems(self, value: object, name: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield f"'{name}': Expected string, received {_kind_of(value)}"
            return
        if value.startswith("data:") and "data" in self.schemes:
            found = read_data_uri(value)
            if found is None:
                yield f"'{name}': Invalid data URI"
                return
            for problem in self.image.problems(found[1], found[0]):
                yield f"'{name}': {problem}"
        elif not _is_url(value, self.schemes):
            yield f"'{name}': Invalid url"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf(Shape):
    """A list of things of one shape."""

    item: Shape
    minimum: int = 0
    maximum: int

    def problems(self, value: object, name: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"'{name}': Expected array, received {_kind_of(value)}"
            return
        if not self.minimum <= len(value) <= self.maximum:
            yield (
                f"'{name}': Array must contain {self.minimum} to {self.maximum} element(s)"
            )
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
    """The files of a form that have one name: each a whole image."""

    item: Shape = field(default_factory=FilePart)


@dataclass(frozen=True, slots=True, kw_only=True)
class Object(Shape):
    """An object with known fields.

    Attributes:
        rule: Yields what is wrong beyond the single fields, which are right by then.
    """

    fields: Mapping[str, Shape]
    rule: Callable[[Mapping[str, Any]], Iterator[str]] | None = None

    def problems(self, value: object, name: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"'{name}': Expected object, received {_kind_of(value)}"
            return
        found = problems_of(value, self.fields, f"{name}." if name else "")
        yield from found
        if self.rule is not None and not found:
            where = f"'{name}': " if name else ""
            yield from (f"{where}{problem}" for problem in self.rule(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf(Shape):
    """Whatever fits one of several shapes."""

    shapes: Sequence[Shape]

    def problems(self, value: object, name: str) -> Iterator[str]:
        tries = [list(shape.problems(value, name)) for shape in self.shapes]
        # The fewest complaints come from the shape that was meant.
        yield from min(tries, key=len)


def problems_of(
    body: Mapping[str, Any], fields: Mapping[str, Shape], prefix: str = ""
) -> list[str]:
    """Return one line for each fault; none means that the body is right."""
    return [
        *(
            f"Unrecognized key(s) in object: '{prefix}{name}'"
            for name in sorted(body.keys() - fields)
        ),
        *(
            f"'{prefix}{name}': Required"
            for name, shape in fields.items()
            if shape.required and name not in body
        ),
        *(
            problem
            for name, shape in fields.items()
            if name in body
            for problem in shape.problems(body[name], f"{prefix}{name}")
        ),
    ]


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
