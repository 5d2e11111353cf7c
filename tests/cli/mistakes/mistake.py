"""One mistake as a small situation, and what its message must hold."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batchgen.providers import PROVIDERS, key_variable
from tests.cli.command import KEY
from tests.warm import Ended, call

GOOD = "id,prompt\na,a lamp\nb,a cup\n"
TIMEOUT_S = 60
MAX_LINES = 3
"""Lines of one message; those of a whole summary or check are not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A situation, and what the one message about it must hold.

    Attributes:
        name: Of the test.
        command: Words behind `batchgen`; `{shop}` stands for a provider on loopback,
            `{url}` for its address alone.
        names: What is wrong and where: the message holds each of these.
        remedy: What to do: the message holds each of these, too.
        code: Exit code by the contract.
        files: Content by path, beside `m.csv`, which is there unless `files` says
            otherwise; None for a folder.
        keys: Environment variables above those with a key for every provider; None
            takes one away, and `{folder}` stands for the folder.
        prepare: Does what files alone cannot say, in the folder.
        is_listed: Whether the message stands in a longer text (`check`, a summary),
            where the line that holds `names[0]` is judged with the next one.
        leaves: Paths that the command may make.
    """

    name: str
    command: str
    names: tuple[str, ...]
    remedy: tuple[str, ...]
    code: int = 2
    files: Mapping[str, str | bytes | None] = field(default_factory=dict)
    keys: Mapping[str, str | None] = field(default_factory=dict)
    prepare: Callable[[Path], None] | None = None
    is_listed: bool = False
    leaves: tuple[str, ...] = ()

    def set_up(self, folder: Path) -> None:
        """Write the files of the situation."""
        for name, content in ({"m.csv": GOOD} | dict(self.files)).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.mkdir()
            elif isinstance(content, bytes):
                path.write_bytes(content)
            else:
                path.write_text(content, encoding="utf-8")
        if self.prepare is not None:
            self.prepare(folder)

    def words(self, url: str) -> list[str]:
        """Return the words of the command."""
        shop = f"--provider aimlapi --base-url {url}"
        text = self.command.replace("{shop}", shop).replace("{url}", url)
        return shlex.split(text)

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the environment of the command."""
        keys = {key_variable(name): KEY for name in PROVIDERS}
        chosen = {**keys, **self.keys}
        present = {
            name: key.replace("{folder}", str(folder))
            for name, key in chosen.items()
            if key is not None
        }
        return {**os.environ, **present}

    def make(self, folder: Path, url: str) -> Ended:
        """Make the mistake."""
        return call(
            self.words(url), at=folder, env=self.environment(folder), within_s=TIMEOUT_S
        )

    def problems(self, ended: Ended) -> list[str]:
        """Return what the message lacks."""
        text = f"{ended.stdout}\n{ended.stderr}"
        message = self._message(text)
        problems = [f"exit code {ended.code}, not {self.code}"] * (
            ended.code != self.code
        )
        problems += [
            f"mistake: no {piece!r}" for piece in _missing(self.names, message)
        ]
        problems += [
            f"remedy: no {piece!r}" for piece in _missing(self.remedy, message)
        ]
        problems += ["a traceback"] * ("Traceback" in text)
        problems += ["a fault of batchgen itself"] * ("fault of batchgen" in text)
        problems += ["a Python object"] * bool(re.search(r"<[\w.]+ object|<re\.", text))
        problems += ["the key is shown"] * (KEY[8:20] in text)
        lines = len(message.splitlines())
        problems += [f"{lines} lines"] * (lines > MAX_LINES)
        return problems

    def _message(self, text: str) -> str:
        lines = [line for line in text.splitlines() if line.strip()]
        if not self.is_listed:
            return "\n".join(lines)
        anchor = self.names[0].casefold()
        places = [at for at, line in enumerate(lines) if anchor in line.casefold()]
        return "\n".join(lines[places[0] : places[0] + 2]) if places else ""


def _missing(pieces: tuple[str, ...], message: str) -> list[str]:
    plain = re.sub(r"\s+", " ", message).casefold()
    return [piece for piece in pieces if piece.casefold() not in plain]
