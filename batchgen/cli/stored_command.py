"""The last `run` command of a folder, which may have been in other hands since.

It is kept as a list of arguments and quoted when it is shown: whatever stands in a
ledger, what can be pasted is one batchgen command and nothing else.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from batchgen.addresses.characters import visible
from batchgen.runner.shell_quoting import quoted_word

if TYPE_CHECKING:
    from batchgen.ledger import Reader

BASE_URL = "--base-url"


def stored_words(ledger: Reader) -> list[str] | None:
    """Return the words of the command that a folder remembers.

    What is no plain `batchgen run` command is left out: then only SOURCE is named. None
    where the folder knows neither.
    """
    words = _read_words(ledger.meta.command)
    if words is not None and _is_run_command(words):
        return words
    source = ledger.meta.source
    if source is None or visible(source) != source:
        return None
    path = os.path.normpath(ledger.path.parent / source)
    return ["batchgen", "run", os.path.relpath(path)]


def join_words(words: Sequence[str]) -> str:
    """Return a command as it can be pasted into a shell."""
    return " ".join(map(quoted_word, words))


def address_notes(command: str) -> Iterator[str]:
    """Yield what to look at before a command of a folder is pasted: who gets a key."""
    words = shlex.split(command)
    addresses = list(_values(words, BASE_URL))
    if not addresses:
        return
    from batchgen.providers import PROVIDERS

    chosen = _values(words, "--provider")
    names = [name for value in chosen for name in value.split(",") if name in PROVIDERS]
    for value in addresses:
        name, equals, url = value.partition("=")
        if not equals or name not in PROVIDERS:
            name, url = (names or [""])[0], value
        if not _is_own(name, url):
            whose = f"the key for {name}" if name else "a key"
            yield f"it sends {whose} to {url}: use it only if you know that address"


def _read_words(stored: object) -> list[str] | None:
    if not isinstance(stored, str):
        return None
    try:
        words = json.loads(stored)
    except (ValueError, RecursionError):
        pass
    else:
        is_list = isinstance(words, list)
        return (
            words if is_list and all(isinstance(word, str) for word in words) else None
        )
    try:
        return shlex.split(stored)  # as older versions kept it
    except ValueError:
        return None


def _is_run_command(words: Sequence[str]) -> bool:
    is_run = len(words) > 2 and tuple(words[:2]) == ("batchgen", "run")
    asks_for_help = "-h" in words or "--help" in words  # click would print it
    if not is_run or asks_for_help or any(visible(word) != word for word in words):
        return False
    from batchgen.cli.run import command  # it imports us

    try:
        command.make_context("run", list(words[2:])).close()
    except (click.ClickException, click.exceptions.Exit):
        return False
    return True


def _values(words: Sequence[str], option: str) -> Iterator[str]:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == option:
            yield following
        elif word.startswith(f"{option}="):
            yield word.partition("=")[2]


def _is_own(name: str, url: str) -> bool:
    import httpx

    from batchgen.planning.own_address import is_own_address
    from batchgen.providers import PROVIDERS

    try:
        return name in PROVIDERS and is_own_address(url, PROVIDERS[name].defaults)
    except httpx.InvalidURL:
        return False
