"""Explain why a job file is not TOML, and how to write the line."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from types import MappingProxyType

from batchgen.job.money import amount_hint

EXAMPLE = 'manifest = "products.csv"'
_TYPOGRAPHIC: Mapping[int, str] = MappingProxyType(
    dict.fromkeys(map(ord, "\u201c\u201d\u201e\u00ab\u00bb"), '"')
    | dict.fromkeys(map(ord, "\u2018\u2019"), "'")
)
_BOOLEANS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("true", "yes", "on"), "true")
    | dict.fromkeys(("false", "no", "off"), "false")
)
_TOML_KEYWORDS = ("true", "false", "inf", "nan")
_ASSIGNMENT = re.compile(r"\s*([\w.\"'-]+)\s*=\s*(.*?)\s*(#.*)?")


def explain(text: str, error: tomllib.TOMLDecodeError) -> tuple[str, str]:
    """Return the place of a mistake, and what is wrong there.

    Args:
        text: The whole file.
        error: Of the parser; its message is used where no better one applies.
    """
    parts = re.fullmatch(r"(.*) \(at (.*)\)", str(error), re.DOTALL)
    message, place = parts.groups() if parts else (str(error), "")
    line_number = re.match(r"line (\d+)", place)
    lines = text.splitlines()
    number = int(line_number[1]) if line_number else len(lines)
    line = lines[number - 1] if 0 < number <= len(lines) else ""
    hint = _file_problem(text, lines) or _line_problem(line, lines[: number - 1])
    return place, f"no valid TOML: {hint or message}"


def _file_problem(text: str, lines: list[str]) -> str | None:
    """Recognise a file of another kind by its first line."""
    first = next((line for line in lines if line.strip()), "")
    if text.lstrip().startswith("{"):
        return f"this is JSON; a job file is TOML: write each key as {EXAMPLE}"
    entry = re.fullmatch(r"([\w-]+):\s+(\S.*)", first)
    if entry or first.strip() == "---":
        key, value = (entry[1], entry[2]) if entry else ("manifest", "products.csv")
        return f"this is YAML; a job file is TOML: write {key} = {_quoted(value)}"
    if "=" not in first and re.search(r"[,;\t]", first) and "[" not in first:
        return "this is a table, not a job file"
    return None


def _line_problem(line: str, previous: list[str]) -> str | None:
    """Return what is wrong with a line; a previous line may define the same name."""
    if line.lstrip().startswith("["):
        name = line.strip().strip("[]").strip()
        if not line.rstrip().endswith("]"):
            return f"{line.strip()} is not closed: write [{name}]"
        return _duplicate_message(
            rf"\s*\[\s*{re.escape(name)}\s*\]", f"[{name}]", previous
        )
    assignment = _ASSIGNMENT.fullmatch(line)
    if assignment is None:
        entry = re.fullmatch(r"\s*([\w-]+)\s*:\s*(\S.*?)\s*", line)
        if entry is None:
            return None
        right = f"{entry[1]} = {_quoted(entry[2])}"
        return f"an equals sign stands behind a key, not `:`: write {right}"
    key, value = assignment[1], assignment[2]
    return (
        _quote_problem(key, value)
        or _unquoted_problem(key, value)
        or _duplicate_message(rf"\s*{re.escape(key)}\s*=.*", f"`{key}`", previous)
    )


def _quote_problem(key: str, value: str) -> str | None:
    """Return what is wrong with quotation marks around or within a text."""
    if value and ord(value[0]) in _TYPOGRAPHIC:
        plain = value.translate(_TYPOGRAPHIC)
        return f"{value[0]} is a typographic quotation mark: write {key} = {plain}"
    if re.fullmatch(r'"[^"\\]+|\'[^\']+', value):
        return f"the quotation mark is never closed: write {key} = {_quoted(value)}"
    if re.fullmatch(r'"[^"\'\\]*"[^"\'\\]+"[^\'\\]*"', value):
        return f"a quotation mark ends the text: write {key} = '{value[1:-1]}'"
    if "\\" in value and value.startswith('"'):
        inner = value.strip('"')
        return (
            f"a backslash in double quotes begins an escape: write {key} = '{inner}', "
            f'or "{inner.replace(chr(92), "/")}"'
        )
    return None


def _unquoted_problem(key: str, value: str) -> str | None:
    """Return what is wrong with a value without quotes."""
    word = value.lower()
    if not value:
        return f"`{key}` has no value: write one behind the =, or leave the line out"
    if word in ("none", "null", "nil"):
        return f"{value} is not TOML: leave the line out"
    if value not in _BOOLEANS.values() and word in _BOOLEANS:
        return f"{value} is not TOML: write {key} = {_BOOLEANS[word]}"
    if re.match(r"[$€£]|\d+[.,]?\d*\s*([$€£]|usd)|\d+,\d+$", value, re.IGNORECASE):
        hint = amount_hint(value).removeprefix("write ")
        amount = hint if hint[0].isdigit() else "5.00"
        return f"{value} is not a number in TOML: write {key} = {amount}"
    is_word = re.match(r"[^\W\d_]|[./~]|\{\{", value) and value not in _TOML_KEYWORDS
    if is_word or re.fullmatch(r"\d+(:\d+|[kK]|px|x\d+)", value):
        return f"a text stands in quotes: write {key} = {_quoted(value)}"
    return None


def _duplicate_message(pattern: str, name: str, previous: list[str]) -> str | None:
    for number, line in enumerate(previous, start=1):
        if re.fullmatch(pattern, line):
            return f"{name} stands there twice, first in line {number}: keep one"
    return None


def _quoted(value: str) -> str:
    return json.dumps(value.strip("\"'"), ensure_ascii=False)
